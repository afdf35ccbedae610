import type { End } from '../certificates/expiry.ts';
import type { Access, MerchantKind } from '../protocol/access.ts';
import type { Merchant, MerchantKey } from '../protocol/merchant.ts';
import type { Operation } from '../protocol/operation.ts';
import type { FindRegistered } from './key-index.ts';

/** A certificate name of a merchant: own, or by delegation. */
export type Binding = {
  readonly merchantNumber: string;
  /** Bound while notBeforeMs <= now <= notAfterMs. */
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
  /** SHA-256 of the keys (SubjectPublicKeyInfo, lower-case hex) that a certificate of this name may have; empty: any. */
  readonly pins: readonly string[];
  /** End of the certificate that the file names instead of a subject. A renewal under the same name is good all the same. */
  readonly certificateNotAfterMs?: number;
};

/**
 * Everything the gateway knows about merchants and operations, compiled, immutable and swapped whole.
 * Lookups cost the same however many merchants there are.
 */
export type Snapshot = {
  /** Changes whenever any file behind it changes. */
  readonly version: string;
  /** Names (without port, lower case) that a Host header may carry. */
  readonly hosts: ReadonlySet<string>;
  /** The largest request body that any operation takes, bytes. */
  readonly bodyBytesMax: number;
  readonly merchantNumbers: readonly string[];
  readonly findMerchant: (number: string) => Merchant | undefined;
  /** What a certificate name (see bindingKeyOf in protocol/distinguished-name) is bound to, possibly nothing; one entry for each merchant. */
  readonly findBound: (bindingKey: string) => readonly Binding[];
  /** Marks (protocol/marks) of the certificates that gateway.yaml blocks. */
  readonly blocked: ReadonlySet<string>;
  /** The key that may verify under this keyid; never one of another environment. */
  readonly findKey: (keyid: string) => MerchantKey | undefined;
  readonly findRegistered: FindRegistered;
  /** Every key that may sign for a merchant and those of its other environments, to explain a wrong signature with. */
  readonly keysOf: (merchantNumber: string) => readonly MerchantKey[];
  /** The operation of a method and a raw path without query; nothing is decoded. */
  readonly findRoute: (
    method: string,
    path: string,
  ) => { readonly operation: Operation; readonly pathParameters: Readonly<Record<string, string>> } | undefined;
  /** What the access policy says about an operation and a kind of merchant; empty: denied. */
  readonly accessOf: (operationId: string, kind: MerchantKind) => Access;
  readonly findOperation: (id: string) => Operation | undefined;
  /** When merchants' keys, and the certificates that their files name, end; those without an end are left out. */
  readonly ends: () => readonly End[];
};
