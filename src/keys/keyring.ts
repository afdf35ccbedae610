import { createPublicKey, type KeyObject, randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { alipaySerialOf } from '../certificates/alipay-serial.ts';
import { isDevelopmentCertificate } from '../certificates/development-set.ts';
import { checkKeyBelongs, loadCertificateFile, loadPrivateKey, loadPublicKey, readText } from '../certificates/files.ts';
import { checkKeyPolicy, isWithinValidity } from '../certificates/policy.ts';
import { CertificateProblem } from '../certificates/problem.ts';
import type { CertificateFacts } from '../certificates/read.ts';
import { UserError } from '../lib/user-error.ts';
import type { Signer } from '../ports/signer.ts';
import { type AlgorithmName, defaultAlgorithm, findKeyProblem } from '../protocol/algorithms.ts';
import { keyidOf } from '../protocol/keyid.ts';
import { DEVELOPMENT_MARKER } from './development-keys.ts';
import { checkKeyFileMode } from './file-mode.ts';
import { createSecretKey, SECRET_KEY_BYTES, type SecretKey } from './secret-key.ts';
import { createSigner } from './signer.ts';

/** A key that signs answers, as the configuration names it. Paths are absolute or relative to the process's folder. */
export type AnswerKey = {
  readonly keyid: string;
  readonly certificate: string;
  readonly key: string;
  /** Default: the first of the algorithm table that fits the key. */
  readonly algorithm?: AlgorithmName;
};

/** What `GET /v1/platform-certificates` tells about a signing key. */
export type PublishedCertificate = {
  readonly keyid: string;
  readonly algorithm: AlgorithmName;
  /** Serial number of the certificate, upper-case hexadecimal. */
  readonly serial: string;
  /** The same as Alipay computes it. */
  readonly alipaySerial: string;
  /** The certificate alone, without its chain. */
  readonly pem: string;
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
  /** `active` signs now; `standby` is published so that merchants can pin it before it signs. */
  readonly status: 'active' | 'standby';
};

/** Every secret that the gateway holds, read once at start. */
export type Keyring = {
  /** The first key of each algorithm, in the order of the configuration. */
  readonly answerSigners: ReadonlyMap<AlgorithmName, Signer>;
  /** Signs what is answered before a request's signature verified: an EC or Ed25519 key, since RSA would cost us 15 times as much. */
  readonly refusalSigner: Signer;
  readonly certificates: readonly PublishedCertificate[];
  readonly answerSealKey: SecretKey;
  readonly fingerprintKey: SecretKey;
  /** What the keys of TLS session tickets are made of; without a file one of this process alone, so that sessions end with it. */
  readonly ticketSecret: SecretKey;
  /** Signs the assertion towards the core: P-256, since the assertion is ES256. */
  readonly assertion: { readonly keyid: string; readonly privateKey: KeyObject; readonly publicKey: KeyObject };
  /** Signs checkpoints of the journal. */
  readonly journal: Signer;
};

export type KeyringOptions = {
  readonly answerKeys: readonly AnswerKey[];
  readonly secretsDirectory: string;
  /** Production also refuses files that others may read, and everything that `hufu up` made. */
  readonly production?: boolean;
  /** When given, answer certificates that are not valid at this moment are refused. */
  readonly nowMs?: number;
};

type LoadedAnswerKey = { readonly signer: Signer; readonly facts: CertificateFacts; readonly pem: string };

/** Reads and checks all keys. Throws a UserError that names the file for the first that is missing, unfit or not its partner's. */
export function loadKeyring(options: KeyringOptions): Keyring {
  if (options.production) checkProduction(options);
  const loaded = options.answerKeys.map((answerKey) => loadAnswerKey(answerKey, options.nowMs));
  const answerSigners = new Map<AlgorithmName, Signer>();
  for (const { signer } of loaded) if (!answerSigners.has(signer.algorithm)) answerSigners.set(signer.algorithm, signer);
  const refusalSigner = [...answerSigners.values()].find(({ algorithm }) => !algorithm.startsWith('rsa-'));
  if (refusalSigner === undefined)
    throw new UserError('answers.keys has no P-256, P-384 or Ed25519 key: name one, refusals are signed with it');
  const file = (name: string): string => join(options.secretsDirectory, name);
  return {
    answerSigners,
    refusalSigner,
    certificates: loaded.map((answerKey) => publish(answerKey, answerSigners)),
    answerSealKey: loadSecretKey(file('answer-seal.key'), 'answer-seal'),
    fingerprintKey: loadSecretKey(file('fingerprint.key'), 'fingerprint'),
    ticketSecret: existsSync(file('tls-tickets.key'))
      ? loadSecretKey(file('tls-tickets.key'), 'tls-tickets')
      : createSecretKey('tls-tickets', randomBytes(SECRET_KEY_BYTES)),
    assertion: loadAssertionKey(file('assertion')),
    journal: loadJournalSigner(file('journal')),
  };
}

function checkProduction({ answerKeys, secretsDirectory }: KeyringOptions): void {
  const marker = join(secretsDirectory, DEVELOPMENT_MARKER);
  if (existsSync(marker)) throw new UserError(`${marker} says that these keys are for development: make keys of your own and delete it`);
  const names = ['answer-seal.key', 'fingerprint.key', 'assertion.key', 'journal.key'];
  const shared = existsSync(join(secretsDirectory, 'tls-tickets.key')) ? ['tls-tickets.key'] : [];
  const secrets = [...names, ...shared].map((name) => join(secretsDirectory, name));
  for (const path of [...answerKeys.map(({ key }) => key), ...secrets]) checkKeyFileMode(path);
  for (const { certificate } of answerKeys) {
    if (isDevelopmentCertificate(loadCertificateFile(certificate).facts))
      throw new UserError(`${certificate} was issued by a development authority: production needs a certificate of your own authority`);
  }
}

function loadAnswerKey({ keyid, certificate, key, algorithm }: AnswerKey, nowMs: number | undefined): LoadedAnswerKey {
  const { facts, x509 } = loadCertificateFile(certificate);
  const privateKey = loadPrivateKey(key);
  checkKeyBelongs(facts, privateKey, { certificate, key });
  try {
    checkKeyPolicy(facts);
  } catch (cause) {
    throw cause instanceof CertificateProblem ? new UserError(`${certificate} cannot be used: ${cause.reason}`, { cause }) : cause;
  }
  if (nowMs !== undefined && !isWithinValidity(facts, nowMs))
    throw new UserError(`${certificate} is not valid now (until ${new Date(facts.notAfterMs).toISOString()}): renew it`);
  const name = algorithm ?? fittingAlgorithm(privateKey, key);
  const problem = findKeyProblem(name, privateKey);
  if (problem !== undefined) throw new UserError(`${key} does not fit its algorithm: ${problem}`);
  return { signer: createSigner(keyid, name, privateKey), facts, pem: x509.toString() };
}

function publish({ signer, facts, pem }: LoadedAnswerKey, signers: ReadonlyMap<AlgorithmName, Signer>): PublishedCertificate {
  return {
    keyid: signer.keyid,
    algorithm: signer.algorithm,
    serial: facts.serialNumber,
    alipaySerial: alipaySerialOf(facts),
    pem,
    notBeforeMs: facts.notBeforeMs,
    notAfterMs: facts.notAfterMs,
    status: signers.get(signer.algorithm) === signer ? 'active' : 'standby',
  };
}

function loadSecretKey(file: string, purpose: string): SecretKey {
  const text = readText(file).trim();
  // Never a part of the text in the message: it is a secret, also when it is misspelt.
  if (!/^[0-9a-f]{64}$/i.test(text))
    throw new UserError(`${file} holds no key: write 64 hexadecimal digits into it (openssl rand -hex 32)`);
  return createSecretKey(purpose, Buffer.from(text, 'hex'));
}

/** A private key and, when the file is there, its public half, which must be the same key. */
function loadKeyPair(path: string): { privateKey: KeyObject; publicKey: KeyObject } {
  const privateKey = loadPrivateKey(`${path}.key`);
  const publicKey = createPublicKey(privateKey);
  if (existsSync(`${path}.pub`) && !loadPublicKey(`${path}.pub`).equals(publicKey))
    throw new UserError(`${path}.pub is not the public half of ${path}.key: write it again with openssl pkey -pubout`);
  return { privateKey, publicKey };
}

function loadAssertionKey(path: string): Keyring['assertion'] {
  const pair = loadKeyPair(path);
  const problem = findKeyProblem('ecdsa-p256-sha256', pair.privateKey);
  if (problem !== undefined) throw new UserError(`${path}.key cannot sign assertions: ${problem}`);
  return { keyid: keyidOf(pair.publicKey), ...pair };
}

function loadJournalSigner(path: string): Signer {
  const { privateKey, publicKey } = loadKeyPair(path);
  return createSigner(keyidOf(publicKey), fittingAlgorithm(privateKey, `${path}.key`), privateKey);
}

function fittingAlgorithm(key: KeyObject, file: string): AlgorithmName {
  try {
    return defaultAlgorithm(key);
  } catch (cause) {
    throw new UserError(`${file} is of a kind that cannot be used: make an RSA key of at least 2048 bits, P-256, P-384 or Ed25519`, {
      cause,
    });
  }
}
