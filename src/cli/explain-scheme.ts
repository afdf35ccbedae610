import { contentDigest } from '../protocol/content-digest.ts';
import { Refusal } from '../protocol/errors.ts';
import { allHeaders, HEADER } from '../protocol/headers.ts';
import type { MerchantKey, SignatureOptions } from '../protocol/merchant.ts';
import type { DescribedBase } from '../protocol/mistakes/describe-base.ts';
import type { OtherKey } from '../protocol/mistakes/suspect.ts';
import { SCHEME_NAMES } from '../protocol/scheme-names.ts';
import { authorityOf } from '../protocol/signature-base.ts';
import type { WireRequest } from '../sdk/answer.ts';
import type { Explanation } from '../sdk/explain.ts';
import type { TrustedKey } from '../sdk/trust.ts';
import { type Signable, verifySignature } from '../signature/verify.ts';

/** What a recorded request of another scheme than RFC 9421 is judged with. */
export type SchemeExpectations = {
  readonly key?: TrustedKey;
  readonly otherKeys: readonly OtherKey[];
  readonly hosts: readonly string[];
  /** The merchant, where the message does not name it itself; a CMS signs it. */
  readonly merchantNumber?: string;
  readonly nowMs: number;
};

/** Where each scheme names its merchant; none of these names is signed, so offline the message is believed. */
const MERCHANT_NAMES: readonly RegExp[] = [/mchid="([^"]*)"/, /app_id=([^,&]*)/, /(?:^|&)merId=([^&]*)/];

/** Whether a request is signed in another scheme than RFC 9421. */
export function isOtherScheme({ rawHeaders, body }: WireRequest): boolean {
  const authorization = allHeaders(rawHeaders, 'authorization').some((value) => /^(?:WECHATPAY2|ALIPAY)-/i.test(value));
  const isDetached = ['x-jws-signature', 'x-cms-signature'].some((name) => allHeaders(rawHeaders, name).length > 0);
  const isForm = allHeaders(rawHeaders, 'content-type').some((type) => /^application\/x-www-form-urlencoded/i.test(type));
  return authorization || isDetached || (isForm && /(?:^|&)sign(?:ature)?=/.test(body.toString('latin1')));
}

const keyOf = (key: Pick<OtherKey, 'algorithm' | 'publicKey'>, keyid: string, merchantNumber: string): MerchantKey => ({
  ...{ keyid, algorithm: key.algorithm, publicKey: key.publicKey, merchantNumbers: [merchantNumber] },
  ...{ notBeforeMs: 0, notAfterMs: Number.MAX_SAFE_INTEGER },
});

/** Where no header and no form names the merchant, it is the one that the message was signed for. */
const UNNAMED = '000000000000000';

/** What is agreed with a merchant, as far as a message tells: the profile of a JWS stands in its protected header. */
function optionsOf({ rawHeaders }: WireRequest): SignatureOptions {
  const [header = ''] = (allHeaders(rawHeaders, 'x-jws-signature')[0] ?? '').split('.', 1);
  const text = Buffer.from(header, 'base64url').toString('utf8');
  const claim = (name: string): string | undefined => new RegExp(`"http://openbanking.org.uk/${name}"\\s*:\\s*"([^"]*)"`).exec(text)?.[1];
  const profile = /"b64"\s*:\s*false/.test(text) ? 'obie-3.1.3' : 'obie-3.1.4';
  const jws = { profile, issuer: claim('iss'), trustAnchor: claim('tan') ?? '', answerIssuer: '' } as const;
  return { 'wechatpay-v3': {}, 'alipay-v3': {}, 'sorted-rsa2': {}, jws };
}

/** A recorded request as the verification takes it: merchant and operation are those it names itself. */
function signableOf(request: WireRequest, named: string | undefined): Signable {
  const body = request.body.toString('latin1');
  const text = [...allHeaders(request.rawHeaders, 'authorization'), body].join('\n');
  const [sent] = allHeaders(request.rawHeaders, HEADER.merchantNumber);
  const number = MERCHANT_NAMES.map((name) => name.exec(text)?.[1]).find((found) => found !== undefined) ?? sent ?? named ?? UNNAMED;
  const id = /(?:^|&)method=([^&]*)/.exec(body)?.[1] ?? '';
  return {
    ...request,
    merchant: { number, signatures: new Set(SCHEME_NAMES), signatureOptions: optionsOf(request) },
    operation: { id },
    pathParameters: {},
    // Nobody connected.
    peer: { thumbprint: '', serialNumber: '', keyid: '' },
  };
}

/** Explains a signed request of another scheme by the gateway's own verification and its table of mistakes. Pure. */
export function explainScheme(request: WireRequest, { key, otherKeys, hosts, merchantNumber, nowMs }: SchemeExpectations): Explanation {
  const digest = { computed: contentDigest(request.body), bodyBytes: request.body.length };
  if (!key)
    return { components: [], digest, problems: ['this scheme is verified with a key: name --merchant or --certificate'], mistakes: [] };
  const signable = signableOf(request, merchantNumber);
  const { number } = signable.merchant;
  const host = authorityOf(request.rawHeaders).replace(/:\d+$/, '');
  const doctor = {
    keysOf: () => otherKeys.map((other) => keyOf(other, other.keyid, number)),
    platformNames: () => [],
    mayTry: () => true,
  };
  try {
    verifySignature(signable, {
      findKey: (keyid) => keyOf(key, keyid, number),
      findRegistered: () => [keyOf(key, 'request', number)],
      checkSigner: () => ({ key: keyOf(key, 'request', number) }),
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
