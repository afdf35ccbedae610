import { createPublicKey } from 'node:crypto';
import { rawAtEnd } from './der.ts';
import { type KeyName, privateKey, publicPem, signPlainly, type VectorAlgorithm, verifyPlainly } from './keys.ts';
import type { HeaderPair } from './message.ts';

/** Signs with a key of the vectors; without a name with that of the form. */
export type Sign = (base: Buffer, key?: KeyName) => Buffer;

const RSA_BYTES = 256;
const isRandom = (algorithm: VectorAlgorithm): boolean => algorithm.startsWith('ecdsa') || algorithm.startsWith('rsa-pss');

/** Everything in a stored message that may be a signature. */
function* candidatesIn(headers: readonly HeaderPair[]): Generator<Buffer> {
  for (const [, value] of headers) {
    for (const [token] of value.matchAll(/[A-Za-z0-9+/_-]{80,}={0,2}/g)) {
      const bytes = Buffer.from(token, 'base64');
      yield bytes;
      const inside = rawAtEnd(bytes);
      if (inside) yield inside;
      if (bytes.length > RSA_BYTES) yield bytes.subarray(-RSA_BYTES);
    }
  }
}

/**
 * Signs; where a signature is different each time, one that stands in what is stored is kept as long as it is over the same bytes. So a
 * message that is made anew equals the stored one unless something about it has changed.
 */
export function keepingSigner(algorithm: VectorAlgorithm, own: KeyName, stored: readonly HeaderPair[]): Sign {
  const candidates = isRandom(algorithm) ? [...candidatesIn(stored)] : [];
  return (base, key = own) => {
    const publicKey = createPublicKey(publicPem(key));
    return candidates.find((bytes) => verifyPlainly(algorithm, publicKey, base, bytes)) ?? signPlainly(algorithm, privateKey(key), base);
  };
}
