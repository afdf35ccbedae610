import type { TLSSocket } from 'node:tls';
import type { GatewayConfig } from '../config/schema.ts';
import type { ListenerAuthority } from '../identity/authorities.ts';
import { readBalancer } from '../identity/balancer.ts';
import { readForwardedPeer } from '../identity/forwarded-peer.ts';
import { isServed, judgeAlone } from '../identity/identify.ts';
import { isTrustedBy, readPeer } from '../identity/peer.ts';
import { systemClock } from '../lib/clock.ts';
import type { Log } from '../lib/log.ts';
import type { Metrics } from '../lib/metrics.ts';
import { UserError } from '../lib/user-error.ts';
import { findForwarded } from '../listeners/forwarded-certificate.ts';
import { type InternetOptions, type Listener, listenInternet } from '../listeners/internet.ts';
import type { TlsMaterial } from '../listeners/tls-servers.ts';
import type { Event } from '../pipeline/event.ts';
import { handle } from '../pipeline/handle.ts';
import type { Stages } from '../pipeline/stages.ts';
import type { Peer } from '../protocol/messages.ts';
import { createTicketSource, type DoorMaterial, type DoorName, type Row, readMaterial, rowOf, sameTls } from './door-material.ts';
import { tellListenProblems } from './listen-problems.ts';
import type { Revocation } from './revocation.ts';

export type DoorsOptions = {
  readonly config: GatewayConfig;
  readonly stages: Stages;
  readonly revocation: Pick<Revocation, 'snapshot' | 'registers' | 'ocsp' | 'staples' | 'seePresented'>;
  /** All that are configured; each door trusts those it names. */
  readonly authorities: readonly ListenerAuthority[];
  readonly metrics: Metrics;
  readonly event: Event;
  readonly log: Log;
};

export type DoorPorts = { readonly internet: number; readonly dedicated?: number; readonly balancer?: number };

/** All listeners for merchants that the configuration has. */
export type Doors = {
  readonly ports: DoorPorts;
  readonly drain: (timeoutMs: number) => Promise<void>;
  /** See Listener.closeUnserved. */
  readonly closeUnserved: () => number;
  /**
   * Makes ready for the certificates, keys, hosts and authorities of another configuration; what is returned puts them in use at all
   * doors together, closes the connections that hang on an authority that is gone, and tells how many. Throws a UserError when
   * anything cannot be used; then nothing was changed.
   */
  readonly prepare: (config: GatewayConfig, authorities: readonly ListenerAuthority[]) => () => number;
};

/** A door that is open, and what it was made from last. */
type Door = { readonly listener: Listener; readonly prepare: Doors['prepare'] };

type TicketSource = ReturnType<typeof createTicketSource>;

const { nowMs, monotonicMs } = systemClock;
const BALANCED = { proxies: [], handshakesPerSecond: 100_000, handshakesBurst: 1_000_000 } as const;

const TITLES: Readonly<Record<DoorName, string>> = {
  internet: 'the merchant listener',
  dedicated: 'the listener of the dedicated line',
  balancer: 'the listener of the balancers',
};
const VARIABLES: Readonly<Partial<Record<DoorName, string>>> = { internet: 'HUFU_PORT_INTERNET', dedicated: 'HUFU_PORT_DEDICATED' };

/** Opens them; when one cannot, those before it are closed again. */
export async function openDoors(options: DoorsOptions): Promise<Doors> {
  const { dedicated, balancer } = options.config.listeners;
  const open: Door[] = [];
  const ticketKeysOf = createTicketSource(nowMs);
  const drain = async (timeoutMs: number): Promise<void> => {
    await Promise.all(open.map(({ listener }) => listener.drain(timeoutMs)));
  };
  const openOne = async (name: DoorName): Promise<number> => {
    const door = await openDoor(options, name, ticketKeysOf);
    open.push(door);
    return door.listener.port;
  };
  try {
    const internet = await openOne('internet');
    const ports = {
      internet,
      ...(dedicated && { dedicated: await openOne('dedicated') }),
      ...(balancer && { balancer: await openOne('balancer') }),
    };
    return {
      ports,
      drain,
      closeUnserved: () => open.reduce((closed, { listener }) => closed + listener.closeUnserved(), 0),
      prepare: (config, authorities) => {
        const ready = open.map((door) => door.prepare(config, authorities));
        return () => ready.reduce((closed, exchange) => closed + exchange(), 0);
      },
    };
  } catch (error) {
    await drain(0);
    throw error;
  }
}

async function openDoor(options: DoorsOptions, name: DoorName, ticketKeysOf: TicketSource): Promise<Door> {
  const { config } = options;
  const { address, port } = rowOf(config, name) as Row;
  let now = readMaterial(config, options.authorities, name, ticketKeysOf(config));
  const where = { name: TITLES[name], address, port, variable: VARIABLES[name] ?? `listeners.${name}.port` };
  const showStaples = () =>
    options.revocation.staples.follow(
      name,
      now.tls.certificates.map(({ certificate }) => certificate),
    );
  showStaples();
  const listener = await tellListenProblems(where, () => listenInternet(listenerOptions(options, name, () => now)));
  return {
    listener,
    prepare: (nextConfig, authorities) => {
      const next = readMaterial(nextConfig, authorities, name, ticketKeysOf(nextConfig), now);
      const exchange = sameTls(now.tls, next.tls) ? () => undefined : usable(name, () => listener.prepare(next.tls));
      return () => {
        exchange();
        now = next;
        showStaples();
        return listener.closeUntrusted();
      };
    },
  };
}

/** What OpenSSL says of certificates and keys becomes a line for people. */
function usable<T>(name: DoorName, step: () => T): T {
  try {
    return step();
  } catch (cause) {
    throw new UserError(`listeners.${name}: its certificates, keys or authorities cannot be used: ${(cause as Error).message}`, { cause });
  }
}

function listenerOptions(options: DoorsOptions, name: DoorName, now: () => DoorMaterial): InternetOptions {
  const { internet, dedicated, balancer } = options.config.listeners;
  const common = { ...commonOptions(options, name), ...now().tls, isTrusted: (peer: Peer) => isTrustedBy(now().trusted, peer) };
  const readMerchant = (socket: TLSSocket) => noted(readPeer(socket, now().trusted, nowMs()), options.revocation);
  if (name === 'balancer' && balancer) return balancerOptions(balancer, common, now, options.revocation);
  // The same door with another name, address and channel: nothing is skipped on it.
  if (name === 'dedicated' && dedicated) return { ...dedicated, ...common, channel: 'dedicated', readPeer: readMerchant };
  return { ...internet, ...common, channel: 'internet', readPeer: readMerchant };
}

/** What all doors have in common. */
function commonOptions({ stages, revocation, metrics, event, log }: DoorsOptions, listener: DoorName) {
  return {
    name: listener,
    bodyBytesMax: () => revocation.snapshot().bodyBytesMax,
    isServed: (peer: Peer) => {
      revocation.ocsp.refresh(peer);
      return isServed(peer, revocation.registers(), nowMs());
    },
    ready: revocation.ocsp.ready,
    findStaple: revocation.staples.find,
    handle: (arrived: Parameters<InternetOptions['handle']>[0]) => handle(arrived, stages),
    refuse: stages.refuse,
    onConnections: (count: number) => metrics.connections.set({ listener }, count),
    onRefused: (reason: Parameters<InternetOptions['onRefused']>[0]) => metrics.refusedConnections.inc({ listener, reason }),
    onFault: (error: unknown) =>
      event.alarm('a connection ended by a fault of ours', { listener, cause: error instanceof Error ? error.stack : String(error) }),
    onEvicted: () => metrics.evictedConnections.inc({ listener }),
    onForgedIdentity: (header: string, peer: { readonly thumbprint: string; readonly subject: string }, address: string) => {
      metrics.forgedIdentities.inc({ listener });
      log.warn({ listener, header, certificate: peer.thumbprint, subject: peer.subject, address }, 'forged identity');
    },
    nowMs,
    monotonicMs,
  };
}

/** TLS is spoken with the balancer, and each request says whose it is. Its connections are not those of one merchant, so only their sum is bounded. */
function balancerOptions(
  balancer: NonNullable<GatewayConfig['listeners']['balancer']>,
  common: ReturnType<typeof commonOptions> & TlsMaterial & Pick<InternetOptions, 'isTrusted'>,
  now: () => DoorMaterial,
  revocation: DoorsOptions['revocation'],
): InternetOptions {
  const { connectionsMax } = balancer;
  const header = { name: balancer.header, form: balancer.form };
  const standing = (peer: Peer) => judgeAlone(peer, revocation.registers(), nowMs());
  return {
    ...balancer,
    ...common,
    ...BALANCED,
    connectionsPerAddressMax: connectionsMax,
    connectionsPerCertificateMax: connectionsMax,
    channel: 'internet',
    // The balancer is none of the merchants, and stands for all of them: what cannot be told about its certificate lets nobody in.
    mayEnter: (peer) => standing(peer) === 'good',
    isServed: (peer) => {
      revocation.ocsp.refresh(peer);
      return standing(peer) !== 'refused';
    },
    readPeer: (socket) => readBalancer(socket, now().trusted, now().pins, nowMs()),
    findForwardedPeer: ({ rawHeaders }, peer) => {
      const der = standing(peer) === 'good' ? findForwarded(rawHeaders, header) : undefined;
      return der && noted(readForwardedPeer(der, now().forwarded, nowMs()), revocation);
    },
  };
}

/** The same peer, its certificate noted if it ends soon. */
function noted(peer: Peer | undefined, { seePresented }: Pick<Revocation, 'seePresented'>): Peer | undefined {
  if (peer) seePresented(peer);
  return peer;
}
