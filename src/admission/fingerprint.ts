import { createHmac } from 'node:crypto';
import { lengthPrefixed } from '../lib/bytes.ts';
import { findHeader, HEADER } from '../protocol/headers.ts';
import type { Opened } from '../protocol/messages.ts';

/** Keys of fingerprints; see keys/secret-keys. */
export type FingerprintKeys = {
  readonly writing: (nowMs: number) => { readonly id: string; readonly key: Uint8Array };
  readonly all: readonly { readonly id: string; readonly key: Uint8Array }[];
};

/** The fingerprint to keep, and those that the same request has under the other keys. Almost always there is but one key. */
export function fingerprintsOf(
  keys: FingerprintKeys,
  opened: Parameters<typeof fingerprintOf>[1],
  nowMs: number,
): { readonly fingerprint: string; readonly otherFingerprints: readonly string[] } {
  const writing = keys.writing(nowMs);
  const others = keys.all.filter(({ id }) => id !== writing.id);
  return { fingerprint: fingerprintOf(writing.key, opened), otherFingerprints: others.map(({ key }) => fingerprintOf(key, opened)) };
}

/**
 * What makes two requests the same under one Idempotency-Key: HMAC-SHA-256 (base64url) over method, path and query, operation,
 * merchant, content type and the opened body bytes, each behind its length. Not nonce, not time; JSON is not
 * canonicalised, since the bytes are what was signed (contract.md section 5).
 */
export function fingerprintOf(
  key: Uint8Array,
  opened: Pick<Opened, 'method' | 'target' | 'operation' | 'merchant' | 'rawHeaders' | 'body'>,
): string {
  const { method, target, operation, merchant, rawHeaders, body } = opened;
  const contentType = findHeader(rawHeaders, HEADER.contentType) ?? '';
  const parts = lengthPrefixed([method, target, operation.id, merchant.number, contentType, body]);
  return createHmac('sha256', key).update(parts).digest('base64url');
}
