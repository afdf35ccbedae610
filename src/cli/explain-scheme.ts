import { contentDigest } from '../protocol/content-digest.ts';
import { Refusal } from '../protocol/errors.ts';
import { allHeaders } from '../protocol/headers.ts';
import type { MerchantKey } from '../protocol/merchant.ts';
import type { Routed } from '../protocol/messages.ts';
import type { DescribedBase } from '../protocol/mistakes/describe-base.ts';
import type { OtherKey } from '../protocol/mistakes/suspect.ts';
import { SCHEME_NAMES } from '../protocol/scheme-names.ts';
import { authorityOf } from '../protocol/signature-base.ts';
import type { WireRequest } from '../sdk/answer.ts';
import type { Explanation } from '../sdk/explain.ts';
import type { TrustedKey } from '../sdk/trust.ts';
import { verifySignature } from '../signature/verify.ts';

/** What a recorded request of another scheme than RFC 9421 is judged with. */
export type SchemeExpectations = {
  readonly key?: TrustedKey;
  readonly otherKeys: readonly OtherKey[];
  readonly hosts: readonly string[];
  readonly nowMs: number;
};

/** Where each scheme names its merchant; none of these names is signed, so offline the message is believed. */
const MERCHANT_NAMES: readonly RegExp[] = [/mchid="([^"]*)"/, /app_id=([^,&]*)/, /(?:^|&)merId=([^&]*)/];

/** Whether a request is signed in another scheme than RFC 9421. */
export function isOtherScheme({ rawHeaders, body }: WireRequest): boolean {
  const authorization = allHeaders(rawHeaders, 'authorization').some((value) => /^(?:WECHATPAY2|ALIPAY)-/i.test(value));
  const isForm = allHeaders(rawHeaders, 'content-type').some((type) => /^application\/x-www-form-urlencoded/i.test(type));
  return authorization || (isForm && /(?:^|&)sign(?:ature)?=/.test(body.toString('latin1')));
}

const keyOf = (key: Pick<OtherKey, 'algorithm' | 'publicKey'>, keyid: string, merchantNumber: string): MerchantKey => ({
  ...{ keyid, algorithm: key.algorithm, publicKey: key.publicKey, merchantNumbers: [merchantNumber] },
  ...{ notBeforeMs: 0, notAfterMs: Number.MAX_SAFE_INTEGER },
});

/** A recorded request as the verification takes it: merchant and operation are those it names itself. */
function routedOf(request: WireRequest): Routed {
  const text = [...allHeaders(request.rawHeaders, 'authorization'), request.body.toString('latin1')].join('\n');
  const number = MERCHANT_NAMES.map((name) => name.exec(text)?.[1]).find((found) => found !== undefined) ?? '';
  const id = /(?:^|&)method=([^&]*)/.exec(request.body.toString('latin1'))?.[1] ?? '';
  const signatureOptions = Object.fromEntries(SCHEME_NAMES.map((name) => [name, {}]));
  const around = { merchant: { number, signatures: new Set(SCHEME_NAMES), signatureOptions }, operation: { id }, pathParameters: {} };
  // Only what a signature is made of is there: no connection, no contract, and nothing else is asked.
  return { ...request, ...around, peer: { thumbprint: '', serialNumber: '', keyid: '' } } as unknown as Routed;
}

/** Explains a signed request of another scheme by the gateway's own verification and its table of mistakes. Pure. */
export function explainScheme(request: WireRequest, { key, otherKeys, hosts, nowMs }: SchemeExpectations): Explanation {
  const digest = { computed: contentDigest(request.body), bodyBytes: request.body.length };
  if (!key)
    return { components: [], digest, problems: ['this scheme is verified with a key: name --merchant or --certificate'], mistakes: [] };
  const routed = routedOf(request);
  const { number } = routed.merchant;
  const host = authorityOf(request.rawHeaders).replace(/:\d+$/, '');
  const doctor = {
    keysOf: () => otherKeys.map((other) => keyOf(other, other.keyid, number)),
    platformNames: [],
    mayTry: () => true,
  };
  try {
    verifySignature(routed, {
      findKey: (keyid) => keyOf(key, keyid, number),
      findRegistered: () => [keyOf(key, 'request', number)],
      checkSigner: () => {
        throw new Refusal('KEY_UNKNOWN');
      },
      hosts: new Set([host, ...hosts]),
      nowMs,
      doctor,
    });
    return { components: [], digest, problems: [], mistakes: [] };
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    return { digest, ...toldBy(error) };
  }
}

function toldBy({ code, options }: Refusal): Pick<Explanation, 'components' | 'problems' | 'mistakes'> {
  const { mistake, hint, signatureBase } = (options.members ?? {}) as { mistake?: string; hint?: string; signatureBase?: DescribedBase };
  const components = (signatureBase?.lines ?? []).map(({ name, length, sha256 }) => ({
    identifier: name,
    value: `${length} bytes, sha-256 ${sha256}`,
  }));
  const problems = [[code, options.detail, hint].filter((part) => part !== undefined).join(': ')];
  return { components, problems, mistakes: mistake !== undefined && hint !== undefined ? [{ id: mistake, hint }] : [] };
}
