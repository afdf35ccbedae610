import { sign } from 'node:crypto';
import { parseName } from '../../src/protocol/distinguished-name.ts';
import type { CertificateHandles } from '../../src/protocol/key-handle.ts';
import type { Merchant, MerchantKey, SignatureOptions } from '../../src/protocol/merchant.ts';
import type { Routed } from '../../src/protocol/messages.ts';
import type { SchemeName } from '../../src/protocol/scheme-names.ts';
import { indexKeys } from '../../src/registry/key-index.ts';
import type { VerifyOptions } from '../../src/signature/verify.ts';
import { type Header, KEY_PAIRS, keyOf, MERCHANT, optionsFor } from './request-maker.ts';

/** What the schemes beside RFC 9421 need in a test: a merchant with a certificate, and requests of plain text. */
export const CERTIFICATE: CertificateHandles = {
  serialNumber: '0A1B2C3D',
  issuer: parseName('CN=Authority,O=Hufu,C=CN'),
  thumbprint: 'T'.repeat(43),
  alipaySerial: 'a'.repeat(32),
};

export const rsaKey = (changes: Partial<MerchantKey> = {}): MerchantKey =>
  keyOf('rsa-v1_5-sha256', { certificate: CERTIFICATE, ...changes });

export const rsaSign = (text: string | Buffer, digest = 'sha256'): string =>
  sign(digest, typeof text === 'string' ? Buffer.from(text, 'utf8') : text, KEY_PAIRS['rsa-v1_5-sha256'].privateKey).toString('base64');

/** Finds keys as the registry does. */
export const findIn = (keys: readonly MerchantKey[], changes: Partial<VerifyOptions> = {}): VerifyOptions =>
  optionsFor(keys, { findRegistered: indexKeys(keys), ...changes });

export type Request = {
  readonly method: string;
  readonly target: string;
  readonly headers: readonly Header[];
  readonly body: string | Buffer;
  readonly operation?: { readonly id: string; readonly amount?: string };
  readonly pathParameters?: Readonly<Record<string, string>>;
};

/** Agreed with a merchant that said nothing about its schemes. */
export const STANDARD_OPTIONS: SignatureOptions = {
  'wechatpay-v3': {},
  'alipay-v3': {},
  'sorted-rsa2': {},
  jws: { profile: 'obie-3.1.4', trustAnchor: 'openbanking.org.uk', answerIssuer: 'hufu' },
};
const ALL: readonly SchemeName[] = ['rfc9421', 'wechatpay-v3', 'alipay-v3', 'sorted-rsa2'];

export function routedOf(request: Request, merchant: Partial<Merchant> = {}): Routed {
  const { method, target, headers, body, operation = { id: 'orders.create' }, pathParameters = {} } = request;
  const all: Partial<Merchant> = {
    number: MERCHANT,
    signatures: new Set(ALL),
    signatureOptions: STANDARD_OPTIONS,
    ...merchant,
  };
  const bytes = typeof body === 'string' ? Buffer.from(body, 'utf8') : body;
  const peer = { thumbprint: 'T', keyid: '' };
  return { method, target, rawHeaders: headers.flat(), body: bytes, peer, merchant: all, operation, pathParameters } as unknown as Routed;
}
