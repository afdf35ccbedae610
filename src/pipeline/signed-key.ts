import { findAt } from '../lib/json-pointer.ts';
import { Refusal } from '../protocol/errors.ts';
import type { Verified } from '../protocol/messages.ts';
import { schemeOf } from '../signature/schemes.ts';

/** What a value must be to be part of a key: the grammar of an Idempotency-Key, so that no value holds the slash between two. */
const VALUE = /^[A-Za-z0-9._:-]{1,255}$/;

/**
 * The idempotency key of a request whose scheme signs no header: operation and signed values that name the business order (`idempotencyFrom`
 * of the operation), parted by slashes, which no Idempotency-Key has, so that the two kinds never meet. Undefined where a header is signed
 * or no key is needed. Throws IDEMPOTENCY_KEY_REQUIRED when the operation names no such values or one of them is missing or has other
 * characters (docs/decisions/0015-keys-from-signed-values.md).
 */
export function signedIdempotencyKey({ operation, scheme, pathParameters }: Verified, value: unknown): string | undefined {
  if (operation.idempotency === 'none' || schemeOf(scheme).coversHeaders) return undefined;
  const sources = operation.idempotencyFrom ?? [];
  if (sources.length === 0)
    throw new Refusal('IDEMPOTENCY_KEY_REQUIRED', {
      detail: 'This operation takes its key from the header Idempotency-Key only, which this signature scheme does not sign.',
      retry: 'never',
    });
  return [operation.id, ...sources.map((source) => readPart(source, pathParameters, value))].join('/');
}

function readPart(source: string, pathParameters: Verified['pathParameters'], body: unknown): string {
  const found = source.startsWith('path:') ? pathParameters[source.slice('path:'.length)] : findAt(body, source);
  const text = typeof found === 'number' ? String(found) : found;
  if (typeof text !== 'string' || !VALUE.test(text))
    throw new Refusal('IDEMPOTENCY_KEY_REQUIRED', {
      detail: `${source} names the business order and needs 1 to 255 characters of A-Z a-z 0-9 . _ : -`,
    });
  return text;
}
