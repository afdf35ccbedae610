import { readBase64, readBase64url } from '../lib/bytes.ts';
import { JsonProblem, parseStrictJson } from '../lib/json.ts';
import type { AlgorithmName } from '../protocol/algorithms.ts';
import { Refusal } from '../protocol/errors.ts';
import { COVERED_WHEN_SENT } from '../protocol/headers.ts';
import type { KeyHandle } from '../protocol/key-handle.ts';

/** The protected header of a JWS (RFC 7515 section 4), read strictly. Nothing in it is proven. */
export type JwsHeader = {
  readonly algorithm: AlgorithmName;
  readonly key: KeyHandle;
  /** Whether the payload is encoded; false only where `b64` says so (RFC 7797). */
  readonly isEncoded: boolean;
  /** Claims of the tables below, each listed in `crit`. */
  readonly claims: Readonly<Record<string, unknown>>;
};

/** RFC 7518 section 3.1; of the many the two that Open Banking takes. */
export const JWS_ALGORITHMS = {
  PS256: 'rsa-pss-sha256',
  ES256: 'ecdsa-p256-sha256',
} as const satisfies Record<string, AlgorithmName>;

/** Claims of UK Open Banking (Read/Write Data API, message signing). */
export const OBIE = {
  issuedAt: 'http://openbanking.org.uk/iat',
  issuer: 'http://openbanking.org.uk/iss',
  trustAnchor: 'http://openbanking.org.uk/tan',
} as const;

/** Our claims, named as in DPoP (RFC 9449 section 4.2); each header that decides something has one of its own name. */
export const OWN = { method: 'htm', uri: 'htu', issuedAt: 'iat', id: 'jti' } as const;

const CLAIMS: ReadonlySet<string> = new Set([...Object.values(OBIE), ...Object.values(OWN), ...COVERED_WHEN_SENT]);
const ENCODING = 'b64';
/** Members that would let the sender bring or fetch the key it is verified with. */
const FORBIDDEN: readonly string[] = ['jku', 'jwk', 'x5u'];
const CONTENT_TYPES: readonly unknown[] = [undefined, 'application/json', 'json'];
const KID_LENGTH_MAX = 255;
const CERTIFICATES_MAX = 8;

const invalid = (detail: string): Refusal => new Refusal('SIGNATURE_INVALID', { detail });

/** Reads the first part of a compact JWS. Throws SIGNATURE_INVALID, SIGNATURE_COVERAGE or KEY_UNKNOWN. */
export function readJwsHeader(text: string): JwsHeader {
  const header = parseHeader(text);
  const { alg, typ, cty } = header;
  const algorithm =
    typeof alg === 'string' && Object.hasOwn(JWS_ALGORITHMS, alg) ? JWS_ALGORITHMS[alg as keyof typeof JWS_ALGORITHMS] : undefined;
  if (!algorithm) throw invalid(`alg is none of ${Object.keys(JWS_ALGORITHMS).join(', ')}.`);
  if (typ !== undefined && typ !== 'JOSE') throw invalid('typ is not JOSE.');
  if (!CONTENT_TYPES.includes(cty)) throw invalid('cty is not application/json.');
  const forbidden = FORBIDDEN.find((name) => Object.hasOwn(header, name));
  if (forbidden !== undefined) throw invalid(`${forbidden} is not accepted: keys are registered, or come in x5c.`);
  const claims = readClaims(header, readCritical(header));
  return { algorithm, key: readKey(header), isEncoded: readEncoding(header), claims };
}

type Members = Readonly<Record<string, unknown>>;

function parseHeader(text: string): Members {
  const bytes = readBase64url(text);
  if (!bytes) throw invalid('The protected header is not canonical base64url.');
  try {
    const value = parseStrictJson(bytes, { depthMax: 3, keysMax: 64 });
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Members;
  } catch (error) {
    if (!(error instanceof JsonProblem)) throw error;
    throw invalid(`The protected header: ${error.reason} at byte ${error.offset}.`);
  }
  throw invalid('The protected header is not an object.');
}

const isListOfTexts = (value: unknown): value is readonly string[] =>
  Array.isArray(value) && value.every((each) => typeof each === 'string');

/** RFC 7515 section 4.1.11: not empty, each once, each there, each understood. */
function readCritical(header: Members): ReadonlySet<string> {
  const { crit } = header;
  if (!isListOfTexts(crit) || crit.length === 0) throw invalid('crit is not a list of names.');
  const names = new Set(crit);
  const isWhole = names.size === crit.length && crit.every((name) => Object.hasOwn(header, name));
  if (!isWhole) throw invalid('crit names something twice or something that is not there.');
  if (crit.some((name) => name !== ENCODING && !CLAIMS.has(name))) throw invalid('crit names something that is not known here.');
  return names;
}

/** What is not in `crit` may be passed over by others, so it counts for nothing: a claim must be in it. */
function readClaims(header: Members, critical: ReadonlySet<string>): Members {
  const claims = Object.entries(header).filter(([name]) => CLAIMS.has(name) || name === ENCODING);
  const loose = claims.find(([name]) => !critical.has(name));
  if (loose) throw new Refusal('SIGNATURE_COVERAGE', { detail: `${loose[0]} must be listed in crit.`, members: { component: loose[0] } });
  return Object.fromEntries(claims.filter(([name]) => name !== ENCODING));
}

function readEncoding({ [ENCODING]: encoding }: Members): boolean {
  // RFC 7797 section 6: true is the default and would only be a second spelling.
  if (encoding !== undefined && encoding !== false) throw invalid('b64 is there and not false.');
  return encoding === undefined;
}

/** The key's id or the signer's certificate, not both: one of the two would have to be passed over. */
function readKey({ kid, x5c }: Members): KeyHandle {
  if ((kid === undefined) === (x5c === undefined)) throw invalid('Exactly one of kid and x5c must name the key.');
  if (x5c !== undefined) return { by: 'certificate', chain: readChain(x5c) };
  if (typeof kid !== 'string' || kid === '' || kid.length > KID_LENGTH_MAX) throw new Refusal('KEY_UNKNOWN');
  return { by: 'keyid', keyid: kid };
}

/** RFC 7515 section 4.1.6: base64, not base64url. */
function readChain(x5c: unknown): Buffer[] {
  if (!isListOfTexts(x5c) || x5c.length === 0 || x5c.length > CERTIFICATES_MAX)
    throw invalid(`x5c is not a list of 1 to ${CERTIFICATES_MAX} certificates.`);
  return x5c.map((text) => {
    const der = readBase64(text);
    if (!der) throw invalid('x5c holds something that is not canonical base64.');
    return der;
  });
}
