import { generateKeyPair, type KeyObject } from 'node:crypto';
import { promisify } from 'node:util';

export type KeyPair = { readonly publicKey: KeyObject; readonly privateKey: KeyObject };

/** Kinds of key that certificates are issued for; what the policy accepts. */
export type KeyKind = 'rsa-2048' | 'rsa-3072' | 'p-256' | 'p-384' | 'ed25519';

const generate = promisify(generateKeyPair);

const GENERATE: Readonly<Record<KeyKind, () => Promise<KeyPair>>> = {
  'rsa-2048': () => generate('rsa', { modulusLength: 2048 }),
  'rsa-3072': () => generate('rsa', { modulusLength: 3072 }),
  'p-256': () => generate('ec', { namedCurve: 'P-256' }),
  'p-384': () => generate('ec', { namedCurve: 'P-384' }),
  ed25519: () => generate('ed25519', {}),
};

/** A fresh key pair, made outside the event loop: an RSA key takes a tenth of a second and more. */
export function createKeyPair(kind: KeyKind): Promise<KeyPair> {
  return GENERATE[kind]();
}
