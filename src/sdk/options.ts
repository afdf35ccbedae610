import { createPrivateKey, KeyObject, X509Certificate } from 'node:crypto';
import { UserError } from '../lib/user-error.ts';
import { ALGORITHM_NAMES, isAlgorithmName } from '../protocol/algorithms.ts';
import type { MerchantOptions } from './merchant.ts';

/** Says what is wrong with the value of an option, as the end of a sentence; undefined when nothing is. */
type Check = (value: unknown, options: Readonly<Record<string, unknown>>) => string | undefined;

const nameOf = (value: unknown): string => (value === null ? 'null' : typeof value);

const isText: Check = (value) => (typeof value === 'string' ? undefined : `must be text, found ${nameOf(value)}`);

const isInteger =
  (min: number, max: number): Check =>
  (value) =>
    Number.isInteger(value) && Number(value) >= min && Number(value) <= max ? undefined : `must be an integer from ${min} to ${max}`;

/** PEM text or its bytes, as files give it. */
const isPem =
  (what: string, findProblem: (pem: string, options: Readonly<Record<string, unknown>>) => string | undefined): Check =>
  (value, options) => {
    if (typeof value !== 'string' && !(value instanceof Uint8Array)) return `must be the PEM text of ${what}, found ${nameOf(value)}`;
    const pem = typeof value === 'string' ? value : Buffer.from(value).toString('latin1');
    if (!pem.includes('-----BEGIN ')) return `is not the PEM text of ${what}: give the content of the file, not its name`;
    return findProblem(pem, options);
  };

const isCertificate = isPem('a certificate', (pem) => {
  try {
    return void new X509Certificate(pem);
  } catch {
    return 'holds no certificate that can be read';
  }
});

/** Node's codes of what can be wrong with an encrypted key. */
const PASSPHRASE_PROBLEMS: Readonly<Record<string, string>> = {
  ERR_MISSING_PASSPHRASE: 'is encrypted: give its `passphrase`',
  ERR_OSSL_CRYPTO_INTERRUPTED_OR_CANCELLED: 'is encrypted: give its `passphrase`',
  ERR_OSSL_BAD_DECRYPT: 'does not open with the `passphrase` that was given',
};

const isPrivateKey = (passphraseOf: (options: Readonly<Record<string, unknown>>) => unknown): Check =>
  isPem('a private key', (pem, options) => {
    const passphrase = passphraseOf(options);
    try {
      return void createPrivateKey({ key: pem, ...(typeof passphrase === 'string' && { passphrase }) });
    } catch (error) {
      const { code = '' } = error as { code?: string };
      return PASSPHRASE_PROBLEMS[code] ?? 'holds no private key that can be read';
    }
  });

const isSigningKey: Check = (value, options) => {
  if (!(value instanceof KeyObject)) return isPrivateKey(() => undefined)(value, options);
  return value.type === 'private' ? undefined : `must be a private key, found a ${value.type} one`;
};

const isAlgorithm: Check = (value) => (isAlgorithmName(value) ? undefined : `must be one of ${ALGORITHM_NAMES.join(', ')}`);

const isKeyid: Check = (value) =>
  typeof value === 'string' && /^[\x20-\x7e]+$/.test(value) ? undefined : 'must be text of printable ASCII, as registered';

/** A list that a program kept as JSON; what is in it is checked where it is used. */
const isKeptList: Check = (value) => {
  const { keys, retired, fetchedAtMs } = (value ?? {}) as Record<string, unknown>;
  const isList = Array.isArray(keys) && Array.isArray(retired) && Number.isFinite(fetchedAtMs);
  return isList ? undefined : 'must be what `onPlatformKeys` gave, read back from JSON';
};

const isFunction: Check = (value) => (typeof value === 'function' ? undefined : `must be a function, found ${nameOf(value)}`);

/** What each option must be. A caller in JavaScript has no compiler to tell; and without `authority` Node would trust every public one. */
const REQUIRED: Readonly<Record<string, Check>> = {
  url: isText,
  certificate: isCertificate,
  key: isPrivateKey(({ passphrase }) => passphrase),
  authority: isCertificate,
};
const OPTIONAL: Readonly<Record<string, Check>> = {
  merchantNumber: isText,
  passphrase: isText,
  signingKey: isSigningKey,
  keyid: isKeyid,
  algorithm: isAlgorithm,
  platformAuthority: isCertificate,
  platformName: isText,
  keptPlatformKeys: isKeptList,
  onPlatformKeys: isFunction,
  timeoutMs: isInteger(1, 2 ** 31 - 1),
  answerBytesMax: isInteger(1, 2 ** 31 - 1),
};

/** Throws a UserError that names the first option that cannot be right, and says what it must be. */
export function checkOptions(given: MerchantOptions): void {
  if (typeof given !== 'object' || given === null) throw new UserError(`createMerchant needs its options, found ${nameOf(given)}`);
  const options: Readonly<Record<string, unknown>> = given;
  for (const [name, check] of Object.entries({ ...REQUIRED, ...OPTIONAL })) {
    if (options[name] === undefined && !Object.hasOwn(REQUIRED, name)) continue;
    const problem = check(options[name], options);
    if (problem !== undefined) throw new UserError(`\`${name}\` ${problem}`);
  }
  if (given.platformAuthority !== undefined || (given.trustedKeys ?? []).length > 0) return;
  throw new UserError('give `platformAuthority` or `trustedKeys`: without them no answer can be verified');
}
