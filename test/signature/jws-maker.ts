import { createHash } from 'node:crypto';
import { type AlgorithmName, signBytes } from '../../src/protocol/algorithms.ts';
import type { JwsOptions } from '../../src/protocol/merchant.ts';
import type { Routed } from '../../src/protocol/messages.ts';
import type { SchemeName } from '../../src/protocol/scheme-names.ts';
import { BODY, freshNonce, type Header, HOST, KEY_PAIRS, MERCHANT, NOW, PEER } from './request-maker.ts';

/** Makes requests signed with a detached JWS by plain text building, so that the tests do not lean on the code under test. */
export const OBIE_ISSUER = 'org-1/software-1';
export const KID = 'jws-key';
const TARGET = '/v1/orders?a=1';

export const JWS_OPTIONS: JwsOptions = {
  profile: 'obie-3.1.4',
  issuer: OBIE_ISSUER,
  trustAnchor: 'openbanking.org.uk',
  answerIssuer: 'hufu',
};

type Claims = Readonly<Record<string, unknown>>;

/** What a request is made of; undefined leaves a member of the protected header out. */
export type JwsDraft = {
  readonly method: string;
  readonly target: string;
  readonly headers: readonly Header[];
  readonly body: string;
  readonly alg: 'PS256' | 'ES256';
  readonly members: Claims;
  readonly claims: Claims;
  /** Of all claims and `b64` unless the case says otherwise. */
  readonly crit?: unknown;
  readonly headerText?: (text: string) => string;
  readonly field: (protectedText: string, signature: string) => readonly Header[];
  readonly sign?: (input: Buffer) => Buffer;
  readonly options: JwsOptions;
  readonly pathParameters: Readonly<Record<string, string>>;
  readonly enabled: readonly SchemeName[];
};

export const OBIE_CLAIMS: Claims = {
  'http://openbanking.org.uk/iat': NOW,
  'http://openbanking.org.uk/iss': OBIE_ISSUER,
  'http://openbanking.org.uk/tan': 'openbanking.org.uk',
};
const BOUND_HEADERS: readonly Header[] = [
  ['Host', HOST],
  ['Content-Type', 'application/json'],
  ['Merchant-Number', MERCHANT],
  ['Idempotency-Key', 'order-A1'],
];
export const boundClaims = (changes: Claims = {}): Claims => ({
  htm: 'POST',
  htu: `https://${HOST}${TARGET}`,
  iat: NOW,
  jti: freshNonce(),
  'merchant-number': MERCHANT,
  'idempotency-key': 'order-A1',
  ...changes,
});

const COMMON = {
  method: 'POST',
  target: TARGET,
  body: BODY,
  alg: 'ES256',
  members: {},
  field: (protectedText: string, signature: string): readonly Header[] => [['x-jws-signature', `${protectedText}..${signature}`]],
  options: JWS_OPTIONS,
  pathParameters: {},
} as const;

/** A good request of the scheme `jws`, or a variation of it. */
export const bound = (changes: Partial<JwsDraft> = {}): JwsDraft => ({
  ...COMMON,
  headers: BOUND_HEADERS,
  claims: boundClaims(),
  enabled: ['jws'],
  ...changes,
});

/** A good request of the scheme `jws-obie`, or a variation of it. */
export const plain = (changes: Partial<JwsDraft> = {}): JwsDraft => ({
  ...COMMON,
  target: '/v1/orders',
  headers: BOUND_HEADERS.slice(0, 2),
  claims: OBIE_CLAIMS,
  enabled: ['jws-obie'],
  ...changes,
});

const algorithmOf = (alg: JwsDraft['alg']): AlgorithmName => (alg === 'PS256' ? 'rsa-pss-sha256' : 'ecdsa-p256-sha256');
const withoutGaps = (members: Claims): Claims => Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined));

export function protectedOf({ alg, members, claims, crit, headerText, options }: JwsDraft): string {
  const encoding = options.profile === 'obie-3.1.3' ? { b64: false } : {};
  const critical = withoutGaps({ ...encoding, ...claims });
  const header = withoutGaps({
    alg,
    typ: 'JOSE',
    cty: 'application/json',
    kid: KID,
    ...critical,
    crit: crit ?? Object.keys(critical),
    ...members,
  });
  const text = JSON.stringify(header);
  return Buffer.from(headerText?.(text) ?? text).toString('base64url');
}

/** The bytes that are signed. */
export function inputOf(made: JwsDraft): Buffer {
  const body = Buffer.from(made.body, 'latin1');
  const payload = made.options.profile === 'obie-3.1.3' ? body : Buffer.from(body.toString('base64url'));
  return Buffer.concat([Buffer.from(`${protectedOf(made)}.`), payload]);
}

/** The request as it arrives. `arrives` changes it after it was signed. */
export function makeJws(
  made: JwsDraft,
  arrives: Partial<Pick<JwsDraft, 'method' | 'target' | 'headers' | 'body' | 'options' | 'enabled'>> = {},
): Routed {
  const algorithm = algorithmOf(made.alg);
  const sign = made.sign ?? ((input: Buffer) => signBytes(algorithm, KEY_PAIRS[algorithm].privateKey, input));
  const fields = made.field(protectedOf(made), sign(inputOf(made)).toString('base64url'));
  const { method, target, headers, body, options, enabled, pathParameters } = { ...made, ...arrives };
  return {
    method,
    target,
    rawHeaders: [...headers, ...fields].flat(),
    body: Buffer.from(body, 'latin1'),
    pathParameters,
    peer: PEER,
    merchant: {
      number: MERCHANT,
      signatures: new Set(enabled),
      signatureOptions: { jws: options, 'wechatpay-v3': {}, 'alipay-v3': {}, 'sorted-rsa2': {} },
    },
  } as unknown as Routed;
}

export const sha256Text = (data: Buffer): string => createHash('sha256').update(data).digest('base64url');
