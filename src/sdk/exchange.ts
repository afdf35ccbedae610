import type { IncomingMessage } from 'node:http';
import { Agent, request as httpsRequest } from 'node:https';
import type { ReceivedAnswer, WireRequest } from './answer.ts';

/** How to reach the gateway. Certificates and keys are PEM; times milliseconds; sizes bytes. */
export type ExchangeOptions = {
  readonly url: URL;
  readonly certificate: string;
  readonly key: string;
  readonly passphrase?: string;
  /** The only authorities a server certificate may come from. */
  readonly authority: string;
  /** For the whole exchange, connecting included. */
  readonly timeoutMs: number;
  readonly answerBytesMax: number;
};

/** No usable answer came. `sent`: whether any byte of the request may have left this machine. */
export class NoAnswer extends Error {
  readonly sent: boolean;
  constructor(message: string, sent: boolean, options?: ErrorOptions) {
    super(message, options);
    this.name = 'NoAnswer';
    this.sent = sent;
  }
}

/** One TLS way to the gateway. */
export type Exchange = {
  /** Sends the very bytes once, never again by itself, follows no redirect. Throws NoAnswer. */
  readonly send: (request: WireRequest) => Promise<ReceivedAnswer>;
  readonly close: () => void;
};

/** Idle connections end before the gateway would end them, so that a request rarely meets a closing one. */
const IDLE_MS_MAX = 4000;

function createAgent(options: ExchangeOptions): Agent {
  const { certificate: cert, key, passphrase, authority: ca } = options;
  return new Agent({
    ...{ cert, key, ca, ...(passphrase !== undefined && { passphrase }) },
    ...{ rejectUnauthorized: true, minVersion: 'TLSv1.2', ALPNProtocols: ['http/1.1'] },
    ...{ keepAlive: true, timeout: IDLE_MS_MAX, scheduling: 'lifo' },
  });
}

async function readBody(response: IncomingMessage, bytesMax: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > bytesMax) throw new Error(`the answer is longer than ${bytesMax} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

/** Opens a way to the gateway; connections are made when they are needed and kept. */
export function createExchange(options: ExchangeOptions): Exchange {
  const agent = createAgent(options);
  return { send: (request) => sendOnce(agent, options, request), close: () => agent.destroy() };
}

function sendOnce(agent: Agent, options: ExchangeOptions, request: WireRequest): Promise<ReceivedAnswer> {
  const { url, timeoutMs, answerBytesMax } = options;
  const signal = AbortSignal.timeout(timeoutMs);
  return new Promise((resolve, reject) => {
    let sent = false;
    const fail = (error: Error): void => {
      const reason = signal.aborted ? `no answer within ${timeoutMs} ms` : error.message;
      outgoing.destroy();
      reject(
        new NoAnswer(sent ? `no answer came, and the request may have arrived: ${reason}` : `not sent: ${reason}`, sent, { cause: error }),
      );
    };
    const outgoing = httpsRequest({
      ...{ agent, signal, host: url.hostname.replace(/^\[|\]$/g, ''), port: url.port || 443 },
      ...{ method: request.method, path: request.target, headers: request.rawHeaders as string[] },
    });
    outgoing.on('error', fail);
    outgoing.on('socket', (socket) => {
      if (outgoing.reusedSocket) sent = true;
      else socket.once('secureConnect', () => (sent = true));
    });
    outgoing.on('response', (response) => {
      const status = response.statusCode as number;
      readBody(response, answerBytesMax).then((body) => resolve({ status, rawHeaders: response.rawHeaders, body }), fail);
    });
    outgoing.end(request.body);
  });
}
