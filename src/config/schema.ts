import type { z } from 'zod';
import { ANSWERS } from './answer-rows.ts';
import { AUTHORITY } from './authority-rows.ts';
import { ENCRYPTION } from './encryption-rows.ts';
import { address, BALANCER, DEDICATED, INTERNET, port } from './listener-rows.ts';
import { RISK } from './risk-rows.ts';
import { boolean, entry, integer, list, numberOf, OPTIONAL, optionalSection, path, REQUIRED, section, text } from './rows.ts';

/**
 * Every key of config/gateway.yaml, one row each: default, bounds with unit, reason. Nothing in the gateway is bounded that is
 * not bounded here. docs/config.md and config/schemas/gateway.json are generated from it.
 */

const instanceName = (standard: string | typeof REQUIRED, reason: string) =>
  text(standard, /^[a-z0-9][a-z0-9-]{0,62}$/, 'a name of a-z, 0-9 and - (at most 63 characters)', reason);

const BLOCKED = entry({
  authority: text(
    OPTIONAL,
    /^[a-z0-9][a-z0-9-]{0,62}$/,
    'the name of an authority',
    'authority that issued it, for serial and subject; may be left out when there is only one',
  ),
  serial: text(
    OPTIONAL,
    /^([0-9A-Fa-f]{2}){1,20}$/,
    'a serial number in hexadecimal, as openssl x509 -serial prints it',
    'one certificate, by its serial number',
  ),
  thumbprint: text(OPTIONAL, /^[A-Za-z0-9_-]{43}$/, 'a SHA-256 in base64url (43 characters)', 'one certificate, by x5t#S256'),
  subject: text(OPTIONAL, /^[^\0]{1,1024}$/, 'a distinguished name as in RFC 4514', 'every certificate of this name, RFC 4514'),
  reason: text(REQUIRED, /^\S.{0,255}$/s, 'why', 'why it is blocked, for the auditor'),
});

export const GATEWAY = entry({
  instance: instanceName(
    'gateway-1',
    'name of this gateway; its journals and admissions carry it, so no two running gateways may share it',
  ),
  instances: list(
    instanceName(REQUIRED, 'name of an instance'),
    ['gateway-1'],
    1,
    'all instances on one store, this one too; after a loss of the store all of them report',
    64,
  ),
  hosts: list(
    text(REQUIRED, /^[a-z0-9.:[\]-]{1,253}$/, 'a host name in lower case, without port', 'host name'),
    ['localhost', '127.0.0.1'],
    1,
    'names that a Host header may carry, lower case, without port; @target-uri is made of it',
    64,
  ),
  timeZone: text(
    'Asia/Shanghai',
    /^[A-Za-z0-9_+/-]{1,64}$/,
    'a time zone such as Asia/Shanghai',
    'business time zone: days and months of limits begin at its midnight',
  ),
  dataDirectory: path('../data', 'store, journals and keys; relative to this file; HUFU_DATA overrides it'),
  certificatesDirectory: path('../certs', 'certificates; relative to this file; HUFU_CERTS overrides it'),
  secretsDirectory: path(OPTIONAL, 'keys of the gateway itself; relative to dataDirectory, default `keys`'),
  listeners: section(
    {
      internet: INTERNET,
      dedicated: DEDICATED,
      balancer: BALANCER,
      status: section(
        {
          address: address('127.0.0.1', 'address to listen on; keep it off the internet'),
          port: port(9100, 'TCP port'),
        },
        'Health and metrics, for operators.',
      ),
      outcomes: optionalSection(
        {
          address: address('127.0.0.1', 'address to listen on; loopback only'),
          port: port(7002, 'TCP port'),
        },
        'Where the core may push outcomes (POST /outcomes), so that unknown ones are asked about at once. Off unless written.',
      ),
    },
    'Listening sockets.',
  ),
  authorities: list(
    AUTHORITY,
    [{ name: 'merchants', certificates: ['merchants-authority.crt'], crls: [] }],
    1,
    'certificate authorities that merchants come from',
    16,
  ),
  identity: section(
    {
      clientAuthRequired: boolean(
        true,
        'whether certificates must name clientAuth; false also takes those without any extended key usage, never those for other uses',
      ),
      rsaBitsMin: numberOf([2048, 3072], 2048, "shortest RSA key of a merchant's certificate and of its authority, bits"),
      chainDepthMax: integer(
        4,
        2,
        10,
        'certificates',
        "most from the merchant's up to the root, both counted; and most that a merchant may send",
      ),
    },
    "What merchants' certificates must be, beyond what TLS itself checks. Each refusal says which of it was not met.",
  ),
  revocation: section(
    {
      refreshSeconds: integer(300, 1, 86_400, 's', 'how often a CRL is fetched from its URL; files are looked at twice a second'),
      timeoutMs: integer(5_000, 100, 60_000, 'ms', 'until a CRL is fetched whole'),
      crlBytesMax: integer(8_388_608, 1_024, 16_777_215, 'bytes', 'size of one CRL; a larger one is not read'),
      graceHours: integer(
        24,
        0,
        720,
        'h',
        'how long a CRL counts after its nextUpdate, with an alarm; then no certificate of its authority is accepted',
      ),
      ocspTimeoutMs: integer(2_000, 100, 10_000, 'ms', 'until a responder has answered; only connections that need its answer wait for it'),
      ocspSecondsMax: integer(
        3_600,
        1,
        86_400,
        's',
        'how long an answer counts at most; it never counts beyond its own nextUpdate, and without one for 300 s',
      ),
    },
    'Certificate revocation lists, and responders (OCSP).',
  ),
  blocked: list(BLOCKED, [], 0, 'certificates that are refused whatever their authority says; `hufu block` writes them', 10_000),
  answers: ANSWERS,
  doctor: section(
    {
      attemptsPerSecond: integer(
        200,
        1,
        100_000,
        'attempts/s',
        'hashes and verifications for one certificate to find out why its signatures are wrong; beyond it they are refused without the name of the mistake',
      ),
      attemptsBurst: integer(400, 1, 1_000_000, 'attempts', 'how many of them at once; one wrong signature takes at most 64'),
    },
    'Explaining wrong signatures.',
  ),
  encryption: ENCRYPTION,
  flood: section(
    {
      perSecond: integer(
        500,
        1,
        100_000,
        'requests/s',
        'requests of one certificate and address that are looked at before their signature is verified',
      ),
      burst: integer(1_000, 1, 1_000_000, 'requests', 'how many of them at once'),
    },
    'A bucket in each process that keeps forged signatures from burning CPU. Rates of a plan are counted exactly, elsewhere.',
  ),
  store: text(
    'sqlite:store.db',
    /^sqlite:[^\0]{1,4096}$|^rediss?(\+sentinel|\+cluster)?:\/\/[^\s]{1,2048}$/,
    'sqlite:FILE, redis://HOST:PORT, redis+sentinel://HOST:PORT,HOST:PORT/NAME or redis+cluster://HOST:PORT,HOST:PORT',
    'where nonces, keys and limits are decided; a SQLite file is relative to dataDirectory; HUFU_STORE or else REDIS_URL overrides it',
  ),
  storeTimeoutMs: integer(800, 50, 5_000, 'ms', 'how long one decision may take; later it is 503 and nothing is forwarded'),
  journal: section(
    {
      directory: path('journal', 'relative to dataDirectory'),
      groupMsMax: integer(2, 0, 50, 'ms', 'how long a record waits for others to share its fsync, under load'),
      groupRecordsMax: integer(64, 1, 4_096, 'records', 'how many share one fsync'),
      segmentBytesMax: integer(67_108_864, 1_048_576, 1_073_741_824, 'bytes', 'size of one journal file'),
    },
    'What was decided, hash-chained, on the disk before anything is forwarded.',
  ),
  core: section(
    {
      url: text(
        'http://127.0.0.1:7001',
        /^https?:\/\/[^\s/?#@]+\/?$/,
        'http://HOST:PORT without path',
        'the core; paths of the operations are appended; HUFU_PORT_CORE changes the port',
      ),
      connections: integer(64, 1, 1_024, '', 'connections to the core from one process'),
      connectTimeoutMs: integer(2_000, 50, 30_000, 'ms', 'until a connection stands; nothing was sent then, so it is 503 and not unknown'),
      answerBytesMax: integer(
        1_048_576,
        1_024,
        67_108_864,
        'bytes',
        'the largest answer of the core that is read; the outcome of a larger one is unknown',
      ),
    },
    'The system behind the gateway.',
  ),
  idempotency: section(
    {
      answerHours: integer(24, 1, 720, 'h', 'how long an answer is kept for repeats of its key'),
      claimDays: integer(180, 32, 3_660, 'd', 'how long a used key is remembered; at least as long as the core replays it'),
    },
    'Idempotency-Keys.',
  ),
  resolve: section(
    {
      scheduleMs: list(
        integer(REQUIRED, 50, 86_400_000, 'ms', 'wait'),
        [5_000, 15_000, 30_000, 60_000, 300_000, 900_000, 1_800_000, 3_600_000],
        1,
        'waits (ms) from an unknown outcome to the first question to the core, and from each question to the next; the last one repeats until there is an answer',
        32,
      ),
      clockAllowanceMs: integer(
        2_000,
        0,
        60_000,
        'ms',
        "how far the core's clock may be behind ours: not found is final only that long after the assertion expired",
      ),
    },
    'How unknown outcomes are found out.',
  ),
  operations: list(
    path(REQUIRED, 'OpenAPI 3.1 document'),
    ['operations/payments.yaml'],
    1,
    'OpenAPI 3.1 documents with x-hufu; relative to this file',
    256,
  ),
  plans: path('plans.yaml', 'limit plans; relative to this file'),
  policy: path('policy.yaml', 'access policy: what comes over which channel under which controls (docs/policy.md); relative to this file'),
  risk: RISK,
  merchants: path('merchants', 'directory with one YAML or JSON file for each merchant; relative to this file'),
});

type DeepReadonly<T> = T extends readonly (infer E)[]
  ? readonly DeepReadonly<E>[]
  : T extends object
    ? { readonly [K in keyof T]: DeepReadonly<T[K]> }
    : T;

type Written = DeepReadonly<z.output<typeof GATEWAY>>;

export type WrittenListeners = Written['listeners'];

export type Profile = 'development' | 'production';

/** The configuration as the program uses it: defaults and environment applied, every path absolute. */
export type GatewayConfig = Omit<Written, 'secretsDirectory' | 'listeners'> & {
  /** The gateway.yaml it came from. */
  readonly file: string;
  readonly profile: Profile;
  readonly secretsDirectory: string;
  readonly listeners: Omit<WrittenListeners, 'internet'> & {
    readonly internet: Omit<WrittenListeners['internet'], 'address'> & { readonly address: string };
  };
  /** `sqlite:` and an absolute path, or a redis:// URL. */
  readonly store: string;
};
