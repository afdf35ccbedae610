import { lengthPrefixed, sameBytes, sha256 } from '../../lib/bytes.ts';

/**
 * Where a ciphertext belongs. It stands in the protected header as `hufu`, which compact serialisation authenticates (RFC 7516
 * section 5.1 step 14), and in `crit`, so that a reader who does not compare it must fail (RFC 7515 section 4.1.11).
 */
export type Binding = {
  /** A request's ciphertext is none of an answer, also under a key that both sides hold. */
  readonly of: 'request' | 'answer';
  readonly merchant: string;
  readonly method: string;
  /** Path and query of the request, as sent. */
  readonly target: string;
  /** What makes the request one: its Idempotency-Key, or the nonce of its signature where the operation takes no key. */
  readonly request: string;
  /** JSON pointer of the value within the body; '' for the whole body. */
  readonly pointer: string;
};

export const BINDING_MEMBERS = ['of', 'merchant', 'method', 'target', 'request', 'pointer'] as const satisfies readonly (keyof Binding)[];

const digestOf = (binding: Binding): Buffer => sha256(lengthPrefixed(BINDING_MEMBERS.map((member) => binding[member])));

/** Whether two bindings are the same in every member; takes equally long wherever they differ. */
export const sameBinding = (a: Binding, b: Binding): boolean => sameBytes(digestOf(a), digestOf(b));
