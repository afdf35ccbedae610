import type { KeyObject } from 'node:crypto';
import type { AlgorithmName } from './algorithms.ts';
import type { CertificateHandles } from './key-handle.ts';
import type { Channel } from './operation.ts';
import type { SchemeName } from './scheme-names.ts';

/** A request-signing key of a merchant. The record decides algorithm and owner, never the message. */
export type MerchantKey = {
  readonly keyid: string;
  readonly algorithm: AlgorithmName;
  readonly publicKey: KeyObject;
  /** What messages may call it beside the keyid, when it was registered with a certificate. */
  readonly certificate?: CertificateHandles;
  /** The merchants that may sign with it. */
  readonly merchantNumbers: readonly string[];
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
};

/** Bound on the rate of requests: GCRA, `allow` per `perMs` with bursts of `burst`. */
export type RateRule = {
  readonly kind: 'rate';
  readonly name: string;
  readonly scope: LimitScope;
  /** Operation ids; empty: all. */
  readonly operations: readonly string[];
  readonly allow: number;
  readonly perMs: number;
  readonly burst: number;
};
/** Bound on requests under way at once. */
export type ConcurrencyRule = {
  readonly kind: 'concurrency';
  readonly name: string;
  readonly scope: LimitScope;
  readonly operations: readonly string[];
  readonly max: number;
};
/** Bounds on the amount of one request, fen, both inclusive. */
export type AmountRule = {
  readonly kind: 'amount';
  readonly name: string;
  readonly operations: readonly string[];
  readonly currency: string;
  readonly minFen: number;
  readonly maxFen: number;
};
/** Bound on the sum of amounts (fen) or on the number of requests in a calendar window. Equal to `max` passes. */
export type TotalRule = {
  readonly kind: 'total';
  readonly name: string;
  readonly of: 'amount' | 'count';
  readonly per: 'day' | 'month';
  readonly scope: LimitScope;
  readonly operations: readonly string[];
  readonly currency: string;
  readonly max: number;
};
/** Whose use is counted together: the merchant's, or the merchant's per operation. */
export type LimitScope = 'merchant' | 'merchant+operation';
export type LimitRule = RateRule | ConcurrencyRule | AmountRule | TotalRule;

/** Where the key of a request's signature may come from: a registered key, the certificate of the connection, or a certificate in the message. */
export const KEY_SOURCES = ['registered', 'connection', 'message'] as const;
export type KeySource = (typeof KEY_SOURCES)[number];
/** What schemes need to know about a merchant, by scheme. */
export type SignatureOptions = {
  /** `mchid` that requests name instead of the merchant number. */
  readonly 'wechatpay-v3': { readonly mchid?: string | undefined };
};

export type Merchant = {
  readonly number: string;
  readonly name: string;
  readonly status: 'active' | 'suspended';
  readonly channels: readonly Channel[];
  /** Operation ids the contract allows; undefined: all. */
  readonly operations?: ReadonlySet<string>;
  readonly rules: readonly LimitRule[];
  readonly keySources: ReadonlySet<KeySource>;
  /** The schemes it may sign requests with. */
  readonly signatures: ReadonlySet<SchemeName>;
  readonly signatureOptions: SignatureOptions;
  /** Algorithm of our answers' signatures. */
  readonly answerAlgorithm: AlgorithmName;
};
