import type { Socket } from 'node:net';
import type { TLSSocket, Server as TlsServer } from 'node:tls';
import { createNetworks, plainAddress } from '../lib/networks.ts';
import { type ClientHello, readClientHello, type ServerName } from './client-hello.ts';
import { type Connection, type ConnectionLimits, type Connections, createConnections, type NoRoom } from './connections.ts';
import { readFirstBytes } from './first-bytes.ts';
import { readProxyHeader } from './proxy-protocol.ts';

/** Why a connection was closed before HTTP; the labels of a metric. */
export type RefusedReason = NoRoom | 'certificate' | 'handshake' | 'proxy' | 'network' | 'server_name';

export type GateOptions = ConnectionLimits & {
  /** The only networks that clients may come from; undefined: any. */
  readonly networks?: readonly string[];
  /** Peers that speak the PROXY protocol before TLS, and must. */
  readonly proxies: readonly string[];
  /** From accept until the handshake is complete, ms. */
  readonly handshakeTimeoutMs: number;
  /** The TLS server that fits what the client says first. */
  readonly serverOf: (hello: ClientHello | undefined) => TlsServer;
  readonly monotonicMs: () => number;
  readonly onRefused: (reason: RefusedReason) => void;
  readonly onEvicted: () => void;
};

/** A connection that passed the gate and is in TLS, or through it. */
export type Passed = { readonly connection: Connection; readonly serverName: ServerName; readonly through: (socket: TLSSocket) => void };

export type Gate = {
  /** Takes a socket that was just accepted. */
  readonly accept: (socket: Socket) => void;
  /** What is known of a TLS socket that came through; undefined when its peer has already left. */
  readonly find: (socket: TLSSocket) => Passed | undefined;
  readonly connections: Connections;
};

type Arrival = {
  readonly raw: Socket;
  readonly key: string;
  readonly connection: Connection;
  readonly through: (socket: TLSSocket) => void;
};

/** TLS hides the socket below it, so the two are matched by what no two open connections share: both addresses and ports. */
const keyOf = ({ remoteAddress, remotePort, localAddress, localPort }: Socket): string | undefined =>
  remoteAddress === undefined ? undefined : [remoteAddress, remotePort, localAddress, localPort].join(' ');

/**
 * What is decided before a byte of TLS is spent on a connection: room, the client's address (told by the balancer where one is
 * trusted), its network, its rate of handshakes; then which server name it asks for.
 */
export function createGate(options: GateOptions): Gate {
  const connections = createConnections(options);
  const networks = options.networks && createNetworks(options.networks);
  const proxies = createNetworks(options.proxies);
  const passed = new Map<string, Passed>();

  /** The client's address is known: decides on it, then hands the socket to TLS. */
  const admit = (arrival: Arrival, address: string): void => {
    const { raw, key, connection, through } = arrival;
    const refusal = networks && !networks.has(address) ? 'network' : connections.named(connection, address);
    if (refusal) {
      refuse(raw, refusal);
      return;
    }
    readFirstBytes(raw, readClientHello, (read) => {
      const hello = read.kind === 'done' ? read.value : undefined;
      passed.set(key, { connection, serverName: hello?.serverName, through });
      options.serverOf(hello).emit('connection', raw);
    });
  };
  const refuse = (raw: Socket, reason: RefusedReason): void => {
    options.onRefused(reason);
    raw.destroy();
  };
  /** A place for the socket, and the clock of its handshake; undefined when there is no room. */
  const enter = (raw: Socket): Arrival | undefined => {
    const key = keyOf(raw);
    let current: Socket = raw;
    const connection = key === undefined ? undefined : connections.enter(() => current.destroy());
    if (key === undefined || connection === undefined) return undefined;
    const late = setTimeout(() => {
      options.onRefused('handshake');
      current.destroy();
    }, options.handshakeTimeoutMs);
    raw.once('close', () => {
      clearTimeout(late);
      passed.delete(key);
      connections.leave(connection);
    });
    const through = (socket: TLSSocket): void => {
      clearTimeout(late);
      current = socket;
    };
    return { raw, key, connection, through };
  };
  const accept = (raw: Socket): void => {
    // A peer that resets is no event: `close` follows.
    raw.on('error', () => undefined);
    const peer = plainAddress(raw.remoteAddress ?? '');
    const arrival = enter(raw);
    if (!arrival) refuse(raw, 'full');
    else if (!proxies.has(peer)) admit(arrival, peer);
    else
      readFirstBytes(raw, readProxyHeader, (read) => {
        if (read.kind === 'done') admit(arrival, read.value ?? peer);
        else refuse(raw, 'proxy');
      });
  };
  return {
    accept,
    connections,
    find: (socket) => {
      const key = keyOf(socket);
      return key === undefined ? undefined : passed.get(key);
    },
  };
}
