import type { Server as HttpServer, IncomingMessage } from 'node:http';
import { type AddressInfo, createServer as createTcpServer } from 'node:net';
import type { TLSSocket } from 'node:tls';
import type { Peer } from '../protocol/messages.ts';
import type { ConnectionLimits } from './connections.ts';
import { createGate, type Gate, type Passed, type RefusedReason } from './gate.ts';
import { createMerchantHttp, type HttpOptions } from './http.ts';
import { createMerchantPath, type Guest, type MerchantPathOptions } from './merchant-path.ts';
import { createOpenSockets, type OpenSockets } from './open-sockets.ts';
import { cutStalled } from './stalled.ts';
import { createTlsServers, type TlsMaterial, type TlsServersOptions } from './tls-servers.ts';

export type InternetOptions = Omit<MerchantPathOptions, 'guestOf' | 'closes' | 'hosts'> &
  HttpOptions &
  ConnectionLimits &
  TlsServersOptions & {
    readonly address: string;
    readonly port: number;
    /** CIDR; undefined: clients may come from anywhere. */
    readonly networks?: readonly string[];
    /** CIDR of balancers that speak the PROXY protocol before TLS. */
    readonly proxies: readonly string[];
    /** Who is at the other end; undefined: the socket is destroyed before HTTP. */
    readonly readPeer: (socket: TLSSocket) => Peer | undefined;
    /** Behind a balancer: whose a request is, when `readPeer` said that the balancer is ours. Undefined: the request is refused. */
    readonly findForwardedPeer?: (request: IncomingMessage, balancer: Peer) => Peer | undefined;
    /** Whether the peer gets as far as HTTP. A merchant always does, to be told why it is refused; a balancer must be in good standing. */
    readonly mayEnter?: (peer: Peer) => boolean;
    /** Whether any merchant may be served on a connection of this peer as things stand. */
    readonly isServed: (peer: Peer) => boolean;
    /** Whether the authority that issued the peer's certificate is one of this listener's still; asked for every request. Default: always. */
    readonly isTrusted?: (peer: Peer) => boolean;
    readonly monotonicMs: () => number;
    readonly onConnections: (count: number) => void;
    /** A bug of ours ended one connection; nothing else may end with it. */
    readonly onFault: (error: unknown) => void;
    /** An open connection was closed to make room for another. */
    readonly onEvicted: () => void;
  };

export type Listener = {
  readonly port: number;
  /** No new connections, `Connection: close` on every answer; resolves when the last request is answered or after `timeoutMs`. */
  readonly drain: (timeoutMs: number) => Promise<void>;
  /** Closes the connections whose certificate came to be refused since they were made; answers under way are still given. Returns how many. */
  readonly closeUnserved: () => number;
  /** As closeUnserved, for connections that hang on an authority which is not trusted any more. */
  readonly closeUntrusted: () => number;
  /**
   * Makes ready to go on with other hosts, certificates and authorities; what is returned does it. New handshakes then use them, and
   * open connections go on. Throws what OpenSSL says of material that cannot be used.
   */
  readonly prepare: (material: TlsMaterial) => () => void;
};

const DRAIN_LOOK_MS = 20;

/** Fails closed: a certificate that our reader stumbles over belongs to nobody. */
function findPeer({ readPeer, onFault }: InternetOptions, socket: TLSSocket): Peer | undefined {
  try {
    return readPeer(socket);
  } catch (error) {
    onFault(error);
    return undefined;
  }
}

/** The name TLS was asked for. Node does not show it for every resumed session; where it does, both readings must be one. */
function isSameName({ servername }: TLSSocket, { serverName }: Passed): boolean {
  return typeof servername !== 'string' || servername.toLowerCase() === serverName;
}

/** Who came through: known by socket, until it closes. */
type Hall = { readonly guests: WeakMap<object, Guest>; readonly passed: WeakMap<object, Passed>; readonly sockets: OpenSockets };

/** Looks at each socket whose handshake is complete, and lets in whose certificate is in order. */
function createReception(
  options: InternetOptions,
  gate: Gate,
  { guests, passed, sockets }: Hall,
  letIn: (socket: TLSSocket) => void,
  isDraining: () => boolean,
): (socket: TLSSocket) => void {
  const { findForwardedPeer: find, isTrusted = () => true } = options;
  const findRefusal = (socket: TLSSocket, met: Passed, peer: Peer | undefined): RefusedReason | undefined => {
    if (!isSameName(socket, met)) return 'server_name';
    return peer ? gate.connections.proven(met.connection, peer.thumbprint) : 'certificate';
  };
  const refuse = (socket: TLSSocket, reason: RefusedReason): void => {
    options.onRefused(reason);
    socket.destroy();
  };
  const welcome = (socket: TLSSocket, met: Passed, peer: Peer): void => {
    if (isDraining() || socket.destroyed) {
      socket.destroy();
      return;
    }
    if (options.mayEnter?.(peer) === false) {
      refuse(socket, 'certificate');
      return;
    }
    met.through(socket);
    guests.set(socket, {
      // A session that was resumed, or a connection of before, was not verified against the authorities of now.
      peerOf: (request) => (!isTrusted(peer) ? undefined : find ? find(request, peer) : peer),
      address: met.connection.address,
      isBalancer: find !== undefined,
      serverName: met.serverName,
    });
    passed.set(socket, met);
    sockets.add(socket, peer);
    letIn(socket);
  };
  return (socket) => {
    if (isDraining()) {
      socket.destroy();
      return;
    }
    const met = gate.find(socket);
    const peer = findPeer(options, socket);
    const refusal = met ? findRefusal(socket, met, peer) : 'handshake';
    if (refusal || !met || !peer) {
      refuse(socket, refusal ?? 'certificate');
      return;
    }
    const asked = options.ready(peer);
    if (!asked) {
      welcome(socket, met, peer);
      return;
    }
    // Nobody listens to the socket while its authority is asked: a peer that resets is no fault of ours.
    socket.on('error', () => undefined);
    void asked.then(() => welcome(socket, met, peer)).catch(options.onFault);
  };
}

/** The merchant path over HTTP, with a connection's requests counted. */
function createCountedHttp(
  options: InternetOptions,
  { connections }: Gate,
  { guests, passed, sockets }: Hall,
  hosts: () => ReadonlySet<string>,
  isDraining: () => boolean,
): HttpServer {
  const path = createMerchantPath({
    ...options,
    hosts,
    guestOf: (request) => guests.get(request.socket),
    closes: ({ socket }) => {
      const met = passed.get(socket);
      return isDraining() || sockets.isEnding(socket as TLSSocket) || (met !== undefined && connections.isLast(met.connection));
    },
  });
  return createMerchantHttp(options, (request, response) => {
    const met = passed.get(request.socket);
    // Behind the last request of a connection nothing is read: the answer to that one closes it.
    if (!met || !connections.begin(met.connection)) return;
    sockets.begin(request.socket as TLSSocket, response);
    response.once('close', () => connections.end(met.connection));
    path(request, response).catch((error) => {
      options.onFault(error);
      response.destroy();
    });
  });
}

/** Closes the connections on which nothing is under way, until all are closed or the time is over. */
async function emptyOut(sockets: OpenSockets, timeoutMs: number): Promise<void> {
  const endsAtMs = performance.now() + timeoutMs;
  for (sockets.closeUnused(); sockets.all.size > 0 && performance.now() < endsAtMs; sockets.closeUnused())
    await new Promise((resolve) => setTimeout(resolve, DRAIN_LOOK_MS));
}

/**
 * A door for merchants. TLS server and HTTP server are two objects: a socket is handed over only after its certificate
 * was read and checked, so that a stranger's first flight never reaches the handler (contract.md section 2).
 */
export function listenInternet(options: InternetOptions): Promise<Listener> {
  const sockets = createOpenSockets(options.isServed, options.onConnections);
  const hall: Hall = { guests: new WeakMap(), passed: new WeakMap(), sockets };
  let draining = false;
  let { hosts } = options;
  const servers = createTlsServers(options, (socket) => receive(socket));
  const gate = createGate({ ...options, serverOf: servers.serverOf });
  const http = createCountedHttp(
    options,
    gate,
    hall,
    () => hosts,
    () => draining,
  );
  const receive = createReception(
    options,
    gate,
    hall,
    (socket) => http.emit('connection', socket),
    () => draining,
  );
  const prepare = (material: TlsMaterial) => {
    const use = servers.prepare(material);
    return () => {
      use();
      ({ hosts } = material);
    };
  };
  const stopCutting = cutStalled(sockets.all, options.requestTimeoutMs);
  const door = createTcpServer({ noDelay: true }, gate.accept);
  const stop = () => {
    gate.connections.closeAll();
    http.close();
    stopCutting();
  };
  const drain = async (timeoutMs: number): Promise<void> => {
    draining = true;
    door.close();
    await emptyOut(sockets, timeoutMs);
    stop();
  };
  return new Promise((resolve, reject) => {
    const fail = (error: Error): void => {
      stop();
      reject(error);
    };
    door.once('error', fail);
    door.listen(options.port, options.address, () => {
      door.removeListener('error', fail).on('error', options.onFault);
      const closeUntrusted = () => sockets.closeUntrusted(options.isTrusted ?? (() => true));
      resolve({ port: (door.address() as AddressInfo).port, drain, closeUnserved: sockets.closeUnserved, closeUntrusted, prepare });
    });
  });
}
