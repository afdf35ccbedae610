// biome-ignore-all lint/performance/noBarrelFile: the public face of a package is the one place for a barrel
/** The SDK for merchants: the whole public face of the package. No dependency but Node 20 or later. */
export { UserError } from '../lib/user-error.ts';
export type { AlgorithmName } from '../protocol/algorithms.ts';
export { keyidOf } from '../protocol/keyid.ts';
export type { Answer, CallOutcome, CallRequest, ReceivedAnswer, Retry, WireRequest } from './answer.ts';
export { findChangedLines } from './changed-lines.ts';
export { type Explanation, explainAnswer, explainRequest } from './explain.ts';
export { createMerchant, createNonce, type MerchantClient, type MerchantOptions } from './merchant.ts';
export type { DecryptionKey } from './open-answer.ts';
export { type PlatformKey, type PlatformList, readPlatformKeys } from './platform-list.ts';
export type { TrustOptions } from './platform-trust.ts';
export { type SigningKey, type SigningMoment, signRequest } from './sign-request.ts';
export { type PinnedKey, readPinnedKeys, type TrustedKey, type TrustedKeys, thumbprintOf } from './trust.ts';
export type { UntilFinalOptions } from './until-final.ts';
export { type AnswerExpectations, type Verdict, verifyAnswer } from './verify-answer.ts';
