import { lookup } from 'node:dns/promises';
import { connect as connectTcp, isIP } from 'node:net';
import { checkServerIdentity, connect as connectTls, type TLSSocket } from 'node:tls';
import { printable } from '../../lib/table.ts';
import { bad, dayOf, type Finding, ok } from './finding.ts';

export type Target = { readonly host: string; readonly port: number };
export type Identity = { readonly cert: string; readonly key: string; readonly ca: string };

/** What a step found, and what the next one works on; without it there is no next one. */
export type Step<Next> = { readonly findings: readonly Finding[]; readonly next?: Next };

const TIMEOUT_MS = 10_000;
const codeOf = (error: unknown): string => (error as NodeJS.ErrnoException).code ?? String(error);

export async function resolveName(host: string): Promise<Step<true>> {
  if (isIP(host) !== 0) return { findings: [ok('name', `${host} is an address`)], next: true };
  try {
    const addresses = (await lookup(host, { all: true })).map(({ address }) => address);
    return { findings: [ok('name', `${host} is ${addresses.join(', ')}`)], next: true };
  } catch (error) {
    return { findings: [bad('name', `${host} is not known here (${codeOf(error)}): check the spelling and this machine's DNS`)] };
  }
}

const TCP_PROBLEMS: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'nothing listens there: check the port, and whether the gateway runs',
  ETIMEDOUT: 'no answer: a firewall between drops the packets, or the address is wrong',
  EHOSTUNREACH: 'no way to that address: check routes and the dedicated line',
  ENETUNREACH: 'no way to that network: check routes and the dedicated line',
  ECONNRESET: 'the connection was reset at once: a firewall, or a gateway that does not list this address',
};

export function connectPort(target: Target): Promise<Step<true>> {
  return new Promise((resolve) => {
    const socket = connectTcp({ ...target, timeout: TIMEOUT_MS });
    const end = (step: Step<true>) => {
      socket.destroy();
      resolve(step);
    };
    const fail = (code: string) => end({ findings: [bad('connection', `port ${target.port}: ${TCP_PROBLEMS[code] ?? code}`)] });
    socket.once('connect', () => end({ findings: [ok('connection', `port ${target.port} answers`)], next: true }));
    socket.once('timeout', () => fail('ETIMEDOUT'));
    socket.once('error', (error) => fail(codeOf(error)));
  });
}

/** What an alert of the peer, or the end of the connection, means in a handshake (RFC 8446 section 6). */
const HANDSHAKE_PROBLEMS: readonly (readonly [RegExp, string])[] = [
  [
    /PROTOCOL_VERSION|UNSUPPORTED_PROTOCOL/,
    'no version in common: the gateway speaks TLS 1.2 and 1.3; check the port, and that nothing between us ends TLS',
  ],
  [/NO_APPLICATION_PROTOCOL/, 'no application protocol in common: the gateway speaks http/1.1; check the port'],
  [
    /HANDSHAKE_FAILURE|NO_SHARED_CIPHER/,
    'no cipher suite, group or kind of certificate in common: update the TLS library, or ask for a certificate with an RSA key of 2048 bits or more, or P-256',
  ],
  [
    /UNKNOWN_CA|CERTIFICATE_(UNKNOWN|REQUIRED|EXPIRED|REVOKED)|BAD_CERTIFICATE/,
    'the peer refuses our certificate: check its validity, and ask the operator which authorities this listener takes',
  ],
  [/WRONG_VERSION_NUMBER|PACKET_LENGTH|HTTP_REQUEST/, 'what answers there does not speak TLS: check the port'],
  [
    /ECONNRESET|EPIPE|disconnected/,
    'the peer closed the connection: ask the operator whether this address is in its list, has too many connections, or has to come by the balancer',
  ],
];

const explainHandshake = (error: NodeJS.ErrnoException): string =>
  HANDSHAKE_PROBLEMS.find(([pattern]) => pattern.test(`${error.code} ${error.message}`))?.[1] ??
  'the handshake failed: tell the operator this line';

/** A handshake with our certificate, in which the server's is judged afterwards, so that all that is wrong with it can be said. */
export function shakeHands(target: Target, identity: Identity): Promise<Step<TLSSocket>> {
  return new Promise((resolve) => {
    const servername = isIP(target.host) === 0 ? target.host : '';
    const socket = connectTls({
      ...target,
      ...identity,
      servername,
      rejectUnauthorized: false,
      ALPNProtocols: ['http/1.1'],
      timeout: TIMEOUT_MS,
    });
    const fail = (error: NodeJS.ErrnoException) => {
      socket.destroy();
      resolve({ findings: [bad('TLS', `${explainHandshake(error)} (${printable(error.code ?? error.message)})`)] });
    };
    socket.once('error', fail).once('timeout', () => fail(Object.assign(new Error(), { code: 'ETIMEDOUT' })));
    socket.once('secureConnect', () => {
      socket.off('error', fail).on('error', () => undefined);
      const spoken = ok('TLS', `${socket.getProtocol()}, ${socket.getCipher().standardName}`);
      resolve({ findings: [spoken, ...judgeServer(socket, target.host)], next: socket });
    });
  });
}

const TRUST_PROBLEMS: Readonly<Record<string, string>> = {
  UNABLE_TO_GET_ISSUER_CERT: 'its authority is not in --authority: name the root certificate you got from the operator',
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: 'its authority is not in --authority: name the root certificate you got from the operator',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'its authority is not in --authority: name the root certificate you got from the operator',
  SELF_SIGNED_CERT_IN_CHAIN:
    'it ends at a root that is not in --authority: compare the root with the one you got from the operator; if it is that one, somebody is in between',
  DEPTH_ZERO_SELF_SIGNED_CERT: 'it is signed by itself: check host and port; if they are right, somebody is in between',
  CERT_HAS_EXPIRED: 'it has expired: tell the operator, and check the clock of this machine',
  CERT_NOT_YET_VALID: 'it is not valid yet: check the clock of this machine',
};

function judgeServer(socket: TLSSocket, host: string): Finding[] {
  const certificate = socket.getPeerCertificate();
  const reason = String(socket.authorizationError ?? '');
  const code = (socket.authorizationError as NodeJS.ErrnoException | null)?.code ?? reason;
  const mismatch = checkServerIdentity(host, certificate);
  return [
    socket.authorized || code === 'ERR_TLS_CERT_ALTNAME_INVALID'
      ? ok('server trust', 'issued under --authority')
      : bad('server trust', `the server's certificate: ${TRUST_PROBLEMS[code] ?? printable(reason)}`),
    mismatch
      ? bad(
          'server name',
          `its certificate is not for ${host} but for ${printable(certificate.subjectaltname ?? 'no name')}: use the name you got from the operator in --url`,
        )
      : ok('server name', `its certificate is for ${host}`),
    ok('server validity', `until ${dayOf(Date.parse(certificate.valid_to))}`),
  ];
}
