import type { KeyObject } from 'node:crypto';
import { type AlgorithmName, signBytes } from '../protocol/algorithms.ts';
import { contentDigest } from '../protocol/content-digest.ts';
import { HEADER, SIGNATURE_LABEL, TAG } from '../protocol/headers.ts';
import {
  type Component,
  findRequestValue,
  serialiseByteSequence,
  serialiseComponent,
  serialiseParams,
  signatureBase,
} from '../protocol/signature-base.ts';
import { MAC_ALGORITHM, macOf } from '../protocol/working-key.ts';
import type { WireRequest } from './answer.ts';

/** The key that signs requests; `keyid` as registered with the operator. */
export type SigningKey = {
  readonly key: KeyObject;
  readonly keyid: string;
  readonly algorithm: AlgorithmName | typeof MAC_ALGORITHM;
};

/** When a request is signed, and what makes it unique: 22 to 64 characters of base64url, never used before. */
export type SigningMoment = { readonly createdAtSeconds: number; readonly nonce: string };

/** Headers that say nothing about the business, or that `@target-uri` covers. Every other header is signed. */
const NOT_COVERED: readonly string[] = ['host', 'accept', 'user-agent', 'content-length'];

/** What our signature covers: method and target always, the digest with a body, and every header of the caller's. */
function coverageOf(rawHeaders: readonly string[]): Component[] {
  const names = new Set(rawHeaders.filter((_, i) => i % 2 === 0).map((name) => name.toLowerCase()));
  const headers = [...names].filter((name) => !NOT_COVERED.includes(name));
  return ['@method', '@target-uri', ...headers].map((name) => ({ name, params: {} }));
}

/**
 * Signs a request (RFC 9421, label `hufu`, tag `hufu-request`). Pure: time and nonce are arguments.
 * `rawHeaders` is flat name, value and includes Host; a `Content-Digest` is added when there is a body.
 * Returns the complete headers to send, and the exact text that was signed.
 */
export function signRequest(request: WireRequest, signing: SigningKey, moment: SigningMoment): { rawHeaders: string[]; base: string } {
  const digest = request.body.length > 0 ? ['Content-Digest', contentDigest(request.body)] : [];
  const rawHeaders = [...request.rawHeaders, ...digest];
  const components = coverageOf(rawHeaders);
  const { createdAtSeconds, nonce } = moment;
  const params = serialiseParams({ components, params: { created: createdAtSeconds, nonce, keyid: signing.keyid, tag: TAG.request } });
  const facts = { method: request.method, target: request.target, rawHeaders };
  const lines = components.map((component) => [serialiseComponent(component), findRequestValue(facts, component.name) as string] as const);
  const base = signatureBase(lines, params);
  const bytes = Buffer.from(base, 'latin1');
  const { algorithm, key } = signing;
  const signature = algorithm === MAC_ALGORITHM ? macOf(key, bytes) : signBytes(algorithm, key, bytes);
  rawHeaders.push('Signature-Input', `${SIGNATURE_LABEL}=${params}`, 'Signature', `${SIGNATURE_LABEL}=${serialiseByteSequence(signature)}`);
  return { rawHeaders, base };
}

/** Header names that the SDK writes itself; a caller cannot give them. */
export const OWN_HEADERS: readonly string[] = [
  ...['host', 'connection', 'content-length', 'transfer-encoding', 'expect', 'upgrade', 'te', 'trailer', 'keep-alive'],
  ...[HEADER.contentDigest, HEADER.signature, HEADER.signatureInput, HEADER.merchantNumber, HEADER.idempotencyKey],
];
