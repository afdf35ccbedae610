import { createServer, type Server, type TLSSocket } from 'node:tls';
import type { SecretKeys } from '../keys/secret-keys.ts';
import type { ClientHello } from './client-hello.ts';
import { chooseKind, type Offer } from './client-offer.ts';
import type { RefusedReason } from './gate.ts';
import { findPairOfKinds, groupByHost, type HostCertificates, type ServerCertificate } from './server-certificates.ts';
import {
  dayOf,
  mayOpenYesterdays,
  nameOfTicketKeys,
  SESSION_SECONDS,
  sessionContextOf,
  ticketKeysOf,
  ticketScope,
  yesterday,
} from './ticket-keys.ts';
import { TLS_POLICY } from './tls-policy.ts';

/** What may be exchanged while the door is open. */
export type TlsMaterial = {
  readonly hosts: ReadonlySet<string>;
  /** Our certificates with their chains and keys, the default one first. */
  readonly certificates: readonly [ServerCertificate, ...ServerCertificate[]];
  /** The authorities whose client certificates are looked at, PEM. */
  readonly authorities: readonly string[];
  /** What ticket keys are made of. */
  readonly ticketKeys: SecretKeys;
};

export type TlsServersOptions = TlsMaterial & {
  /** The listener's key in gateway.yaml; tickets of one are of no use at another. */
  readonly name: string;
  /** From accept until the handshake is complete, ms. */
  readonly handshakeTimeoutMs: number;
  readonly onRefused: (reason: RefusedReason) => void;
  /** What to show a client that asks for the status of a certificate of ours (DER), as DER; undefined: nothing. */
  readonly findStaple?: (certificate: Uint8Array) => Buffer | undefined;
  readonly nowMs: () => number;
};

/** The TLS servers of one door, exchanged together. Connections that were made by former ones go on. */
export type TlsServers = {
  /** For a new connection, as things stand. */
  readonly serverOf: (hello: ClientHello | undefined) => Server;
  /** Makes servers of other material; what is returned puts them in use. Throws what OpenSSL says of material it cannot use. */
  readonly prepare: (material: TlsMaterial) => () => void;
};

/** What is given to TLS: all certificates of a name, or the one that a client who asks for a stapled answer is to see. */
type Choice = { readonly servers: readonly Server[]; readonly serverOf: (offer: Offer | undefined) => Server };

/** One name's servers: see ticket-keys.ts for why there are those of yesterday. */
type HostServer = {
  readonly hosts: readonly string[];
  readonly scope: string;
  readonly today: Choice;
  readonly yesterday: Choice;
  day: number;
  yesterdaysName: string;
};

/** A TLS server for one set of certificates: Node shows several certificates of one name only by a context of their own. */
function createOne(options: TlsServersOptions, pairs: HostCertificates['pairs'], scope: string): Server {
  const server = createServer({
    ...TLS_POLICY,
    ALPNProtocols: [...TLS_POLICY.ALPNProtocols],
    cert: pairs.map(({ certificate }) => certificate),
    // Node takes keys as text only; see forgetKeys.
    key: pairs.map(({ key }) => key.export({ type: 'pkcs8', format: 'pem' })),
    ca: [...options.authorities],
    requestCert: true,
    // We decide ourselves, below: an expired certificate of ours is told so by a signed 403, a stranger sees a closed socket.
    rejectUnauthorized: false,
    // The gate's clock, which began earlier, ends a slow handshake; this one only must not be shorter.
    handshakeTimeout: 2 * options.handshakeTimeoutMs,
    sessionIdContext: sessionContextOf(scope),
    sessionTimeout: SESSION_SECONDS,
  });
  forgetKeys(server);
  const { findStaple } = options;
  // With two kinds of key Node does not say which certificate a handshake will show, and a wrong answer is worse than none: see createChoice.
  if (findStaple && pairs.length === 1)
    server.on('OCSPRequest', (certificate, _issuer, done) => done(null, findStaple(certificate) ?? (null as never)));
  server.on('tlsClientError', (_error, socket) => {
    options.onRefused('handshake');
    socket.destroy();
  });
  return server;
}

/** Node's server keeps the options it made its secure context from, and never reads these again: OpenSSL has the key. */
const forgetKeys = (server: Server): void => void Object.assign(server, { key: undefined });

/**
 * Clients that ask for a stapled answer where there is an RSA and an elliptic-curve certificate get a server with only the one they
 * are sure to take, with the same ticket keys. All others, and those of whom it is not sure, get both, and nothing stapled.
 */
function createChoice(options: TlsServersOptions, { pairs }: HostCertificates, scope: string): Choice {
  const both = createOne(options, pairs, scope);
  const kinds = options.findStaple && findPairOfKinds(pairs);
  if (!kinds) return { servers: [both], serverOf: () => both };
  const [ec, rsa] = [createOne(options, [kinds.ec], scope), createOne(options, [kinds.rsa], scope)];
  const serverOf = (offer: Offer | undefined): Server => {
    const kind = offer && chooseKind(offer, kinds.elliptic);
    return kind === undefined ? both : { ec, rsa }[kind];
  };
  return { servers: [both, ec, rsa], serverOf };
}

function createHostServer(options: TlsServersOptions, group: HostCertificates, onSecure: (socket: TLSSocket) => void): HostServer {
  const scope = ticketScope(options.name, group.hosts.join(' '), options.authorities);
  const [today, former] = [createChoice(options, group, scope), createChoice(options, group, scope)];
  for (const server of [...today.servers, ...former.servers]) server.on('secureConnection', onSecure);
  return { hosts: group.hosts, scope, today, yesterday: former, day: Number.NaN, yesterdaysName: '' };
}

/** The keys of today, and of every new day: looked at before each handshake, so that none begins with those of a day that is over. */
function giveTicketKeys(host: HostServer, secrets: SecretKeys, nowMs: number): void {
  if (host.day === dayOf(nowMs)) return;
  host.day = dayOf(nowMs);
  const keysAt = (ms: number): Buffer => ticketKeysOf(secrets.writing(ms).key, host.scope, ms);
  const [current, former] = [keysAt(nowMs), keysAt(yesterday(nowMs))];
  for (const server of host.today.servers) server.setTicketKeys(current);
  for (const server of host.yesterday.servers) server.setTicketKeys(former);
  host.yesterdaysName = nameOfTicketKeys(former);
}

/** The TLS servers of each set of certificates; the first is the default. @param onSecure takes each socket whose handshake is complete */
export function createTlsServers(options: TlsServersOptions, onSecure: (socket: TLSSocket) => void): TlsServers {
  const { nowMs } = options;
  const make = (material: TlsMaterial): HostServer[] =>
    groupByHost(material.certificates, [...material.hosts]).map((group) => createHostServer({ ...options, ...material }, group, onSecure));
  let hosts = make(options);
  let { ticketKeys } = options;
  return {
    serverOf: (hello) => {
      const name = hello?.serverName;
      const host = (hosts.find((one) => name !== undefined && one.hosts.includes(name)) ?? hosts[0]) as HostServer;
      giveTicketKeys(host, ticketKeys, nowMs());
      const choice = hello?.ticketKey === host.yesterdaysName && mayOpenYesterdays(nowMs()) ? host.yesterday : host.today;
      return choice.serverOf(hello?.offer);
    },
    prepare: (material) => {
      const next = make(material);
      return () => {
        hosts = next;
        ({ ticketKeys } = material);
      };
    },
  };
}
