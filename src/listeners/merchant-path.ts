import { randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { Refusal } from '../protocol/errors.ts';
import type { Arrived, Peer, Sealed } from '../protocol/messages.ts';
import type { Channel } from '../protocol/operation.ts';
import { checkBounds, checkTrailers, mayContinue } from './bounds.ts';
import { readBody } from './read-body.ts';

export type MerchantPathOptions = {
  readonly channel: Channel;
  /** The largest body any operation takes now, bytes. */
  readonly bodyBytesMax: () => number;
  readonly peerOf: (socket: TLSSocket) => Peer | undefined;
  /** The pipeline. */
  readonly handle: (arrived: Arrived) => Promise<Sealed>;
  /** Signs a refusal of a request that never reached the pipeline. */
  readonly refuse: (arrived: Arrived, error: unknown) => Promise<Sealed>;
  /** Whether the connection ends after this answer. */
  readonly isEnding: (socket: TLSSocket) => boolean;
  /** A request has come; its answer is under way until the response closes. */
  readonly onBegin: (socket: TLSSocket, response: ServerResponse) => void;
  readonly nowMs: () => number;
};

const NO_BODY = Buffer.alloc(0);

function arrivedOf(request: IncomingMessage, peer: Peer, options: MerchantPathOptions): Arrived {
  return {
    requestId: randomUUID(),
    receivedAtMs: options.nowMs(),
    times: {},
    peer,
    channel: options.channel,
    address: request.socket.remoteAddress ?? '',
    method: request.method ?? '',
    target: request.url ?? '',
    rawHeaders: request.rawHeaders,
    body: NO_BODY,
  };
}

/** Bytes out. A merchant that has left misses its answer; its key will find it again. */
function write(response: ServerResponse, sealed: Sealed, closes: boolean): void {
  if (sealed.connection === 'destroy') {
    response.destroy();
    return;
  }
  const headers = [...sealed.rawHeaders, 'content-length', String(sealed.body.length)];
  if (closes || sealed.connection === 'close') headers.push('connection', 'close');
  response.writeHead(sealed.status, headers);
  response.end(sealed.body);
}

/** The one thing mounted on the merchant path: bytes in, the pipeline, bytes out. Rejects only for a bug of ours. */
export function createMerchantPath(options: MerchantPathOptions): (request: IncomingMessage, response: ServerResponse) => Promise<void> {
  /** Connections whose framing is no longer trusted: what seems to follow on them may be a part of what was refused. */
  const ending = new WeakSet<Socket>();
  const respond = async (request: IncomingMessage, response: ServerResponse, peer: Peer): Promise<Sealed | undefined> => {
    const arrived = arrivedOf(request, peer, options);
    try {
      const bodyBytesMax = options.bodyBytesMax();
      checkBounds(request, bodyBytesMax);
      if (mayContinue(request)) response.writeContinue();
      const body = await readBody(request, bodyBytesMax);
      if (body === undefined) return undefined;
      checkTrailers(request);
      return await options.handle({ ...arrived, body });
    } catch (error) {
      if (error instanceof Refusal && error.options.closes) ending.add(request.socket);
      return options.refuse(arrived, error);
    }
  };
  return async (request, response) => {
    const socket = request.socket as TLSSocket;
    if (ending.has(socket)) return;
    options.onBegin(socket, response);
    const peer = options.peerOf(socket);
    const sealed = peer && (await respond(request, response, peer));
    if (!sealed || response.destroyed) response.destroy();
    else write(response, sealed, options.isEnding(socket));
  };
}
