import { choice, entry, integer, list, OPTIONAL, optionalSection, path, REQUIRED, section, text } from './rows.ts';

/** The keys of the listeners: where who may connect, and how much of it. */

export const address = <const D extends string | typeof OPTIONAL | typeof REQUIRED>(standard: D, reason: string) =>
  text(standard, /^[0-9A-Fa-f:.]{2,45}$|^localhost$/, 'an IP address or localhost', reason);

export const port = (standard: number, reason: string) => integer(standard, 0, 65_535, '', `${reason}; 0 takes any free port`);

const network = text(REQUIRED, /^[0-9A-Fa-f:.]{2,45}\/\d{1,3}$/, 'a network such as 10.20.0.0/16', 'CIDR');

const authorityNames = (standard: readonly string[] | typeof REQUIRED, reason: string) =>
  list(text(REQUIRED, /^.{1,63}$/, 'the name of an authority', 'name of one of `authorities`'), standard, 1, reason, 16);

const SERVER_CERTIFICATE = entry({
  certificate: path(REQUIRED, 'PEM chain, leaf first; relative to certificatesDirectory'),
  key: path(REQUIRED, 'its private key; readable by its owner only'),
});

const CERTIFICATES = {
  certificate: path('server.crt', 'PEM chain that merchants see, leaf first; relative to certificatesDirectory'),
  key: path('server.key', 'its private key; readable by its owner only'),
  certificates: list(
    SERVER_CERTIFICATE,
    [],
    0,
    'further server certificates, chosen by the name that a client asks for (SNI): of other `hosts`, or of the other kind of key (RSA beside elliptic curve) for the same',
    32,
  ),
};

const PROXIES = {
  proxies: list(
    network,
    [],
    0,
    'networks of balancers that pass TLS through and tell the client address by the PROXY protocol, version 1 or 2; from them a connection without it is closed, from elsewhere one with it',
    64,
  ),
};

const HTTP = {
  connectionsMax: integer(
    10_000,
    1,
    1_000_000,
    '',
    'connections at once, so that memory stays bounded; a newcomer displaces the oldest unfinished handshake, else the merchant connection that was idle for longest',
  ),
  requestsPerConnectionMax: integer(
    100_000,
    1,
    10_000_000,
    'requests',
    'on one connection; the answer to the last one closes it, so that load spreads anew over gateways that were added',
  ),
  headersTimeoutMs: integer(10_000, 100, 120_000, 'ms', 'until the last header of a request; cuts slow senders'),
  requestTimeoutMs: integer(
    30_000,
    100,
    300_000,
    'ms',
    'until the last byte of a request; as long may an answer wait to be taken, then the connection is cut',
  ),
  idleTimeoutMs: integer(60_000, 1_000, 600_000, 'ms', 'how long an idle connection is kept'),
  headerBytesMax: integer(16_384, 4_096, 65_536, 'bytes', 'request line and headers together; larger ones are refused 431'),
  handshakeTimeoutMs: integer(10_000, 100, 60_000, 'ms', 'from accept until the TLS handshake is complete'),
};

const CLIENTS = {
  connectionsPerAddressMax: integer(
    2_000,
    1,
    1_000_000,
    '',
    'connections of one IPv4 address or IPv6 /64 at once; many merchants may share the address of a provider',
  ),
  connectionsPerCertificateMax: integer(
    1_000,
    1,
    1_000_000,
    '',
    'connections of one client certificate at once, so that one merchant cannot take all',
  ),
  handshakesPerSecond: integer(
    200,
    1,
    100_000,
    'handshakes/s',
    'of one IPv4 address or IPv6 /64; a full handshake costs the gateway about a millisecond of CPU, and a stranger nearly nothing',
  ),
  handshakesBurst: integer(2_000, 1, 1_000_000, 'handshakes', 'how many of them at once'),
};

export const INTERNET = section(
  {
    address: address(OPTIONAL, 'address to listen on; default 0.0.0.0, and 127.0.0.1 in the development profile'),
    port: port(8443, 'TCP port for merchants'),
    ...CERTIFICATES,
    authorities: authorityNames(
      ['merchants'],
      'authorities whose certificates merchants may come with; no other certificate gets as far as HTTP',
    ),
    ...PROXIES,
    ...HTTP,
    ...CLIENTS,
  },
  'Where merchants connect by the internet: TLS 1.2 or 1.3 with a client certificate.',
);

export const DEDICATED = optionalSection(
  {
    address: address(REQUIRED, 'address to listen on: that of the interface the line ends at, never one that the internet reaches'),
    port: port(8444, 'TCP port for merchants on the line'),
    networks: list(network, REQUIRED, 1, 'networks that clients may come from; others are closed before TLS begins', 256),
    ...CERTIFICATES,
    authorities: authorityNames(['merchants'], 'authorities whose certificates merchants may come with on the line'),
    ...PROXIES,
    ...HTTP,
    ...CLIENTS,
  },
  'Where merchants connect by a dedicated line; off unless written. It asks for the same certificates, signatures and limits as the internet listener.',
);

const BALANCER_PIN = entry({
  publicKey: text(
    OPTIONAL,
    /^[0-9a-f]{64}$/,
    'a SHA-256 in 64 lower-case hexadecimal digits',
    'SHA-256 of its public key: openssl x509 -in CERT -noout -pubkey | openssl pkey -pubin -outform DER | openssl dgst -sha256',
  ),
  subject: text(OPTIONAL, /^[^\0]{1,1024}$/, 'a distinguished name as in RFC 4514', 'the subject of its certificate'),
});

export const BALANCER = optionalSection(
  {
    address: address(REQUIRED, 'address to listen on: one that only the balancers reach'),
    port: port(8445, 'TCP port for balancers'),
    ...CERTIFICATES,
    authorities: authorityNames(['merchants'], 'authorities whose certificates merchants may come with; verified here once more'),
    balancerAuthorities: authorityNames(REQUIRED, 'authorities that issued the certificates of the balancers'),
    balancers: list(
      BALANCER_PIN,
      REQUIRED,
      1,
      'the balancers themselves, each by publicKey, subject or both; a certificate of the authority alone is not enough',
      64,
    ),
    header: text(
      'client-cert',
      /^[a-z0-9-]{1,64}$/,
      'a header name in lower case',
      'where the balancer writes the client certificate; it must remove what the client sent',
    ),
    form: choice(
      ['rfc9440', 'pem'],
      'rfc9440',
      'how it is written: RFC 9440 (:base64 of DER:), or PEM in percent-encoding ($ssl_client_escaped_cert of nginx)',
    ),
    ...HTTP,
  },
  'Where balancers connect that end TLS themselves; off unless written. The balancer proves itself by mutual TLS and passes on the certificate of the client.',
);
