import { createHmac } from 'node:crypto';
import { lengthPrefixed } from '../lib/bytes.ts';
import { findHeader, HEADER } from '../protocol/headers.ts';
import type { Opened } from '../protocol/messages.ts';

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
