import type { AddressInfo, Socket } from 'node:net';
import { createServer as createTlsServer, type TLSSocket, type Server as TlsServer } from 'node:tls';
import type { Peer } from '../protocol/messages.ts';
import { createMerchantHttp, type HttpOptions } from './http.ts';
import { createMerchantPath, type MerchantPathOptions } from './merchant-path.ts';
import { createOpenSockets } from './open-sockets.ts';
import { cutStalled } from './stalled.ts';
import { TLS_POLICY } from './tls-policy.ts';

export type InternetOptions = Omit<MerchantPathOptions, 'peerOf' | 'channel' | 'isEnding' | 'onBegin'> &
  HttpOptions & {
    readonly address: string;
    readonly port: number;
    /** PEM texts: our certificate with its chain, its key, and the authorities whose client certificates are looked at. */
    readonly certificate: string;
    readonly key: string;
    readonly authorities: readonly string[];
    readonly connectionsMax: number;
    readonly handshakeTimeoutMs: number;
    /** Who is at the other end; undefined: the socket is destroyed before HTTP. */
    readonly readPeer: (socket: TLSSocket) => Peer | undefined;
    /** Whether any merchant may be served on a connection of this peer as things stand. */
    readonly isServed: (peer: Peer) => boolean;
    readonly onConnections: (count: number) => void;
    /** A connection was closed before HTTP, and why. */
    readonly onRefused: (reason: 'certificate' | 'handshake' | 'limit') => void;
    /** A bug of ours ended one connection; nothing else may end with it. */
    readonly onFault: (error: unknown) => void;
  };

export type Listener = {
  readonly port: number;
  /** No new connections, `Connection: close` on every answer; resolves when the last request is answered or after `timeoutMs`. */
  readonly drain: (timeoutMs: number) => Promise<void>;
  /** Closes the connections whose certificate came to be refused since they were made; answers under way are still given. Returns how many. */
  readonly closeUnserved: () => number;
};

const DRAIN_LOOK_MS = 20;

/**
 * The door to the internet. TLS server and HTTP server are two objects: a socket is handed over only after its certificate
 * was read and checked, so that a stranger's first flight never reaches the handler (contract.md section 2).
 */
export function listenInternet(options: InternetOptions): Promise<Listener> {
  const sockets = createOpenSockets(options.isServed, options.onConnections);
  let draining = false;
  const path = createMerchantPath({
    ...options,
    channel: 'internet',
    peerOf: sockets.peerOf,
    isEnding: (socket) => draining || sockets.isEnding(socket),
    onBegin: sockets.begin,
  });
  const http = createMerchantHttp(options, (request, response) => {
    path(request, response).catch((error) => {
      options.onFault(error);
      response.destroy();
    });
  });
  const stopCutting = cutStalled(sockets.all, options.requestTimeoutMs);
  const tls = createTls(options);
  const opened = trackOpened(tls);
  tls.on('secureConnection', (socket) => {
    const peer = draining ? undefined : findPeer(socket, options);
    if (!peer) {
      socket.destroy();
      return;
    }
    sockets.add(socket, peer);
    http.emit('connection', socket);
  });
  const drain = async (timeoutMs: number): Promise<void> => {
    draining = true;
    tls.close();
    const endsAtMs = performance.now() + timeoutMs;
    for (sockets.closeUnused(); sockets.all.size > 0 && performance.now() < endsAtMs; sockets.closeUnused())
      await new Promise((resolve) => setTimeout(resolve, DRAIN_LOOK_MS));
    // Those still in their handshake too: they would keep the process until it times out.
    for (const socket of opened) socket.destroy();
    http.close();
    stopCutting();
  };
  return new Promise((resolve, reject) => {
    tls.once('error', reject);
    tls.listen(options.port, options.address, () => {
      tls.removeListener('error', reject);
      tls.on('error', options.onFault);
      resolve({ port: (tls.address() as AddressInfo).port, drain, closeUnserved: sockets.closeUnserved });
    });
  });
}

function createTls(options: InternetOptions): TlsServer {
  const tls = createTlsServer({
    ...TLS_POLICY,
    ALPNProtocols: [...TLS_POLICY.ALPNProtocols],
    cert: options.certificate,
    key: options.key,
    ca: [...options.authorities],
    requestCert: true,
    // We decide ourselves: an expired certificate of ours is told so by a signed 403, a stranger sees a closed socket.
    rejectUnauthorized: false,
    handshakeTimeout: options.handshakeTimeoutMs,
  });
  tls.maxConnections = options.connectionsMax;
  tls.on('drop', () => options.onRefused('limit'));
  tls.on('tlsClientError', (_error, socket) => {
    options.onRefused('handshake');
    socket.destroy();
  });
  return tls;
}

/** Every connection from its first byte on, before and after the handshake. */
function trackOpened(tls: TlsServer): ReadonlySet<Socket> {
  const opened = new Set<Socket>();
  tls.on('connection', (socket: Socket) => {
    opened.add(socket);
    socket.once('close', () => opened.delete(socket));
  });
  return opened;
}

/** Fails closed: a certificate that our reader stumbles over belongs to nobody. */
function findPeer(socket: TLSSocket, { readPeer, onRefused, onFault }: InternetOptions): Peer | undefined {
  try {
    const peer = readPeer(socket);
    if (!peer) onRefused('certificate');
    return peer;
  } catch (error) {
    onFault(error);
    return undefined;
  }
}
