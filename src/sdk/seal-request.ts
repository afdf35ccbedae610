import { placesOf, replaceAt } from '../lib/json-pointer.ts';
import { UserError } from '../lib/user-error.ts';
import { encryptJwe } from '../protocol/jwe/compact.ts';
import type { JweKey } from '../protocol/jwe/key-management.ts';
import type { CallRequest } from './answer.ts';

/** What binds a ciphertext to its request. */
export type SealingPlace = {
  readonly merchantNumber: string | undefined;
  /** The nonce the request will be signed with; it counts where there is no Idempotency-Key. */
  readonly nonce: string;
};

function copyOf(body: unknown): unknown {
  if (typeof body !== 'object' || body === null || body instanceof Uint8Array)
    throw new UserError('to encrypt fields the body must be a value that JSON can hold, not text or bytes');
  return JSON.parse(JSON.stringify(body));
}

const textOf = (body: unknown): Buffer =>
  typeof body === 'string' ? Buffer.from(body) : body instanceof Uint8Array ? Buffer.from(body) : Buffer.from(JSON.stringify(body));

/**
 * The request with what it names in `encrypt` encrypted to the key, bound to merchant, request and place; without `encrypt` as it is.
 * The same request sealed twice gives other bytes and is the same to the gateway.
 */
export function sealRequest(request: CallRequest, key: JweKey, { merchantNumber, nonce }: SealingPlace): CallRequest {
  const { encrypt, ...plain } = request;
  if (encrypt === undefined) return request;
  if (merchantNumber === undefined) throw new UserError('to encrypt, give the merchantNumber: ciphertexts are bound to it');
  const { method, path, idempotencyKey, body, headers } = plain;
  const place = { of: 'request', merchant: merchantNumber, method, target: path, request: idempotencyKey ?? nonce } as const;
  if (encrypt === 'body') {
    const sealed = encryptJwe(textOf(body), key, { ...place, pointer: '' });
    return { ...plain, body: sealed, headers: { ...headers, 'Content-Type': 'application/jose' } };
  }
  const copy = copyOf(body);
  for (const pattern of encrypt) {
    const places = placesOf(copy, pattern);
    if (places.length === 0) throw new UserError(`to encrypt: the body has no ${pattern}`);
    for (const { pointer, value } of places)
      replaceAt(copy, pointer, encryptJwe(Buffer.from(JSON.stringify(value)), key, { ...place, pointer }));
  }
  return { ...plain, body: copy };
}
