import { createCipheriv, createHmac, type KeyObject } from 'node:crypto';
import { sameBytes } from '../lib/bytes.ts';
import type { JweKey } from './jwe/key-management.ts';

/** What a working key (工作密钥) is for; one is never used for the other. */
export const WORKING_KEY_PURPOSES = ['encryption', 'mac'] as const;
export type WorkingKeyPurpose = (typeof WORKING_KEY_PURPOSES)[number];

/** The MAC of RFC 9421 section 3.3.3, as signature parameters and journals name it. */
export const MAC_ALGORITHM = 'hmac-sha256';

export const WORKING_KEY_BYTES = 32;
/** What the id of every working key begins with, and of no other key: it tells where to look. */
const KEYID = /^wk-[A-Za-z0-9_-]{22}$/;
export const isWorkingKeyid = (keyid: string): boolean => KEYID.test(keyid);

/** A symmetric key that merchant and gateway share for a day. Times are wall-clock milliseconds. */
export type WorkingKey = {
  readonly keyid: string;
  readonly purpose: WorkingKeyPurpose;
  readonly key: KeyObject;
  readonly notBeforeMs: number;
  /** The first moment at which it no longer counts. */
  readonly notAfterMs: number;
};

/** As a key that content keys are wrapped under. */
export const wrappingKeyOf = ({ keyid, key }: WorkingKey): JweKey => ({ keyid, algorithm: 'A256KW', key });

export const macOf = (key: KeyObject, data: Uint8Array): Buffer => createHmac('sha256', key).update(data).digest();

/** Compares in constant time; the expected MAC goes nowhere. */
export const verifyMacOf = (key: KeyObject, data: Uint8Array, mac: Uint8Array): boolean => sameBytes(macOf(key, data), mac);

const ZEROS = Buffer.alloc(16);

/**
 * The key check value (校验值) by which both sides see that they hold the same key: the first three bytes, in upper-case hexadecimal, of one
 * zero block under AES-256-ECB for `encryption`, as POS terminals compute it, and of the HMAC-SHA-256 of nothing for `mac`.
 */
export function keyCheckValueOf(purpose: WorkingKeyPurpose, key: KeyObject): string {
  const bytes = purpose === 'mac' ? macOf(key, Buffer.alloc(0)) : createCipheriv('aes-256-ecb', key, null).update(ZEROS);
  return bytes.subarray(0, 3).toString('hex').toUpperCase();
}
