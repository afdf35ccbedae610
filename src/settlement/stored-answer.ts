import { openWithAny, sealAnswer } from '../keys/answer-seal.ts';
import type { SecretKeys } from '../keys/secret-keys.ts';
import { lengthPrefixed } from '../lib/bytes.ts';
import type { CoreAnswer } from '../protocol/messages.ts';

/** An answer that is kept under its key. `isResolved`: the core's account of what became of the key stands in for the answer itself. */
export type StoredAnswer = CoreAnswer & { readonly isResolved?: true };

/** Answers as the store keeps them: encrypted, and bound to their merchant and key, so that the store cannot give one order's answer for another's. */
export type StoredAnswers = {
  readonly seal: (answer: StoredAnswer, merchantNumber: string, keyHash: string) => Buffer;
  /** Undefined when it was sealed under another key, for another order, or changed. */
  readonly open: (sealed: Buffer, merchantNumber: string, keyHash: string) => StoredAnswer | undefined;
};

const HEAD = /^(\d{3})(r?) ([^\n]*)\n/;
const HEAD_BYTES_MAX = 512;

function readStored(plain: Buffer): StoredAnswer | undefined {
  const head = HEAD.exec(plain.toString('latin1', 0, HEAD_BYTES_MAX));
  if (!head) return undefined;
  const [whole, status, mark, contentType = ''] = head;
  return { status: Number(status), contentType, body: plain.subarray(whole.length), ...(mark ? { isResolved: true } : {}) };
}

export function createStoredAnswers(keys: SecretKeys, nowMs: () => number): StoredAnswers {
  const aad = (merchantNumber: string, keyHash: string) => lengthPrefixed(['answer', merchantNumber, keyHash]);
  return {
    seal: ({ status, contentType, body, isResolved }, merchantNumber, keyHash) =>
      sealAnswer(
        keys.writing(nowMs()),
        Buffer.concat([Buffer.from(`${status}${isResolved ? 'r' : ''} ${contentType}\n`), body]),
        aad(merchantNumber, keyHash),
      ),
    open: (sealed, merchantNumber, keyHash) => {
      const plain = openWithAny(keys, sealed, aad(merchantNumber, keyHash));
      return plain && readStored(plain);
    },
  };
}
