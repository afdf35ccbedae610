import { placesOf, replaceAt } from '../lib/json-pointer.ts';
import { Refusal } from '../protocol/errors.ts';
import type { Binding } from '../protocol/jwe/binding.ts';
import { encryptJwe } from '../protocol/jwe/compact.ts';
import type { JweKey } from '../protocol/jwe/key-management.ts';
import type { Merchant } from '../protocol/merchant.ts';
import type { Opened, Reply } from '../protocol/messages.ts';

/** The request whose answer is encrypted. */
export type Asked = Pick<Opened, 'operation' | 'merchant' | 'method' | 'target' | 'mark' | 'workingKey'>;

/** The first registered key of a merchant that is valid now. */
export const encryptionKeyOf = ({ encryptionKeys = [] }: Merchant, nowMs: number): JweKey | undefined =>
  encryptionKeys.find(({ notBeforeMs, notAfterMs }) => notBeforeMs <= nowMs && nowMs <= notAfterMs);

/** The working key that the request used, else the merchant's own. */
const keyFor = ({ workingKey, merchant }: Pick<Asked, 'workingKey' | 'merchant'>, nowMs: number): JweKey | undefined =>
  workingKey ?? encryptionKeyOf(merchant, nowMs);

const isDemanded = ({ operation, merchant }: Pick<Asked, 'operation' | 'merchant'>): boolean =>
  merchant.answerEncryption === 'body' || (operation.encryption?.answer ?? []).some(({ required }) => required);

/** Throws ENCRYPTION_KEY_MISSING when the answer would have to be encrypted and could not: told before anything runs. */
export function checkAnswerKey(asked: Pick<Asked, 'operation' | 'merchant' | 'workingKey'>, nowMs: number): void {
  if (isDemanded(asked) && !keyFor(asked, nowMs)) throw new Refusal('ENCRYPTION_KEY_MISSING');
}

/** Where a ciphertext of an answer belongs. */
export function answerBinding(asked: Omit<Asked, 'workingKey' | 'operation'>, pointer: string): Binding {
  const { merchant, method, target, mark } = asked;
  return { of: 'answer', merchant: merchant.number, method, target, request: mark, pointer };
}

/**
 * Encrypts an accepted answer as operation and merchant want it: whole, or the fields that the operation lists. Each delivery is
 * encrypted anew; the plaintext of a repeated answer is the same. Refusals carry no data and stay readable.
 */
export function encryptAnswer(reply: Reply, asked: Asked, nowMs: number): Reply {
  const { merchant, operation } = asked;
  const fields = operation.encryption?.answer ?? [];
  if (reply.body.length === 0 || (fields.length === 0 && merchant.answerEncryption !== 'body')) return reply;
  const key = keyFor(asked, nowMs);
  if (!key && isDemanded(asked)) throw new Error(`merchant ${merchant.number} has lost its encryption key while its request was under way`);
  if (!key) return reply;
  if (merchant.answerEncryption === 'body')
    return { ...reply, contentType: 'application/jose', body: Buffer.from(encryptJwe(reply.body, key, answerBinding(asked, ''))) };
  const value: unknown = JSON.parse(reply.body.toString('utf8'));
  const places = fields.flatMap(({ pointer }) => placesOf(value, pointer));
  if (places.length === 0) return reply;
  for (const place of places)
    replaceAt(value, place.pointer, encryptJwe(Buffer.from(JSON.stringify(place.value)), key, answerBinding(asked, place.pointer)));
  return { ...reply, body: Buffer.from(JSON.stringify(value)) };
}
