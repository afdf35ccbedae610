import type { AlgorithmName } from '../protocol/algorithms.ts';

/** A private key that signs, wherever it lives. `sign` is synchronous for keys in memory, a promise for keys elsewhere. */
export type Signer = {
  readonly keyid: string;
  readonly algorithm: AlgorithmName;
  readonly sign: (data: Uint8Array) => Buffer | Promise<Buffer>;
};
