import { execFileSync } from 'node:child_process';
import { constants, createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject, sign, verify } from 'node:crypto';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

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

const CERTIFICATES = new URL('../../test/vectors/certificates.json', import.meta.url);
/** Keys that certificates of the vectors are for: each signed by its own key, since who issued it is not what the vectors are about. */
const CERTIFIED: readonly KeyName[] = ['rsa', 'other-rsa', 'p256', 'platform'];

function makeCertificate(name: KeyName): string {
  const folder = mkdtempSync(join(tmpdir(), 'hufu-vectors-'));
  const file = join(folder, 'key.pem');
  try {
    writeFileSync(file, pems[name] as string);
    const how = ['-x509', '-sha256', '-days', '36500', '-subj', `/C=CN/O=Hufu vectors/CN=${name}`, '-key', file];
    return execFileSync('openssl', ['req', ...how, '-addext', 'keyUsage=critical,digitalSignature'], { encoding: 'utf8' });
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function readCertificates(): Readonly<Record<string, string>> {
  if (existsSync(CERTIFICATES)) return JSON.parse(readFileSync(CERTIFICATES, 'utf8'));
  const all = Object.fromEntries(CERTIFIED.map((name) => [name, makeCertificate(name)]));
  writeFileSync(CERTIFICATES, `${JSON.stringify(all, null, 2)}\n`);
  return all;
}

const certificates = readCertificates();
export const certificatePem = (name: KeyName): string => certificates[name] as string;

/** The algorithms as node:crypto does them, written down a second time so that the vectors do not lean on the table of the gateway. */
const ALGORITHMS = {
  'rsa-v1_5-sha256': { hash: 'sha256', options: { padding: constants.RSA_PKCS1_PADDING } },
  'rsa-pss-sha512': { hash: 'sha512', options: { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 64 } },
  'ecdsa-p256-sha256': { hash: 'sha256', options: { dsaEncoding: 'ieee-p1363' } },
  'ecdsa-p384-sha384': { hash: 'sha384', options: { dsaEncoding: 'ieee-p1363' } },
  ed25519: { hash: null, options: {} },
  'rsa-pss-sha256': { hash: 'sha256', options: { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 32 } },
} as const;
export type VectorAlgorithm = keyof typeof ALGORITHMS;

export const signPlainly = (algorithm: VectorAlgorithm, key: KeyObject, data: Buffer): Buffer =>
  sign(ALGORITHMS[algorithm].hash, data, { key, ...ALGORITHMS[algorithm].options });

export const verifyPlainly = (algorithm: VectorAlgorithm, key: KeyObject, data: Buffer, signature: Buffer): boolean =>
  verify(ALGORITHMS[algorithm].hash, data, { key, ...ALGORITHMS[algorithm].options }, signature);
