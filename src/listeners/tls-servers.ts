import { createServer, type Server } from 'node:tls';
import type { RefusedReason } from './gate.ts';
import { groupByHost, type HostCertificates, type ServerCertificate } from './server-certificates.ts';
import { sessionContextOf, ticketScope } from './ticket-keys.ts';
import { TLS_POLICY } from './tls-policy.ts';

export type TlsServersOptions = {
  /** The listener's key in gateway.yaml; tickets of one are of no use at another. */
  readonly name: string;
  readonly hosts: ReadonlySet<string>;
  /** PEM texts: our certificates with their chains and keys, the default one first. */
  readonly certificates: readonly [ServerCertificate, ...ServerCertificate[]];
  /** The authorities whose client certificates are looked at, PEM. */
  readonly authorities: readonly string[];
  /** From accept until the handshake is complete, ms. */
  readonly handshakeTimeoutMs: number;
  readonly onRefused: (reason: RefusedReason) => void;
};

export type HostServer = { readonly hosts: readonly string[]; readonly server: Server; readonly scope: string };

/** A TLS server for one set of certificates: Node shows several certificates of one name only by a context of their own. */
function createHostServer(options: TlsServersOptions, { hosts, pairs }: HostCertificates): HostServer {
  const scope = ticketScope(options.name, hosts.join(' '), options.authorities);
  const server = createServer({
    ...TLS_POLICY,
    ALPNProtocols: [...TLS_POLICY.ALPNProtocols],
    cert: pairs.map(({ certificate }) => certificate),
    key: pairs.map(({ key }) => key),
    ca: [...options.authorities],
    requestCert: true,
    // We decide ourselves, below: an expired certificate of ours is told so by a signed 403, a stranger sees a closed socket.
    rejectUnauthorized: false,
    // The gate's clock, which began earlier, ends a slow handshake; this one only must not be shorter.
    handshakeTimeout: 2 * options.handshakeTimeoutMs,
    sessionIdContext: sessionContextOf(scope),
  });
  server.on('tlsClientError', (_error, socket) => {
    options.onRefused('handshake');
    socket.destroy();
  });
  return { hosts, server, scope };
}

/** One TLS server for each set of certificates; the first is the default. */
export function createTlsServers(options: TlsServersOptions): readonly [HostServer, ...HostServer[]] {
  const servers = groupByHost(options.certificates, [...options.hosts]).map((group) => createHostServer(options, group));
  return servers as [HostServer, ...HostServer[]];
}
