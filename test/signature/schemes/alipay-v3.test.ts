import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import type { ErrorCode } from '../../../src/protocol/errors.ts';
import type { Merchant, MerchantKey } from '../../../src/protocol/merchant.ts';
import { verifySignature } from '../../../src/signature/verify.ts';
import { assertRefused } from '../refused.ts';
import { BODY, type Header, HOST, KEY_PAIRS, keyOf, MERCHANT, NOW, NOW_MS } from '../request-maker.ts';
import { CERTIFICATE, findIn, type Request, routedOf, rsaKey, rsaSign, STANDARD_OPTIONS } from '../scheme-maker.ts';

const NONCE = '4f7e1c9a-6a0e-4a57-9a0f-6fd24a1f0a11';
const TARGET = '/v1/orders?a=1';

type Draft = {
  readonly request?: Partial<Request>;
  /** Parameters in order; undefined leaves one out. */
  readonly parameters?: Readonly<Record<string, string | undefined>>;
  /** The whole text of parameters instead. */
  readonly auth?: string;
  /** What is signed, if not what is sent. */
  readonly text?: string;
  readonly sign?: string;
  readonly authorization?: (auth: string, sign: string) => string;
  readonly headers?: readonly Header[];
};

const authOf = (parameters: Draft['parameters'] = {}): string =>
  Object.entries({ app_id: MERCHANT, app_cert_sn: CERTIFICATE.alipaySerial, nonce: NONCE, timestamp: String(NOW_MS), ...parameters })
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => `${name}=${value}`)
    .join(',');
const textOf = (auth: string, method: string, target: string, body: string): string => `${auth}\n${method}\n${target}\n${body}\n`;
const good = (body = BODY): string => textOf(authOf(), 'POST', TARGET, body);

function make(draft: Draft = {}): Request {
  const { request = {}, parameters, auth = authOf(parameters), text, headers = [] } = draft;
  const { authorization = (all: string, sign: string) => `ALIPAY-SHA256withRSA ${all},sign=${sign}` } = draft;
  const { method = 'POST', target = TARGET, body = BODY } = request;
  const sign = draft.sign ?? rsaSign(text ?? textOf(auth, method, target, body.toString()));
  const fixed: readonly Header[] = [
    ['Host', HOST],
    ['Content-Type', 'application/json'],
    ['Authorization', authorization(auth, sign)],
  ];
  return { method, target, body, headers: [...fixed, ...headers], ...request };
}

const verify = (draft: Draft, keys: readonly MerchantKey[] = [rsaKey()], merchant: Partial<Merchant> = {}) =>
  verifySignature(routedOf(make(draft), merchant), findIn(keys));

test('a request is accepted with its facts, and what is kept of it has no body', () => {
  const { scheme, nonce, createdAtSeconds, signatureBase, signedDigest } = verify({});
  assert.deepEqual([scheme, nonce, createdAtSeconds], ['alipay-v3', `alipay-v3:${NONCE}`, NOW]);
  const digest = createHash('sha256').update(BODY).digest('base64');
  assert.equal(signatureBase, textOf(authOf(), 'POST', TARGET, `sha-256=:${digest}:`));
  assert.deepEqual(signedDigest, createHash('sha256').update(good()).digest());
});

const alias = { ...STANDARD_OPTIONS, 'alipay-v3': { appId: '2021000122671080' } };
const accepted: readonly (readonly [why: string, draft: Draft, merchant?: Partial<Merchant>])[] = [
  ['a GET has an empty body', { request: { method: 'GET', target: '/v1/orders/A1', body: '' } }],
  ['without app_cert_sn: one of the merchant\u2019s keys', { parameters: { app_cert_sn: undefined } }],
  ['parameters in another order', { auth: authOf().split(',').toReversed().join(',') }],
  ['300 s old', { parameters: { timestamp: String(NOW_MS - 300_000) } }],
  ['300 s ahead', { parameters: { timestamp: String(NOW_MS + 300_000) } }],
  ['not expired yet', { parameters: { expired_seconds: '1' } }],
  ['an alias of the merchant', { parameters: { app_id: '2021000122671080' } }, { signatureOptions: alias }],
];
for (const [why, draft, merchant] of accepted)
  test(`accepted: ${why}`, () => assert.equal(verify(draft, undefined, merchant).scheme, 'alipay-v3'));

const refused: readonly (readonly [why: string, code: ErrorCode, draft: Draft])[] = [
  ['D1: no sign', 'SIGNATURE_INVALID', { authorization: (auth) => `ALIPAY-SHA256withRSA ${auth}` }],
  ['D1: an empty sign', 'SIGNATURE_MISMATCH', { sign: '' }],
  ['D1: two Authorization lines', 'SIGNATURE_INVALID', { headers: [['Authorization', 'ALIPAY-SHA256withRSA x']] }],
  ['D2: another algorithm in the name', 'SIGNATURE_INVALID', { authorization: (auth, sign) => `ALIPAY-SM2withSM3 ${auth},sign=${sign}` }],
  ['D2: SHA-1', 'SIGNATURE_MISMATCH', { sign: rsaSign(good(), 'sha1') }],
  ['a name twice', 'SIGNATURE_INVALID', { auth: `${authOf()},app_id=1` }],
  ['a name that is not known', 'SIGNATURE_INVALID', { auth: `${authOf()},extra=1` }],
  ['a blank between', 'SIGNATURE_INVALID', { auth: authOf().replace(',', ', ') }],
  ['hole 7: sign within a value', 'SIGNATURE_INVALID', { auth: `${authOf()},sign=AAAA` }],
  ['hole 7: a value cut and pasted between two names', 'SIGNATURE_MISMATCH', { parameters: { nonce: `${NONCE}0` }, text: good() }],
  ['D3: method not as signed', 'SIGNATURE_MISMATCH', { text: textOf(authOf(), 'PUT', TARGET, BODY) }],
  ['D3, D6: path without its query', 'SIGNATURE_MISMATCH', { text: textOf(authOf(), 'POST', '/v1/orders', BODY) }],
  ['D3: parameters not as signed', 'SIGNATURE_MISMATCH', { text: textOf(authOf({ timestamp: String(NOW_MS - 1) }), 'POST', TARGET, BODY) }],
  ['D4: another body', 'SIGNATURE_MISMATCH', { text: good('{}') }],
  [
    'D8: another host',
    'HTTP_INVALID',
    {
      request: {
        headers: [
          ['Host', 'x'],
          ['Authorization', 'ALIPAY-SHA256withRSA x'],
        ],
      },
    },
  ],
  ['a token of a third party, which would be signed behind the body', 'SIGNATURE_COVERAGE', { headers: [['alipay-app-auth-token', 't']] }],
  ['E2: 301 s old', 'TIMESTAMP_SKEW', { parameters: { timestamp: String(NOW_MS - 301_000) } }],
  ['E2, hole 8: 301 s ahead', 'TIMESTAMP_SKEW', { parameters: { timestamp: String(NOW_MS + 301_000) } }],
  ['expired', 'TIMESTAMP_SKEW', { parameters: { timestamp: String(NOW_MS - 10_000), expired_seconds: '10' } }],
  ['seconds', 'TIMESTAMP_SKEW', { parameters: { timestamp: String(NOW) } }],
  ['a lifetime of no seconds', 'SIGNATURE_INVALID', { parameters: { expired_seconds: '0' } }],
  ['no timestamp', 'SIGNATURE_INVALID', { parameters: { timestamp: undefined } }],
  ['no nonce', 'SIGNATURE_INVALID', { parameters: { nonce: undefined } }],
  ['a nonce of 15', 'SIGNATURE_INVALID', { parameters: { nonce: 'a'.repeat(15) } }],
  ['D11: an unknown app_cert_sn', 'KEY_UNKNOWN', { parameters: { app_cert_sn: 'b'.repeat(32) } }],
  ['D11: a path for app_cert_sn', 'KEY_UNKNOWN', { parameters: { app_cert_sn: '../../k' } }],
  ['D11: __proto__', 'KEY_UNKNOWN', { parameters: { app_cert_sn: '__proto__' } }],
  ['the app_id of another merchant', 'MERCHANT_MISMATCH', { parameters: { app_id: '800000000000002' } }],
  ['no app_id', 'MERCHANT_MISMATCH', { parameters: { app_id: undefined } }],
  ['hole 18: base64 without padding', 'SIGNATURE_INVALID', { sign: rsaSign(good()).replace(/=+$/, '') }],
  ['what nobody signed: Idempotency-Key', 'SIGNATURE_COVERAGE', { headers: [['Idempotency-Key', 'mine']] }],
];
for (const [why, code, draft] of refused) test(`refused ${code}: ${why}`, () => void assertRefused(code, () => verify(draft)));

test('without app_cert_sn each key of the merchant that counts now is tried, of all others none', () => {
  const unnamed = { parameters: { app_cert_sn: undefined } };
  const ec = keyOf('ecdsa-p256-sha256');
  const { publicKey } = KEY_PAIRS['rsa-v1_5-sha256'];
  const stranger = rsaKey({ keyid: 'stranger', merchantNumbers: ['800000000000002'], publicKey });
  assert.equal(verify(unnamed, [ec, rsaKey()]).key.keyid, 'key-rsa-v1_5-sha256');
  assertRefused('KEY_UNKNOWN', () => verify(unnamed, [stranger]));
  assertRefused('KEY_UNKNOWN', () => verify(unnamed, [rsaKey({ notAfterMs: 1 }), ec]));
  assertRefused('KEY_UNKNOWN', () => verify(unnamed, []));
});
