import { createHmac } from 'node:crypto';

/** A symmetric key of 32 bytes with its id. */
export type SecretKey = {
  /** 16 hexadecimal digits made from the key and its purpose: equal on all instances that hold the same key, and of no use to find it. */
  readonly id: string;
  readonly key: Buffer;
};

export const SECRET_KEY_BYTES = 32;

/** Names a key. The purpose goes in, so that one key put into two files is seen as two. */
export function createSecretKey(purpose: string, key: Buffer): SecretKey {
  if (key.length !== SECRET_KEY_BYTES) throw new RangeError(`a secret key has ${SECRET_KEY_BYTES} bytes, not ${key.length}`);
  return { id: createHmac('sha256', key).update(`hufu key id: ${purpose}`).digest('hex').slice(0, 16), key };
}
