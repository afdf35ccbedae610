import { randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { Refusal } from '../protocol/errors.ts';
import type { Arrived, Peer, Sealed } from '../protocol/messages.ts';
import type { Channel } from '../protocol/operation.ts';
import { checkBounds, checkTrailers, mayContinue } from './bounds.ts';
import { findForgedIdentity } from './forwarded-certificate.ts';
import { checkHost } from './host.ts';
import { readBody } from './read-body.ts';

/** The other end of a connection. */
export type Guest = {
  /** Whose a request is; undefined: nobody we know. */
  readonly peerOf: (request: IncomingMessage) => Peer | undefined;
  /** The client's address; behind a balancer with the PROXY protocol the one it told. */
  readonly address: string;
  /** The other end is a balancer, which passes on requests of many clients. */
  readonly isBalancer: boolean;
  /** The name TLS was asked for. */
  readonly serverName: string | undefined;
};

export type MerchantPathOptions = {
  readonly channel: Channel;
  /** The largest body any operation takes now, bytes. */
  readonly bodyBytesMax: () => number;
  readonly guestOf: (request: IncomingMessage) => Guest | undefined;
  /** Names that a Host header may carry. */
  readonly hosts: () => ReadonlySet<string>;
  /** The pipeline. */
  readonly handle: (arrived: Arrived) => Promise<Sealed>;
  /** What must be asked about a certificate before a request of it is looked at; undefined: nothing. Never rejects. */
  readonly ready: (peer: Peer) => Promise<void> | undefined;
  /** Signs a refusal of a request that never reached the pipeline. */
  readonly refuse: (arrived: Arrived, error: unknown) => Promise<Sealed>;
  /** Whether the connection ends with the answer to this request. */
  readonly closes: (request: IncomingMessage) => boolean;
  /** A client that proved one certificate named another one in this header. */
  readonly onForgedIdentity: (header: string, peer: Peer, address: string) => void;
  readonly nowMs: () => number;
};

const NO_BODY = Buffer.alloc(0);

function arrivedOf(request: IncomingMessage, peer: Peer, address: string, options: MerchantPathOptions): Arrived {
  return {
    requestId: randomUUID(),
    receivedAtMs: options.nowMs(),
    times: {},
    peer,
    channel: options.channel,
    address,
    method: request.method ?? '',
    target: request.url ?? '',
    rawHeaders: request.rawHeaders,
    body: NO_BODY,
  };
}

/** Bytes out. A merchant that has left misses its answer; its key will find it again. */
function write(response: ServerResponse, sealed: Sealed, closes: boolean): void {
  const headers = [...sealed.rawHeaders, 'content-length', String(sealed.body.length)];
  if (closes || sealed.connection === 'close') headers.push('connection', 'close');
  response.writeHead(sealed.status, headers);
  response.end(sealed.body);
}

/**
 * A request without a client we know. A balancer needs an answer, or it would take us for broken and leave all merchants outside:
 * this one is unsigned, as there is nobody to sign it for. A client of its own sees a closed socket.
 */
function turnAway(response: ServerResponse, isBalancer: boolean): void {
  if (!isBalancer || response.destroyed) response.destroy();
  else response.writeHead(403, ['connection', 'close', 'content-length', '0']).end();
}

/** The one thing mounted on the merchant path: bytes in, the pipeline, bytes out. Rejects only for a bug of ours. */
export function createMerchantPath(options: MerchantPathOptions): (request: IncomingMessage, response: ServerResponse) => Promise<void> {
  /** Connections whose framing is no longer trusted: what seems to follow on them may be a part of what was refused. */
  const ending = new WeakSet<Socket>();
  const respond = async (request: IncomingMessage, response: ServerResponse, guest: Guest, peer: Peer): Promise<Sealed | undefined> => {
    const arrived = arrivedOf(request, peer, guest.address, options);
    const { rawHeaders } = request;
    const forged = guest.isBalancer ? undefined : findForgedIdentity(rawHeaders, peer.thumbprint);
    if (forged !== undefined) options.onForgedIdentity(forged, peer, guest.address);
    try {
      const bodyBytesMax = options.bodyBytesMax();
      checkBounds(request, bodyBytesMax);
      if (!guest.isBalancer) checkHost(guest.serverName, rawHeaders, options.hosts());
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
    if (ending.has(request.socket)) return;
    const guest = options.guestOf(request);
    const peer = guest?.peerOf(request);
    const asked = peer && options.ready(peer);
    if (asked) await asked;
    const sealed = guest && peer && (await respond(request, response, guest, peer));
    if (!sealed || response.destroyed || sealed.connection === 'destroy') turnAway(response, guest?.isBalancer ?? false);
    else write(response, sealed, options.closes(request));
  };
}
