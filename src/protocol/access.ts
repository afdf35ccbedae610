import type { Channel } from './operation.ts';

/** What a merchant is, for the access policy. */
export const MERCHANT_KINDS = ['merchant', 'bank', 'clearing-house', 'payment-institution', 'treasury'] as const;
export type MerchantKind = (typeof MERCHANT_KINDS)[number];

/**
 * What a rule may demand beside what every request meets anyway (mutual TLS, bound name, signature, nonce, limits):
 * `encryption` of every field of class C2 or C3 in the body, `mac-key`: encrypted or signed under a working key, `networks`: the
 * merchant has an address list, `step-up`: somebody confirmed this request, as the risk service knows, `risk`: the risk service passed it.
 */
export const CONTROLS = ['encryption', 'mac-key', 'networks', 'step-up', 'risk'] as const;
export type Control = (typeof CONTROLS)[number];

/** A rule as far as requests of one operation and one kind of merchant are concerned. */
export type AccessRule = {
  readonly id: string;
  /** It is about larger amounts only, fen; absent: about every request. */
  readonly aboveFen?: number;
  /** The channels it allows, with what each demands. */
  readonly allow: Readonly<Partial<Record<Channel, readonly Control[]>>>;
};

/** Candidates in order: only the last one can be about every request. When none is left, nothing is allowed. */
export type Access = readonly AccessRule[];

/** The rule that let a request in, and what it demanded. */
export type AccessDecision = { readonly rule: string; readonly controls: readonly Control[] };

/** Stands where no rule matched: denied. */
export const NO_RULE = 'default';

/** The first rule that is about an amount; `amountFen` is 0 where none moves, Infinity where it is not known. */
export const ruleFor = (access: Access, amountFen: number): AccessRule | undefined =>
  access.find(({ aboveFen }) => aboveFen === undefined || amountFen > aboveFen);
