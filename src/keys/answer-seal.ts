import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { lengthPrefixed } from '../lib/bytes.ts';
import type { SecretKey } from './secret-key.ts';
import type { SecretKeys } from './secret-keys.ts';

const CIPHER = 'aes-256-gcm';
const ID_BYTES = 8;
const IV_BYTES = 12;
const TAG_BYTES = 16;

/** How much longer a sealed answer is than the plain one. */
export const SEAL_BYTES = ID_BYTES + IV_BYTES + TAG_BYTES;

/** The key's id is authenticated too: a seal cannot be moved below another key. */
const associated = (id: Buffer, aad: Uint8Array): Buffer => lengthPrefixed([id, aad]);

/**
 * Encrypts an answer for the store: key id (8 bytes), IV (12 random bytes), ciphertext, tag (16 bytes); AES-256-GCM,
 * NIST SP 800-38D. With random IVs one key is good for 2^32 answers (section 8.3); rotate it before.
 * @param aad what the answer belongs to (merchant and key), so that the store cannot give one order's answer for another's
 */
export function sealAnswer(key: SecretKey, plaintext: Uint8Array, aad: Uint8Array): Buffer {
  const id = Buffer.from(key.id, 'hex');
  const iv = randomBytes(IV_BYTES);
  const cipher = createCipheriv(CIPHER, key.key, iv, { authTagLength: TAG_BYTES });
  cipher.setAAD(associated(id, aad));
  return Buffer.concat([id, iv, cipher.update(plaintext), cipher.final(), cipher.getAuthTag()]);
}

/** Opens what sealAnswer made; undefined for another key, another aad or any changed byte. Never throws for hostile bytes. */
export function openAnswer(key: SecretKey, sealed: Uint8Array, aad: Uint8Array): Buffer | undefined {
  const bytes = Buffer.from(sealed.buffer, sealed.byteOffset, sealed.byteLength);
  const id = bytes.subarray(0, ID_BYTES);
  if (bytes.length < SEAL_BYTES || id.toString('hex') !== key.id) return undefined;
  const iv = bytes.subarray(ID_BYTES, ID_BYTES + IV_BYTES);
  const decipher = createDecipheriv(CIPHER, key.key, iv, { authTagLength: TAG_BYTES });
  decipher.setAAD(associated(id, aad));
  decipher.setAuthTag(bytes.subarray(-TAG_BYTES));
  try {
    return Buffer.concat([decipher.update(bytes.subarray(ID_BYTES + IV_BYTES, -TAG_BYTES)), decipher.final()]);
  } catch {
    return undefined;
  }
}

/** As openAnswer, with whichever of the keys sealed it: the seal names its key. */
export function openWithAny({ all }: SecretKeys, sealed: Uint8Array, aad: Uint8Array): Buffer | undefined {
  const id = Buffer.from(sealed.buffer, sealed.byteOffset, Math.min(ID_BYTES, sealed.byteLength)).toString('hex');
  const key = all.find((candidate) => candidate.id === id);
  return key && openAnswer(key, sealed, aad);
}
