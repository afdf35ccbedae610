import type { KeyObject } from 'node:crypto';
import type { Networks } from '../lib/networks.ts';
import type { MerchantKind } from './access.ts';
import type { AlgorithmName } from './algorithms.ts';
import type { JweKey } from './jwe/key-management.ts';
import type { CertificateHandles } from './key-handle.ts';
import type { Channel } from './operation.ts';
import type { SchemeName } from './scheme-names.ts';
import type { MAC_ALGORITHM } from './working-key.ts';

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
  /** The key belongs to this other environment: it is known only to be told apart, and never verifies. */
  readonly environment?: string;
};

/** The key that a request was signed with: one of the merchant's, or a working key. */
export type UsedKey = {
  readonly keyid: string;
  readonly algorithm: AlgorithmName | typeof MAC_ALGORITHM;
  /** Absent for a working key, which proves nothing to others. */
  readonly publicKey?: KeyObject;
};

/** A key that answers to a merchant are encrypted to, while notBeforeMs <= now <= notAfterMs. */
export type MerchantEncryptionKey = JweKey & { readonly notBeforeMs: number; readonly notAfterMs: number };

/** What every rule has. */
type RuleTerms = {
  readonly name: string;
  /** Operation ids; empty: all. */
  readonly operations: readonly string[];
  /** On trial: counted and reported, never refused. */
  readonly shadow?: true;
  /** The rule counts from this moment on, wall clock; absent: always has. */
  readonly notBeforeMs?: number;
  /** The first moment at which the rule counts no longer; absent: never. */
  readonly notAfterMs?: number;
};
/** Bound on the rate of requests: GCRA, `allow` per `perMs` with bursts of `burst`. */
export type RateRule = RuleTerms & {
  readonly kind: 'rate';
  readonly scope: LimitScope;
  readonly allow: number;
  readonly perMs: number;
  readonly burst: number;
  /** How many a request of an operation counts for, 1 to `burst`; 1 for those not named. */
  readonly costs?: Readonly<Record<string, number>>;
};
/** Bound on requests under way at once. */
export type ConcurrencyRule = RuleTerms & {
  readonly kind: 'concurrency';
  readonly scope: LimitScope;
  readonly max: number;
};
/** Bounds on the amount of one request, fen, both inclusive. */
export type AmountRule = RuleTerms & {
  readonly kind: 'amount';
  readonly currency: string;
  readonly minFen: number;
  readonly maxFen: number;
};
/** Calendar windows of totals, in the business time zone; weeks begin on Monday (ISO 8601). */
export type Period = 'day' | 'week' | 'month' | 'year';
/** Bound on the sum of amounts (fen) or on the number of requests in a calendar window. Equal to `max` passes. */
export type TotalRule = RuleTerms & {
  readonly kind: 'total';
  readonly of: 'amount' | 'count';
  readonly per: Period;
  readonly scope: LimitScope;
  readonly currency: string;
  readonly max: number;
};
/**
 * Whose use is counted together. Those of a merchant stand in its slot: all it does, per operation, per payer. The others are counted
 * over all merchants: per operation, payer or address, or everything (platform).
 */
export type LimitScope = 'merchant' | 'merchant+operation' | 'merchant+payer' | 'operation' | 'payer' | 'address' | 'platform';
/** Those that are counted over all merchants. */
export const SHARED_SCOPES: readonly LimitScope[] = ['operation', 'payer', 'address', 'platform'];
export type LimitRule = RateRule | ConcurrencyRule | AmountRule | TotalRule;

/** Where the key of a request's signature may come from: a registered key, the certificate of the connection, or a certificate in the message. */
export const KEY_SOURCES = ['registered', 'connection', 'message'] as const;
export type KeySource = (typeof KEY_SOURCES)[number];
/** What a merchant's x-jws-signature looks like. */
export type JwsOptions = {
  /** `obie-3.1.3`: the payload is signed as it is (`b64: false`); `obie-3.1.4`: encoded, and no `b64`. */
  readonly profile: 'obie-3.1.3' | 'obie-3.1.4';
  /** `iss` that its requests name; without it they may name none. */
  readonly issuer?: string | undefined;
  /** `tan` of its requests and of our answers. */
  readonly trustAnchor: string;
  /** `iss` of our answers. */
  readonly answerIssuer: string;
};

/** What schemes need to know about a merchant, by scheme. */
export type SignatureOptions = {
  /** `mchid` that requests name instead of the merchant number. */
  readonly 'wechatpay-v3': { readonly mchid?: string | undefined };
  /** `app_id` that requests name instead of the merchant number. */
  readonly 'alipay-v3': { readonly appId?: string | undefined };
  /** `app_id` or `merId` that forms name instead of the merchant number. */
  readonly 'sorted-rsa2': { readonly id?: string | undefined };
  readonly jws: JwsOptions;
};

export type Merchant = {
  readonly number: string;
  readonly name: string;
  readonly status: 'active' | 'suspended';
  readonly channels: readonly Channel[];
  /** For the access policy; absent: merchant. */
  readonly kind?: MerchantKind;
  /** The only networks it may come from; absent: any. */
  readonly networks?: Networks;
  /** Operation ids the contract allows; undefined: all. */
  readonly operations?: ReadonlySet<string>;
  /** Scenes (业务场景) the contract allows, where an operation has a scene; undefined: all. */
  readonly scenes?: ReadonlySet<string>;
  readonly rules: readonly LimitRule[];
  readonly keySources: ReadonlySet<KeySource>;
  /** The schemes it may sign requests with. */
  readonly signatures: ReadonlySet<SchemeName>;
  readonly signatureOptions: SignatureOptions;
  /** Algorithm of our answers' signatures. */
  readonly answerAlgorithm: AlgorithmName;
  /** In the order of preference. */
  readonly encryptionKeys?: readonly MerchantEncryptionKey[];
  /** `body`: every accepted answer goes out encrypted whole. */
  readonly answerEncryption?: 'fields' | 'body';
};
