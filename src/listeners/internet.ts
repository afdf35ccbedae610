import { createServer as createHttpServer, type Server } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { createServer as createTlsServer, type TLSSocket } from 'node:tls';
import express from 'express';
import type { Peer } from '../protocol/messages.ts';
import { createMerchantPath, type MerchantPathOptions } from './merchant-path.ts';
import { TLS_POLICY } from './tls-policy.ts';

export type InternetOptions = Omit<MerchantPathOptions, 'peerOf' | 'channel' | 'isDraining'> & {
  readonly address: string;
  readonly port: number;
  /** PEM texts: our certificate with its chain, its key, and the authorities whose client certificates are looked at. */
  readonly certificate: string;
  readonly key: string;
  readonly authorities: readonly string[];
  readonly connectionsMax: number;
  readonly handshakeTimeoutMs: number;
  readonly headersTimeoutMs: number;
  readonly requestTimeoutMs: number;
  readonly idleTimeoutMs: number;
  readonly headerBytesMax: number;
  /** Who is at the other end; undefined: the socket is destroyed before HTTP. */
  readonly readPeer: (socket: TLSSocket) => Peer | undefined;
  readonly onConnections: (count: number) => void;
  /** A connection was closed before HTTP, and why. */
  readonly onRefused: (reason: 'certificate' | 'handshake') => void;
};

export type Listener = {
  readonly port: number;
  /** No new connections, `Connection: close` on every answer; resolves when the last request is answered or after `timeoutMs`. */
  readonly drain: (timeoutMs: number) => Promise<void>;
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

function createHttp(options: InternetOptions, path: ReturnType<typeof createMerchantPath>): Server {
  const app = express();
  app.disable('x-powered-by').disable('etag').set('query parser', false);
  app.use((request, response) => void path(request, response));
  const http = createHttpServer(
    {
      maxHeaderSize: options.headerBytesMax,
      headersTimeout: options.headersTimeoutMs,
      requestTimeout: options.requestTimeoutMs,
      keepAliveTimeout: options.idleTimeoutMs,
      connectionsCheckingInterval: 1_000,
      requireHostHeader: false,
    },
    app,
  );
  http.on('checkContinue', (request, response) => {
    response.writeContinue();
    app(request, response);
  });
  http.on('clientError', refuseUnparsed);
  // Sockets are handed over, so this server never listens itself; without the event Node would not watch its timeouts.
  http.emit('listening');
  return http;
}

/**
 * The door to the internet. TLS server and HTTP server are two objects: a socket is handed over only after its certificate
 * was read and checked, so that a stranger's first flight never reaches the handler (contract.md section 2).
 */
export function listenInternet(options: InternetOptions): Promise<Listener> {
  const peers = new WeakMap<TLSSocket, Peer>();
  const sockets = new Set<TLSSocket>();
  let draining = false;
  const path = createMerchantPath({ ...options, channel: 'internet', peerOf: (socket) => peers.get(socket), isDraining: () => draining });
  const http = createHttp(options, path);
  const tls = createTlsServer({
    ...TLS_POLICY,
    ALPNProtocols: [...TLS_POLICY.ALPNProtocols],
    cert: options.certificate,
    key: options.key,
    ca: [...options.authorities],
    requestCert: true,
    // We decide ourselves, below: an expired certificate of ours is told so by a signed 403, a stranger sees a closed socket.
    rejectUnauthorized: false,
    handshakeTimeout: options.handshakeTimeoutMs,
  });
  tls.maxConnections = options.connectionsMax;
  tls.on('secureConnection', (socket) => {
    const peer = options.readPeer(socket);
    if (!peer) {
      options.onRefused('certificate');
      socket.destroy();
      return;
    }
    peers.set(socket, peer);
    sockets.add(socket);
    options.onConnections(sockets.size);
    socket.on('close', () => {
      sockets.delete(socket);
      options.onConnections(sockets.size);
    });
    http.emit('connection', socket);
  });
  tls.on('tlsClientError', (_error, socket) => {
    options.onRefused('handshake');
    socket.destroy();
  });
  const drain = async (timeoutMs: number): Promise<void> => {
    draining = true;
    tls.close();
    http.closeIdleConnections();
    const endsAtMs = performance.now() + timeoutMs;
    while (sockets.size > 0 && performance.now() < endsAtMs) {
      http.closeIdleConnections();
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    for (const socket of sockets) socket.destroy();
    http.close();
  };
  return new Promise((resolve, reject) => {
    tls.once('error', reject);
    tls.listen(options.port, options.address, () => {
      tls.removeListener('error', reject);
      resolve({ port: (tls.address() as AddressInfo).port, drain });
    });
  });
}
