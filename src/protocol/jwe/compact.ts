import { createCipheriv, createDecipheriv, type KeyObject, randomBytes } from 'node:crypto';
import type { Binding } from './binding.ts';
import { CONTENT_ENCRYPTION, type JweHeader, JweProblem, readBase64Url, readJweHeader } from './header.ts';
import { CONTENT_KEY_BYTES, checkJweKey, type JweKey, unwrapContentKey, wrapContentKey } from './key-management.ts';

/** A JWE in compact serialisation (RFC 7516 section 7.1), read but not decrypted. */
export type Jwe = {
  readonly header: JweHeader;
  /** The protected header as it was spelled: what is authenticated. */
  readonly protectedText: string;
  readonly encryptedKey: Buffer;
  readonly iv: Buffer;
  readonly ciphertext: Buffer;
  readonly tag: Buffer;
};

const CIPHER = 'aes-256-gcm';
const IV_BYTES = 12;
const TAG_BYTES = 16;
const COMPACT = /^ey[A-Za-z0-9_-]*(?:\.[A-Za-z0-9_-]*){4}$/;

/** Whether a text has the outer form of a JWE in compact serialisation: then it is read as one or refused, never taken as clear text. */
export const looksLikeJwe = (text: unknown): text is string => typeof text === 'string' && COMPACT.test(text);

/** Reads a JWE strictly. Throws JweProblem; no key is used. */
export function readJwe(text: string): Jwe {
  const [protectedText = '', ...parts] = text.split('.');
  if (parts.length !== 4) throw new JweProblem('a JWE in compact serialisation has five parts');
  const header = readJweHeader(protectedText);
  const [encryptedKey, iv, ciphertext, tag] = parts.map(readBase64Url);
  if (!encryptedKey || !iv || !ciphertext || !tag) throw new JweProblem('a part is not canonical base64url');
  if (iv.length !== IV_BYTES) throw new JweProblem(`the initialization vector must have ${IV_BYTES} bytes`);
  if (tag.length !== TAG_BYTES) throw new JweProblem(`the authentication tag must have ${TAG_BYTES} bytes`);
  return { header, protectedText, encryptedKey, iv, ciphertext, tag };
}

/**
 * The plaintext; undefined for whatever goes wrong, always after the same steps. Throws JweProblem only for what anybody can see:
 * that alg, curve or length are not those of the key. The caller has compared the binding.
 */
export function decryptJwe(jwe: Jwe, key: JweKey): Buffer | undefined {
  checkJweKey(jwe.header, jwe.encryptedKey, key);
  const contentKey = unwrapContentKey(jwe.header, jwe.encryptedKey, key);
  const decipher = createDecipheriv(CIPHER, contentKey, jwe.iv, { authTagLength: TAG_BYTES });
  decipher.setAAD(Buffer.from(jwe.protectedText, 'ascii'));
  decipher.setAuthTag(jwe.tag);
  try {
    return Buffer.concat([decipher.update(jwe.ciphertext), decipher.final()]);
  } catch {
    return undefined;
  }
}

/** The public half of an ephemeral key, as `epk` has it. */
function exportEphemeralKey(key: KeyObject): object {
  const { kty, crv, x, y } = key.export({ format: 'jwk' });
  return { kty, crv, x, y };
}

/**
 * Encrypts to a key, bound to its place. Every message has a content key of its own, so no count of messages wears a key out.
 * @param contentType what the plaintext is, for `cty`
 */
export function encryptJwe(plaintext: Uint8Array, key: JweKey, binding: Binding, contentType = 'json'): string {
  const contentKey = randomBytes(CONTENT_KEY_BYTES);
  const { encryptedKey, ephemeralKey } = wrapContentKey(key, contentKey);
  const header = {
    alg: key.algorithm,
    enc: CONTENT_ENCRYPTION,
    kid: key.keyid,
    cty: contentType,
    crit: ['hufu'],
    hufu: binding,
    ...(ephemeralKey && { epk: exportEphemeralKey(ephemeralKey) }),
  };
  const protectedText = Buffer.from(JSON.stringify(header)).toString('base64url');
  const iv = randomBytes(IV_BYTES);
  const cipher = createCipheriv(CIPHER, contentKey, iv, { authTagLength: TAG_BYTES });
  cipher.setAAD(Buffer.from(protectedText, 'ascii'));
  const ciphertext = Buffer.concat([cipher.update(plaintext), cipher.final()]);
  return [protectedText, ...[encryptedKey, iv, ciphertext, cipher.getAuthTag()].map((part) => part.toString('base64url'))].join('.');
}
