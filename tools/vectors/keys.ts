import { constants, createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject, sign, verify } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';

/** Private keys of the vectors: public, worthless, and always the same. */
const FILE = new URL('../../test/vectors/keys.json', import.meta.url);

const KINDS = {
  rsa: () => generateKeyPairSync('rsa', { modulusLength: 2048 }),
  'other-rsa': () => generateKeyPairSync('rsa', { modulusLength: 2048 }),
  p256: () => generateKeyPairSync('ec', { namedCurve: 'P-256' }),
  p384: () => generateKeyPairSync('ec', { namedCurve: 'P-384' }),
  ed25519: () => generateKeyPairSync('ed25519'),
  platform: () => generateKeyPairSync('ec', { namedCurve: 'P-256' }),
} as const;
export type KeyName = keyof typeof KINDS;

function readKeys(): Readonly<Record<string, string>> {
  if (existsSync(FILE)) return JSON.parse(readFileSync(FILE, 'utf8'));
  const pems = Object.entries(KINDS).map(([name, make]) => [name, make().privateKey.export({ type: 'pkcs8', format: 'pem' })] as const);
  writeFileSync(FILE, `${JSON.stringify(Object.fromEntries(pems), null, 2)}\n`);
  return readKeys();
}

const pems = readKeys();
export const privateKey = (name: KeyName): KeyObject => createPrivateKey(pems[name] as string);
export const publicPem = (name: KeyName): string => createPublicKey(privateKey(name)).export({ type: 'spki', format: 'pem' }) as string;

/** The algorithms as node:crypto does them, written down a second time so that the vectors do not lean on the table of the gateway. */
const ALGORITHMS = {
  'rsa-v1_5-sha256': { hash: 'sha256', options: { padding: constants.RSA_PKCS1_PADDING } },
  'rsa-pss-sha512': { hash: 'sha512', options: { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 64 } },
  'ecdsa-p256-sha256': { hash: 'sha256', options: { dsaEncoding: 'ieee-p1363' } },
  'ecdsa-p384-sha384': { hash: 'sha384', options: { dsaEncoding: 'ieee-p1363' } },
  ed25519: { hash: null, options: {} },
} as const;
export type VectorAlgorithm = keyof typeof ALGORITHMS;

export const signPlainly = (algorithm: VectorAlgorithm, key: KeyObject, data: Buffer): Buffer =>
  sign(ALGORITHMS[algorithm].hash, data, { key, ...ALGORITHMS[algorithm].options });

export const verifyPlainly = (algorithm: VectorAlgorithm, key: KeyObject, data: Buffer, signature: Buffer): boolean =>
  verify(ALGORITHMS[algorithm].hash, data, { key, ...ALGORITHMS[algorithm].options }, signature);
