import { openAnswer, sealAnswer } from '../keys/answer-seal.ts';
import type { SecretKey } from '../keys/secret-key.ts';
import { lengthPrefixed } from '../lib/bytes.ts';
import type { CoreAnswer } from '../protocol/messages.ts';

/** Answers as the store keeps them: encrypted, and bound to their merchant and key, so that the store cannot give one order's answer for another's. */
export type StoredAnswers = {
  readonly seal: (answer: CoreAnswer, merchantNumber: string, keyHash: string) => Buffer;
  /** Undefined when it was sealed under another key, for another order, or changed. */
  readonly open: (sealed: Buffer, merchantNumber: string, keyHash: string) => CoreAnswer | undefined;
};

const HEAD = /^(\d{3}) ([^\n]*)\n/;
const HEAD_BYTES_MAX = 512;

export function createStoredAnswers(key: SecretKey): StoredAnswers {
  const aad = (merchantNumber: string, keyHash: string) => lengthPrefixed(['answer', merchantNumber, keyHash]);
  return {
    seal: ({ status, contentType, body }, merchantNumber, keyHash) =>
      sealAnswer(key, Buffer.concat([Buffer.from(`${status} ${contentType}\n`), body]), aad(merchantNumber, keyHash)),
    open: (sealed, merchantNumber, keyHash) => {
      const plain = openAnswer(key, sealed, aad(merchantNumber, keyHash));
      const head = plain && HEAD.exec(plain.toString('latin1', 0, HEAD_BYTES_MAX));
      return head ? { status: Number(head[1]), contentType: head[2] as string, body: plain.subarray(head[0].length) } : undefined;
    },
  };
}
