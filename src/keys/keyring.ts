import { createPublicKey, type KeyObject } from 'node:crypto';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { loadPrivateKey, loadPublicKey } from '../certificates/files.ts';
import { sameKey } from '../lib/same-key.ts';
import { UserError } from '../lib/user-error.ts';
import type { Signer } from '../ports/signer.ts';
import { findKeyProblem } from '../protocol/algorithms.ts';
import { keyidOf } from '../protocol/keyid.ts';
import { DEVELOPMENT_MARKER } from './development-keys.ts';
import { checkKeyFileMode } from './file-mode.ts';
import type { SecretKey } from './secret-key.ts';
import { type Dated, loadDated, loadSecretKey, loadSecretKeys, type SecretKeys } from './secret-keys.ts';
import { createSigner, fittingAlgorithm } from './signer.ts';

export type AssertionKeyPair = { readonly keyid: string; readonly privateKey: KeyObject; readonly publicKey: KeyObject };

/** Every secret of `keys/` but those of TLS, read once at start. The keys that sign answers are AnswerKeys. */
export type Keyring = {
  readonly answerSealKeys: SecretKeys;
  readonly fingerprintKeys: SecretKeys;
  /** Names payers in the counters of limits: `payer.key`, else the oldest fingerprint key. A new one starts those counters anew. */
  readonly payerKey: SecretKey;
  /** Sign the assertion towards the core: P-256, since the assertion is ES256. The core is given the next one's `.pub` before its day. */
  readonly assertion: Dated<AssertionKeyPair>;
  /** Signs checkpoints of the journal. */
  readonly journal: Signer;
};

export type KeyringOptions = {
  readonly secretsDirectory: string;
  /** Production also refuses everything that `hufu up` made. */
  readonly production?: boolean;
  /** Default: now. */
  readonly nowMs?: number;
};

/** Reads and checks all keys. Throws a UserError that names the file for the first that is missing, unfit, not its partner's or readable by others. */
export function loadKeyring(options: KeyringOptions): Keyring {
  checkFolder(options);
  const file = (name: string): string => join(options.secretsDirectory, name);
  const nowMs = options.nowMs ?? Date.now();
  const fingerprintKeys = loadSecretKeys(options.secretsDirectory, 'fingerprint', nowMs);
  return {
    answerSealKeys: loadSecretKeys(options.secretsDirectory, 'answer-seal', nowMs),
    fingerprintKeys,
    payerKey: existsSync(file('payer.key')) ? loadSecretKey(file('payer.key'), 'payer') : (fingerprintKeys.all.at(-1) as SecretKey),
    assertion: loadDated(options.secretsDirectory, 'assertion', nowMs, (path) => loadAssertionKey(path.slice(0, -'.key'.length))),
    journal: loadJournalSigner(file('journal')),
  };
}

function checkFolder({ secretsDirectory, production }: KeyringOptions): void {
  const marker = join(secretsDirectory, DEVELOPMENT_MARKER);
  if (production && existsSync(marker))
    throw new UserError(`${marker} says that these keys are for development: make keys of your own and delete it`);
  const files = existsSync(secretsDirectory) ? readdirSync(secretsDirectory).filter((name) => name.endsWith('.key')) : [];
  for (const name of files) checkKeyFileMode(join(secretsDirectory, name));
}

/** A private key and, when the file is there, its public half, which must be the same key. */
function loadKeyPair(path: string): { privateKey: KeyObject; publicKey: KeyObject } {
  const privateKey = loadPrivateKey(`${path}.key`);
  const publicKey = createPublicKey(privateKey);
  if (existsSync(`${path}.pub`) && !sameKey(loadPublicKey(`${path}.pub`), publicKey))
    throw new UserError(`${path}.pub is not the public half of ${path}.key: write it again with openssl pkey -pubout`);
  return { privateKey, publicKey };
}

function loadAssertionKey(path: string): AssertionKeyPair {
  const pair = loadKeyPair(path);
  const problem = findKeyProblem('ecdsa-p256-sha256', pair.privateKey);
  if (problem !== undefined) throw new UserError(`${path}.key cannot sign assertions: ${problem}`);
  return { keyid: keyidOf(pair.publicKey), ...pair };
}

function loadJournalSigner(path: string): Signer {
  const { privateKey, publicKey } = loadKeyPair(path);
  return createSigner(keyidOf(publicKey), fittingAlgorithm(privateKey, `${path}.key`), privateKey);
}
