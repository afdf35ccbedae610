import { createServer, type IncomingMessage, type RequestListener, type Server, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import express, { type NextFunction, type Request, type Response } from 'express';

export type HttpOptions = {
  readonly headersTimeoutMs: number;
  readonly requestTimeoutMs: number;
  readonly idleTimeoutMs: number;
  readonly headerBytesMax: number;
};

const UNSIGNED: Readonly<Record<string, string>> = {
  HPE_HEADER_OVERFLOW: '431 Request Header Fields Too Large',
  ERR_HTTP_REQUEST_TIMEOUT: '408 Request Timeout',
  HPE_CHUNK_EXTENSIONS_OVERFLOW: '413 Content Too Large',
};

/** What the HTTP parser refuses is not a request yet: it is answered unsigned, and the socket closed (contract.md section 4). */
function refuseUnparsed(error: NodeJS.ErrnoException, socket: Socket): void {
  if (!socket.writable || error.code === 'ECONNRESET') {
    socket.destroy();
    return;
  }
  const status = UNSIGNED[error.code ?? ''] ?? '400 Bad Request';
  socket.end(`HTTP/1.1 ${status}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n`, () => socket.destroy());
}

/** Answers that are owed on a socket to requests that came whole, in their order. */
function createDebts() {
  const debts = new WeakMap<Socket, Set<ServerResponse>>();
  return {
    note: (socket: Socket, response: ServerResponse): void => {
      const open = debts.get(socket) ?? new Set();
      debts.set(socket, open.add(response));
      response.once('close', () => open.delete(response));
    },
    findLast: (socket: Socket): ServerResponse | undefined => [...(debts.get(socket) ?? [])].findLast(({ req }) => req.complete),
  };
}

/**
 * HTTP/1.1 for sockets that are handed over, with one handler behind Express. Whatever Express itself would answer, unsigned and in
 * its own words, goes to the handler too: its router gives up on targets that are no paths, such as `a://b`.
 */
export function createMerchantHttp(options: HttpOptions, handler: (request: IncomingMessage, response: ServerResponse) => void): Server {
  const app = express();
  app.disable('x-powered-by').disable('etag').set('query parser', false);
  app.use((request, response) => handler(request, response));
  const debts = createDebts();
  const broken = new WeakSet<Socket>();
  const serve: RequestListener = (request, response) => {
    debts.note(request.socket, response);
    const next: NextFunction = () => handler(request, response);
    app(request as Request, response as Response, next);
  };
  const http = createServer(
    {
      maxHeaderSize: options.headerBytesMax,
      headersTimeout: options.headersTimeoutMs,
      requestTimeout: options.requestTimeoutMs,
      keepAliveTimeout: options.idleTimeoutMs,
      connectionsCheckingInterval: 1_000,
      requireHostHeader: false,
    },
    serve,
  );
  // Node would answer both by itself: the handler decides whether to go on, and refuses signed.
  http.on('checkContinue', serve).on('checkExpectation', serve);
  http.on('clientError', (error, socket) => {
    if (broken.has(socket as Socket)) return;
    broken.add(socket as Socket);
    // Requests before it on the same connection are answered first: theirs must not be taken for their answer.
    const last = debts.findLast(socket as Socket);
    if (last) last.once('close', () => refuseUnparsed(error, socket as Socket));
    else refuseUnparsed(error, socket as Socket);
  });
  // Sockets are handed over, so this server never listens itself; without the event Node would not watch its timeouts.
  http.emit('listening');
  return http;
}
