import { createPublicKey, generateKeyPairSync, type KeyObject, randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { loadPrivateKey, writeNewFile } from '../certificates/files.ts';
import { SECRET_KEY_BYTES } from './secret-key.ts';

/** A file that tells production that keys of this directory were made by `hufu up`. */
export const DEVELOPMENT_MARKER = 'development-only';

const MARKER_TEXT =
  'Keys of this folder were made by `hufu up`. A gateway in the production profile refuses the folder while this file is here.\n';

const SECRET_KEYS = ['answer-seal', 'fingerprint', 'tls-tickets'];

const PRIVATE_KEYS: Readonly<Record<string, () => KeyObject>> = {
  assertion: () => generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey,
  journal: () => generateKeyPairSync('ed25519').privateKey,
};

/**
 * Makes the secrets that are missing, mode 0600: `answer-seal.key`, `fingerprint.key` and `tls-tickets.key` (32 random bytes in hexadecimal),
 * `assertion.key` (P-256) and `journal.key` (Ed25519) with their public halves in `.pub`. Never overwrites; several processes may
 * call it at once. Existing keys are not checked here but in loadKeyring.
 */
export function ensureDevelopmentKeys(secretsDirectory: string): void {
  const fileOf = (name: string): string => join(secretsDirectory, name);
  const names = [...SECRET_KEYS, ...Object.keys(PRIVATE_KEYS)];
  // The marker first: a process that is killed between two files leaves no unmarked key.
  if (names.some((name) => !existsSync(fileOf(`${name}.key`)))) writeNewFile(fileOf(DEVELOPMENT_MARKER), MARKER_TEXT, 0o644);
  for (const name of SECRET_KEYS) writeNewFile(fileOf(`${name}.key`), `${randomBytes(SECRET_KEY_BYTES).toString('hex')}\n`, 0o600);
  for (const [name, create] of Object.entries(PRIVATE_KEYS)) {
    writeNewFile(fileOf(`${name}.key`), create().export({ type: 'pkcs8', format: 'pem' }).toString(), 0o600);
    const publicKey = createPublicKey(loadPrivateKey(fileOf(`${name}.key`)));
    writeNewFile(fileOf(`${name}.pub`), publicKey.export({ type: 'spki', format: 'pem' }).toString(), 0o644);
  }
}
