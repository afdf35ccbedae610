import { createPrivateKey, createPublicKey, type KeyObject } from 'node:crypto';
import { UserError } from '../lib/user-error.ts';
import { sameBinding } from '../protocol/jwe/binding.ts';
import { decryptJwe, looksLikeJwe, readJwe } from '../protocol/jwe/compact.ts';
import { JweProblem } from '../protocol/jwe/header.ts';
import { type JweKey, jweAlgorithmOf } from '../protocol/jwe/key-management.ts';
import { keyidOf } from '../protocol/keyid.ts';

/** A private key that answers are encrypted to; `keyid` as the operator registered it, SHA-256 of the public key when left out. */
export type DecryptionKey = { readonly key: string | KeyObject; readonly keyid?: string; readonly passphrase?: string };

function readPrivateKey(pem: string, passphrase: string | undefined): KeyObject {
  try {
    return createPrivateKey({ key: pem, ...(passphrase !== undefined && { passphrase }) });
  } catch (error) {
    throw new UserError('`decryptionKeys` holds what is no private key in PEM, or needs another passphrase', { cause: error });
  }
}

/** Reads a decryption key. Throws a UserError when nothing can be encrypted to it. */
export function readDecryptionKey({ key: given, keyid, passphrase }: DecryptionKey): JweKey {
  const key = typeof given === 'string' ? readPrivateKey(given, passphrase) : given;
  const algorithm = jweAlgorithmOf(key);
  if (!algorithm) throw new UserError('a decryption key must be RSA of at least 2048 bits, P-256 or P-384');
  return { keyid: keyid ?? keyidOf(createPublicKey(key)), algorithm, key };
}

/** The request that is answered, as far as its answer's ciphertexts are bound to it. */
export type AskedFor = { readonly merchant: string; readonly method: string; readonly target: string; readonly request: string };

export type FindOwnKey = (keyid: string) => JweKey | undefined;

/** Opens one ciphertext of an answer; undefined when it is not for us, not of this answer, or not for this place. */
export function openText(text: string, pointer: string, asked: AskedFor, findKey: FindOwnKey): Buffer | undefined {
  try {
    const jwe = readJwe(text);
    const key = findKey(jwe.header.keyid);
    if (!key || !sameBinding(jwe.header.binding, { of: 'answer', ...asked, pointer })) return undefined;
    return decryptJwe(jwe, key);
  } catch (error) {
    if (error instanceof JweProblem) return undefined;
    throw error;
  }
}

/** An answer's value with every ciphertext in it opened, and the places that could not be: there the ciphertext stays. */
export type OpenedValue = { readonly value: unknown; readonly closed: readonly string[] };

/** Opens a verified answer's body: whole, when it is a JWE, else the ciphertexts in its JSON value. */
export function openAnswer(body: Buffer, isJose: boolean, asked: AskedFor, findKey: FindOwnKey): OpenedValue {
  const closed: string[] = [];
  const open = (value: unknown, pointer: string): unknown => {
    if (looksLikeJwe(value)) {
      const plaintext = openText(value, pointer, asked, findKey);
      if (plaintext) return parseJson(plaintext);
      closed.push(pointer);
      return value;
    }
    if (Array.isArray(value)) return value.map((each, index) => open(each, `${pointer}/${index}`));
    if (typeof value !== 'object' || value === null) return value;
    return Object.fromEntries(
      Object.entries(value).map(([name, each]) => [name, open(each, `${pointer}/${name.replaceAll('~', '~0').replaceAll('/', '~1')}`)]),
    );
  };
  if (!isJose) return { value: open(parseJson(body), ''), closed };
  const plaintext = openText(body.toString('latin1'), '', asked, findKey);
  return plaintext ? { value: parseJson(plaintext), closed } : { value: undefined, closed: [''] };
}

function parseJson(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString('utf8'));
  } catch {
    return undefined;
  }
}
