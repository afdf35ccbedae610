import { generateKeyPair, type KeyObject } from 'node:crypto';
import { promisify } from 'node:util';

export type KeyPair = { readonly publicKey: KeyObject; readonly privateKey: KeyObject };

const generate = promisify(generateKeyPair);

const GENERATE = {
  'rsa-2048': () => generate('rsa', { modulusLength: 2048 }),
  'rsa-3072': () => generate('rsa', { modulusLength: 3072 }),
  'rsa-4096': () => generate('rsa', { modulusLength: 4096 }),
  'p-256': () => generate('ec', { namedCurve: 'P-256' }),
  'p-384': () => generate('ec', { namedCurve: 'P-384' }),
  ed25519: () => generate('ed25519', {}),
} as const satisfies Record<string, () => Promise<KeyPair>>;

/** Kinds of key that certificates are issued for; what the policy accepts. */
export type KeyKind = keyof typeof GENERATE;
export const KEY_KINDS = Object.keys(GENERATE) as KeyKind[];

/** A fresh key pair, made outside the event loop: an RSA key takes a tenth of a second and more. */
export function createKeyPair(kind: KeyKind): Promise<KeyPair> {
  return GENERATE[kind]();
}

/** The kind of a key for people: `RSA 2048`, `P-256`, `Ed25519`; of a kind that we never issue for, what OpenSSL calls it. */
export function describeKey(key: KeyObject): string {
  const { namedCurve, modulusLength } = key.asymmetricKeyDetails ?? {};
  if (modulusLength !== undefined) return `RSA ${modulusLength}`;
  const names: Readonly<Record<string, string>> = { prime256v1: 'P-256', secp384r1: 'P-384', ed25519: 'Ed25519' };
  const name = namedCurve ?? key.asymmetricKeyType ?? key.type;
  return names[name] ?? name;
}
