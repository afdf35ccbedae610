import type { KeyObject } from 'node:crypto';
import type { Signer } from '../ports/signer.ts';
import { type AlgorithmName, findKeyProblem, signBytes } from '../protocol/algorithms.ts';

/** A signer whose private key is in this process; it signs synchronously. Throws a TypeError when the key does not fit the algorithm. */
export function createSigner(keyid: string, algorithm: AlgorithmName, privateKey: KeyObject): Signer {
  const problem = findKeyProblem(algorithm, privateKey);
  if (problem !== undefined) throw new TypeError(problem);
  return { keyid, algorithm, sign: (data) => signBytes(algorithm, privateKey, data) };
}
