import { createTokenBuckets } from '../admission/flood.ts';
import { neighbourhoodOf } from '../lib/networks.ts';

export type ConnectionLimits = {
  /** Connections at once, of every kind. */
  readonly connectionsMax: number;
  /** Of one IPv4 address or one IPv6 /64. */
  readonly connectionsPerAddressMax: number;
  /** Of one client certificate. */
  readonly connectionsPerCertificateMax: number;
  /** Handshakes begun by one address: how many a second, and how many at once. */
  readonly handshakesPerSecond: number;
  readonly handshakesBurst: number;
  readonly requestsPerConnectionMax: number;
};

/** Why a connection got no room. */
export type NoRoom = 'full' | 'address' | 'rate' | 'certificate_connections';

/** One connection from accept to close. */
export type Connection = {
  /** Where the peer is; behind a balancer the address that the PROXY header told. */
  address: string;
  /** Requests that were begun on it. */
  requests: number;
  /** Requests under way. */
  busy: number;
  thumbprint: string | undefined;
  countedAddress: string | undefined;
  readonly close: () => void;
};

/** Who is connected, and whom to let go when there is no room. */
export type Connections = {
  /** A place for a connection that was just accepted; undefined: none is left. */
  readonly enter: (close: () => void) => Connection | undefined;
  /** Its address is known: is there room for one more, and one more handshake, of that address? */
  readonly named: (connection: Connection, address: string) => NoRoom | undefined;
  /** Its handshake is complete: is there room for one more of that certificate? */
  readonly proven: (connection: Connection, thumbprint: string) => NoRoom | undefined;
  /** A request begins. False when the connection has had as many as it may have. */
  readonly begin: (connection: Connection) => boolean;
  readonly end: (connection: Connection) => void;
  /** Whether the answer to the request under way is the last of its connection. */
  readonly isLast: (connection: Connection) => boolean;
  readonly leave: (connection: Connection) => void;
  /** Closes what is left, handshakes too. */
  readonly closeAll: () => void;
};

export type ConnectionsOptions = ConnectionLimits & {
  readonly monotonicMs: () => number;
  /** An open connection was closed to make room. */
  readonly onEvicted: () => void;
};

/**
 * Counts connections and makes room. When all places are taken a newcomer displaces the oldest connection that is still in its
 * handshake, and only when there is none the merchant's connection that was idle for longest: strangers, who prove nothing,
 * displace each other first. A connection with a request under way is never closed.
 */
export function createConnections(options: ConnectionsOptions): Connections {
  const all = new Set<Connection>();
  // Sets keep the order of insertion: the first is the oldest handshake, and the connection that was idle for longest.
  const unproven = new Set<Connection>();
  const idle = new Set<Connection>();
  const ofAddress = createTally();
  const ofCertificate = createTally();
  const handshakes = createTokenBuckets({ perSecond: options.handshakesPerSecond, burst: options.handshakesBurst });

  const leave = (connection: Connection): void => {
    if (!all.delete(connection)) return;
    unproven.delete(connection);
    idle.delete(connection);
    if (connection.countedAddress !== undefined) ofAddress.less(connection.countedAddress);
    if (connection.thumbprint !== undefined) ofCertificate.less(connection.thumbprint);
  };
  const makeRoom = (): boolean => {
    const [displaced] = unproven.size > 0 ? unproven : idle;
    if (displaced === undefined) return false;
    leave(displaced);
    displaced.close();
    options.onEvicted();
    return true;
  };
  return {
    enter: (close) => {
      if (all.size >= options.connectionsMax && !makeRoom()) return undefined;
      const connection: Connection = { address: '', requests: 0, busy: 0, thumbprint: undefined, countedAddress: undefined, close };
      all.add(connection);
      unproven.add(connection);
      return connection;
    },
    named: (connection, address) => {
      const shared = neighbourhoodOf(address);
      connection.address = address;
      if (ofAddress.count(shared) >= options.connectionsPerAddressMax) return 'address';
      if (handshakes.take(shared, options.monotonicMs()) > 0) return 'rate';
      connection.countedAddress = shared;
      ofAddress.more(shared);
      return undefined;
    },
    proven: (connection, thumbprint) => {
      if (ofCertificate.count(thumbprint) >= options.connectionsPerCertificateMax) return 'certificate_connections';
      connection.thumbprint = thumbprint;
      ofCertificate.more(thumbprint);
      unproven.delete(connection);
      idle.add(connection);
      return undefined;
    },
    begin: (connection) => {
      if (connection.requests >= options.requestsPerConnectionMax) return false;
      connection.requests += 1;
      connection.busy += 1;
      idle.delete(connection);
      return true;
    },
    end: (connection) => {
      connection.busy -= 1;
      if (connection.busy === 0 && all.has(connection)) idle.add(connection);
    },
    isLast: (connection) => connection.requests >= options.requestsPerConnectionMax,
    leave,
    closeAll: () => {
      for (const { close } of all) close();
    },
  };
}

/** How many there are of each name; a name with none takes no memory. */
function createTally() {
  const counts = new Map<string, number>();
  const count = (name: string): number => counts.get(name) ?? 0;
  return {
    count,
    more: (name: string) => void counts.set(name, count(name) + 1),
    less: (name: string) => void (count(name) > 1 ? counts.set(name, count(name) - 1) : counts.delete(name)),
  };
}
