import { type Dispatcher, Pool } from 'undici';

export type HttpPoolOptions = {
  /** http: or https: origin; a path, query or credentials in it are not used. */
  readonly url: URL;
  /** Most sockets at once; each carries one request at a time. */
  readonly connections: number;
  /** How long a request waits for a connected socket, ms. */
  readonly connectTimeoutMs: number;
  /** Largest answer head and answer body, bytes. */
  readonly headerBytesMax: number;
  readonly answerBytesMax: number;
  /** Most requests that wait for a socket. */
  readonly waitingMax: number;
  /** For https: whom to trust, and who we are. */
  readonly tls?: {
    readonly ca?: string | Buffer;
    readonly cert?: string | Buffer;
    readonly key?: string | Buffer;
    readonly servername?: string;
  };
};

export type HttpCall = {
  readonly method: string;
  /** Path and query as they are to be sent. */
  readonly path: string;
  /** Flat name, value list: all headers but Host, Connection and Content-Length, which are framing. */
  readonly headers: readonly string[];
  readonly body: Buffer;
  /** From now until the answer's last byte, ms. */
  readonly timeoutMs: number;
};

/** `notSent`: proven that no byte left. `noAnswer`: bytes may have left, and no whole, well-formed answer came. */
export type HttpResult =
  | { readonly kind: 'answered'; readonly status: number; readonly rawHeaders: readonly string[]; readonly body: Buffer }
  | { readonly kind: 'notSent' | 'noAnswer'; readonly reason: string };

export type HttpPool = {
  /** Sends once, follows nothing, repeats nothing, never rejects. */
  readonly send: (call: HttpCall) => Promise<HttpResult>;
  /** Takes nothing more and resolves when everything under way has ended. */
  readonly close: () => Promise<void>;
};

/**
 * HTTP/1.1 to one origin over keep-alive sockets.
 *
 * The proof behind `notSent` is undici's order of steps: `onRequestStart` is called on a connected socket before the first
 * byte of a request is written to it, in the same turn, and a request whose `onRequestStart` throws is never written. Until
 * then a failure means that nothing was sent (refused, timed out or failed TLS, no free socket); from then on nothing is proven.
 */
export function createHttpPool(options: HttpPoolOptions): HttpPool {
  const pool = new Pool(options.url.origin, {
    connections: options.connections,
    pipelining: 1,
    connect: { ...options.tls, timeout: options.connectTimeoutMs },
    allowH2: false,
    maxHeaderSize: options.headerBytesMax,
    maxResponseSize: options.answerBytesMax,
    // One timer of ours covers a call whole; undici's only start anew with every byte.
    headersTimeout: 0,
    bodyTimeout: 0,
  });
  let waiting = 0;

  const send = (call: HttpCall): Promise<HttpResult> => {
    if (waiting >= options.waitingMax) return Promise.resolve({ kind: 'notSent', reason: `${waiting} requests wait for a connection` });
    waiting += 1;
    return new Promise((resolve) => {
      const handler = createExchange({ call, connectTimeoutMs: options.connectTimeoutMs, resolve, onLeftQueue: () => (waiting -= 1) });
      const { method, path, headers, body } = call;
      pool.dispatch({ method, path, headers: headers as string[], body: body.length > 0 ? body : null }, handler);
    });
  };

  let closing: Promise<void> | undefined;
  const close = (): Promise<void> => {
    closing ??= pool.close();
    return closing;
  };
  return { send, close };
}

type Exchange = {
  readonly call: HttpCall;
  readonly connectTimeoutMs: number;
  readonly resolve: (result: HttpResult) => void;
  /** Called once, when the request was begun or is given up by undici. */
  readonly onLeftQueue: () => void;
};

/** Follows one request through undici's callbacks to exactly one result. */
function createExchange({ call, connectTimeoutMs, resolve, onLeftQueue }: Exchange): Dispatcher.DispatchHandler {
  let controller: Dispatcher.DispatchController | undefined;
  let queued = true;
  let settled = false;
  let status = 0;
  let rawHeaders: string[] = [];
  const chunks: Buffer[] = [];

  const settle = (result: HttpResult): void => {
    if (settled) return;
    settled = true;
    clearTimeout(connecting);
    clearTimeout(answering);
    resolve(result);
  };
  const fail = (reason: string): void => settle({ kind: controller ? 'noAnswer' : 'notSent', reason });
  const leaveQueue = (): void => {
    if (queued) onLeftQueue();
    queued = false;
  };

  const connectMs = Math.min(connectTimeoutMs, call.timeoutMs);
  const connecting = setTimeout(() => fail(`no connection within ${connectMs} ms`), connectMs);
  const answering = setTimeout(() => {
    fail(`no answer within ${call.timeoutMs} ms`);
    controller?.abort(new Error('timed out'));
  }, call.timeoutMs);

  return {
    onRequestStart(begun) {
      leaveQueue();
      // A request that was given up, or was begun before, must not be written: throwing here prevents it and keeps the socket.
      if (settled || controller) throw new Error('given up');
      controller = begun;
      clearTimeout(connecting);
    },
    onResponseStart(begun, statusCode) {
      if (statusCode < 200) return;
      status = statusCode;
      rawHeaders = ((begun.rawHeaders ?? []) as (Buffer | string)[]).map((part) => part.toString('latin1' as never));
    },
    onResponseData(_controller, chunk) {
      chunks.push(Buffer.from(chunk));
    },
    onResponseEnd() {
      settle({ kind: 'answered', status, rawHeaders, body: Buffer.concat(chunks) });
    },
    onResponseError(_controller, error) {
      leaveQueue();
      fail(`${(error as NodeJS.ErrnoException).code ?? error.name}: ${error.message}`);
    },
  };
}
