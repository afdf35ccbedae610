import { readFileSync } from 'node:fs';
import { isWithinValidity } from '../certificates/policy.ts';
import type { GatewayConfig } from '../config/schema.ts';
import { type ListenerAuthority, trustOptions } from '../identity/authorities.ts';
import { readBalancer } from '../identity/balancer.ts';
import { readForwardedPeer } from '../identity/forwarded-peer.ts';
import { isServed } from '../identity/identify.ts';
import { readPeer } from '../identity/peer.ts';
import { systemClock } from '../lib/clock.ts';
import type { Log } from '../lib/log.ts';
import type { Metrics } from '../lib/metrics.ts';
import { findForwarded } from '../listeners/forwarded-certificate.ts';
import { type InternetOptions, type Listener, listenInternet } from '../listeners/internet.ts';
import type { ServerCertificate } from '../listeners/server-certificates.ts';
import type { Event } from '../pipeline/event.ts';
import { handle } from '../pipeline/handle.ts';
import type { Stages } from '../pipeline/stages.ts';
import type { Peer } from '../protocol/messages.ts';
import { tellListenProblems } from './listen-problems.ts';
import type { Revocation } from './revocation.ts';

export type DoorsOptions = {
  readonly config: GatewayConfig;
  readonly stages: Stages;
  readonly revocation: Pick<Revocation, 'snapshot' | 'registers'>;
  /** All that are configured; each door trusts those it names. */
  readonly authorities: readonly ListenerAuthority[];
  readonly metrics: Metrics;
  readonly event: Event;
  readonly log: Log;
  readonly ticketSecret: Buffer;
};

export type DoorPorts = { readonly internet: number; readonly dedicated?: number; readonly balancer?: number };

/** All listeners for merchants that the configuration has. */
export type Doors = {
  readonly ports: DoorPorts;
  readonly drain: (timeoutMs: number) => Promise<void>;
  /** See Listener.closeUnserved. */
  readonly closeUnserved: () => number;
};

const { nowMs, monotonicMs } = systemClock;
const BALANCED = { proxies: [], handshakesPerSecond: 100_000, handshakesBurst: 1_000_000 } as const;

const TITLES: Readonly<Record<string, string>> = {
  internet: 'the merchant listener',
  dedicated: 'the listener of the dedicated line',
  balancer: 'the listener of the balancers',
};
const VARIABLES: Readonly<Record<string, string>> = { internet: 'HUFU_PORT_INTERNET', dedicated: 'HUFU_PORT_DEDICATED' };

/** Opens them; when one cannot, those before it are closed again. */
export async function openDoors(options: DoorsOptions): Promise<Doors> {
  const { dedicated, balancer } = options.config.listeners;
  const open: Listener[] = [];
  const drain = async (timeoutMs: number): Promise<void> => {
    await Promise.all(open.map((listener) => listener.drain(timeoutMs)));
  };
  const listen = async (doorOptions: InternetOptions): Promise<number> => {
    const { name, address, port } = doorOptions;
    const where = { name: TITLES[name] ?? name, address, port, variable: VARIABLES[name] ?? `listeners.${name}.port` };
    const listener = await tellListenProblems(where, () => listenInternet(doorOptions));
    open.push(listener);
    return listener.port;
  };
  try {
    const internet = await listen(internetOptions(options));
    const ports = {
      internet,
      ...(dedicated && { dedicated: await listen(dedicatedOptions(options, dedicated)) }),
      ...(balancer && { balancer: await listen(balancerOptions(options, balancer)) }),
    };
    return { ports, drain, closeUnserved: () => open.reduce((closed, listener) => closed + listener.closeUnserved(), 0) };
  } catch (error) {
    await drain(0);
    throw error;
  }
}

type Row<Name extends 'dedicated' | 'balancer'> = NonNullable<GatewayConfig['listeners'][Name]>;

/** What all doors have in common. */
function commonOptions({ stages, revocation, metrics, event, log, ticketSecret }: DoorsOptions, listener: string) {
  return {
    name: listener,
    ticketSecret,
    hosts: revocation.snapshot().hosts,
    bodyBytesMax: () => revocation.snapshot().bodyBytesMax,
    isServed: (peer: Peer) => isServed(peer, revocation.registers(), nowMs()),
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

function internetOptions(options: DoorsOptions): InternetOptions {
  const { internet } = options.config.listeners;
  const authorities = authoritiesOf(options, internet.authorities);
  return {
    ...internet,
    ...commonOptions(options, 'internet'),
    ...proving(authorities),
    channel: 'internet',
    certificates: readCertificates(internet),
  };
}

/** The same door with another name, address and channel: nothing is skipped on it. */
function dedicatedOptions(options: DoorsOptions, dedicated: Row<'dedicated'>): InternetOptions {
  const authorities = authoritiesOf(options, dedicated.authorities);
  return {
    ...dedicated,
    ...commonOptions(options, 'dedicated'),
    ...proving(authorities),
    channel: 'dedicated',
    certificates: readCertificates(dedicated),
  };
}

/** TLS is spoken with the balancer, and each request says whose it is. Its connections are not those of one merchant, so only their sum is bounded. */
function balancerOptions(options: DoorsOptions, balancer: Row<'balancer'>): InternetOptions {
  const { connectionsMax } = balancer;
  const ours = authoritiesOf(options, balancer.balancerAuthorities);
  const authorities = authoritiesOf(options, balancer.authorities);
  const header = { name: balancer.header, form: balancer.form };
  return {
    ...balancer,
    ...commonOptions(options, 'balancer'),
    ...BALANCED,
    connectionsPerAddressMax: connectionsMax,
    connectionsPerCertificateMax: connectionsMax,
    channel: 'internet',
    certificates: readCertificates(balancer),
    authorities: trustOptions(ours).ca,
    // The balancer is none of the merchants: whose a request is, and whether it is served, is asked request by request.
    isServed: () => true,
    readPeer: (socket) => readBalancer(socket, ours, balancer.balancers, nowMs()),
    findForwardedPeer: ({ rawHeaders }, peer) => {
      const der = isWithinValidity(peer, nowMs()) ? findForwarded(rawHeaders, header) : undefined;
      return der && readForwardedPeer(der, authorities, nowMs());
    },
  };
}

const authoritiesOf = ({ authorities }: DoorsOptions, names: readonly string[]): ListenerAuthority[] =>
  authorities.filter(({ name }) => names.includes(name));

const proving = (authorities: readonly ListenerAuthority[]): Pick<InternetOptions, 'authorities' | 'readPeer'> => ({
  authorities: trustOptions(authorities).ca,
  readPeer: (socket) => readPeer(socket, authorities, nowMs()),
});

function readCertificates(
  listener: GatewayConfig['listeners']['internet'] | Row<'dedicated' | 'balancer'>,
): [ServerCertificate, ...ServerCertificate[]] {
  const read = ({ certificate, key }: ServerCertificate): ServerCertificate => ({
    certificate: readFileSync(certificate, 'utf8'),
    key: readFileSync(key, 'utf8'),
  });
  return [read(listener), ...listener.certificates.map(read)];
}
