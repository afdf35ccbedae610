import type { AlgorithmName } from './algorithms.ts';

/**
 * Every signature scheme there is; what each does stands in src/signature/schemes.ts. Merchant files and the journal write these
 * names, so they are added to and never renamed.
 */
export const SCHEME_NAMES = ['rfc9421', 'wechatpay-v3', 'alipay-v3', 'sorted-rsa2', 'jws', 'jws-obie', 'cms'] as const;
export type SchemeName = (typeof SCHEME_NAMES)[number];

/** The algorithms that a key of ours must have for the answers of a scheme, beside our own signature of every answer. */
export const SCHEME_ANSWERS: Readonly<Record<SchemeName, readonly AlgorithmName[]>> = {
  rfc9421: [],
  'wechatpay-v3': ['rsa-v1_5-sha256'],
  'alipay-v3': ['rsa-v1_5-sha256'],
  'sorted-rsa2': ['rsa-v1_5-sha256'],
  jws: ['ecdsa-p256-sha256'],
  'jws-obie': ['ecdsa-p256-sha256'],
  cms: ['ecdsa-p256-sha256'],
};
