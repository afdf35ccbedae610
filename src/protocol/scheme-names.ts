/**
 * Every signature scheme there is; what each does stands in src/signature/schemes.ts. Merchant files and the journal write these
 * names, so they are added to and never renamed.
 */
export const SCHEME_NAMES = ['rfc9421', 'wechatpay-v3'] as const;
export type SchemeName = (typeof SCHEME_NAMES)[number];
