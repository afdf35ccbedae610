import { constants, type KeyObject, sign, verify } from 'node:crypto';

type Row = {
  readonly keyType: 'rsa' | 'ec' | 'ed25519';
  readonly curve?: 'prime256v1' | 'secp384r1';
  readonly digest: 'sha256' | 'sha384' | 'sha512' | null;
  readonly signatureBytes?: number;
  readonly options: object;
};

const PSS = { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 64 };
const PSS_OF_JWS = { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 32 };
const PKCS1 = { padding: constants.RSA_PKCS1_PADDING };
const RAW = { dsaEncoding: 'ieee-p1363' };

/**
 * The five HTTP signature algorithms of RFC 9421 section 3.3, and PS256 of JWS (RFC 7518 section 3.5), whose salt is as long as its hash.
 * Nothing outside this table enumerates algorithms. ECDSA signatures are raw r||s (sections 3.3.4 and 3.3.5), RSA-PSS has a salt of
 * 64 octets (3.3.1).
 */
const TABLE = {
  'rsa-v1_5-sha256': { keyType: 'rsa', digest: 'sha256', options: PKCS1 },
  'rsa-pss-sha512': { keyType: 'rsa', digest: 'sha512', options: PSS },
  'ecdsa-p256-sha256': { keyType: 'ec', curve: 'prime256v1', digest: 'sha256', signatureBytes: 64, options: RAW },
  'ecdsa-p384-sha384': { keyType: 'ec', curve: 'secp384r1', digest: 'sha384', signatureBytes: 96, options: RAW },
  ed25519: { keyType: 'ed25519', digest: null, signatureBytes: 64, options: {} },
  'rsa-pss-sha256': { keyType: 'rsa', digest: 'sha256', options: PSS_OF_JWS },
} as const satisfies Record<string, Row>;

export type AlgorithmName = keyof typeof TABLE;
export const ALGORITHM_NAMES = Object.keys(TABLE) as AlgorithmName[];
/** Those that an HTTP message signature may have. */
export const HTTP_ALGORITHM_NAMES: readonly AlgorithmName[] = ALGORITHM_NAMES.filter((name) => name !== 'rsa-pss-sha256');

const rows: ReadonlyMap<string, Row> = new Map(Object.entries(TABLE));
const row = (name: AlgorithmName): Row => rows.get(name) as Row;

export function isAlgorithmName(name: unknown): name is AlgorithmName {
  return typeof name === 'string' && rows.has(name);
}

/** RSA keys shorter than this are refused everywhere. */
export const RSA_BITS_MIN = 2048;

/** Says why a key cannot be used with an algorithm, or nothing. The key's record decides the algorithm, never a message. */
export function findKeyProblem(name: AlgorithmName, key: KeyObject): string | undefined {
  const { keyType, curve } = row(name);
  if (key.asymmetricKeyType !== keyType) return `${name} needs a key of type ${keyType}, found ${key.asymmetricKeyType ?? key.type}`;
  const details = key.asymmetricKeyDetails;
  if (curve && details?.namedCurve !== curve) return `${name} needs the curve ${curve}, found ${details?.namedCurve}`;
  if (keyType === 'rsa' && (details?.modulusLength ?? 0) < RSA_BITS_MIN)
    return `an RSA key needs at least ${RSA_BITS_MIN} bits, found ${details?.modulusLength}`;
  return undefined;
}

/** The algorithm a key gets when its record names none. Throws for a key that none of them can use. */
export function defaultAlgorithm(key: KeyObject): AlgorithmName {
  const name = ALGORITHM_NAMES.find((candidate) => findKeyProblem(candidate, key) === undefined);
  if (!name) throw new TypeError(`no signature algorithm for a key of type ${key.asymmetricKeyType ?? key.type}`);
  return name;
}

/** Signs bytes; the key must fit the algorithm (see findKeyProblem). */
export function signBytes(name: AlgorithmName, key: KeyObject, data: Uint8Array): Buffer {
  const { digest, options } = row(name);
  return sign(digest, data, { key, ...options });
}

const modulusBytes = (key: KeyObject): number => Math.ceil((key.asymmetricKeyDetails?.modulusLength ?? 0) / 8);

/** Verifies a signature over bytes. False for any signature of another length or form; never throws for hostile input. */
export function verifyBytes(name: AlgorithmName, key: KeyObject, data: Uint8Array, signature: Uint8Array): boolean {
  const { digest, options, signatureBytes } = row(name);
  // RSA: OpenSSL takes a PSS signature without its leading zero bytes, against RFC 8017 section 8.1.2 step 1.
  if (signature.length !== (signatureBytes ?? modulusBytes(key))) return false;
  return verify(digest, data, { key, ...options }, signature);
}
