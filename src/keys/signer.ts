import type { KeyObject } from 'node:crypto';
import { UserError } from '../lib/user-error.ts';
import type { Signer } from '../ports/signer.ts';
import { type AlgorithmName, defaultAlgorithm, findKeyProblem, signBytes } from '../protocol/algorithms.ts';

/** A signer whose private key is in this process; it signs synchronously. Throws a TypeError when the key does not fit the algorithm. */
export function createSigner(keyid: string, algorithm: AlgorithmName, privateKey: KeyObject): Signer {
  const problem = findKeyProblem(algorithm, privateKey);
  if (problem !== undefined) throw new TypeError(problem);
  return { keyid, algorithm, sign: (data) => signBytes(algorithm, privateKey, data) };
}

/** The algorithm of a key whose record names none. Throws a UserError that names the file for a key that none fits. */
export function fittingAlgorithm(key: KeyObject, file: string): AlgorithmName {
  try {
    return defaultAlgorithm(key);
  } catch (cause) {
    throw new UserError(`${file} is of a kind that cannot be used: make an RSA key of at least 2048 bits, P-256, P-384 or Ed25519`, {
      cause,
    });
  }
}
