import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import type { ErrorCode } from '../../../src/protocol/errors.ts';
import type { Merchant, MerchantKey } from '../../../src/protocol/merchant.ts';
import { verifySignature } from '../../../src/signature/verify.ts';
import { assertRefused, refusalOf } from '../refused.ts';
import { BODY, type Header, HOST, keyOf, MERCHANT, NOW } from '../request-maker.ts';
import { CERTIFICATE, findIn, type Request, routedOf, rsaKey, rsaSign, STANDARD_OPTIONS } from '../scheme-maker.ts';

const NONCE = '593BEC0C930BF1AFEB40B4A08C8FB242';
const TARGET = '/v1/orders?a=1';

type Parts = {
  readonly mchid: string;
  readonly serial_no: string;
  readonly timestamp: string;
  readonly nonce_str: string;
  readonly signature: string;
};
type Draft = {
  readonly request?: Partial<Request>;
  /** What is signed, if not what is sent. */
  readonly text?: string;
  readonly parts?: Partial<Parts>;
  readonly authorization?: (parts: Parts) => string;
  readonly headers?: readonly Header[];
};

const quoted = (parts: Readonly<Record<string, string>>): string =>
  `WECHATPAY2-SHA256-RSA2048 ${Object.entries(parts)
    .map(([name, value]) => `${name}="${value}"`)
    .join(',')}`;

const textOf = (method: string, target: string, timestamp: string, nonce: string, body: string): string =>
  `${method}\n${target}\n${timestamp}\n${nonce}\n${body}\n`;

function make({ request = {}, text, parts = {}, authorization = quoted, headers = [] }: Draft = {}): Request {
  const { method = 'POST', target = TARGET, body = BODY } = request;
  const sent = { mchid: MERCHANT, nonce_str: NONCE, timestamp: String(NOW), serial_no: CERTIFICATE.serialNumber, ...parts };
  const signed = text ?? textOf(method, target, sent.timestamp, sent.nonce_str, body.toString());
  const all = { signature: rsaSign(signed), ...sent };
  const fixed: Header[] = [
    ['Host', HOST],
    ['Content-Type', 'application/json'],
  ];
  return { method, target, body, headers: [...fixed, ['Authorization', authorization(all)], ...headers], ...request };
}

const verify = (draft: Draft, keys: readonly MerchantKey[] = [rsaKey()], merchant: Partial<Merchant> = {}) =>
  verifySignature(routedOf(make(draft), merchant), findIn(keys));

test('a request is accepted with its facts, and what is kept of it has no body', () => {
  const { scheme, nonce, createdAtSeconds, key, signatureBase, signedDigest } = verify({});
  assert.deepEqual([scheme, nonce, createdAtSeconds, key.keyid], ['wechatpay-v3', `wechatpay-v3:${NONCE}`, NOW, 'key-rsa-v1_5-sha256']);
  const digest = createHash('sha256').update(BODY).digest('base64');
  assert.equal(signatureBase, textOf('POST', TARGET, String(NOW), NONCE, `sha-256=:${digest}:`));
  const exact = createHash('sha256')
    .update(textOf('POST', TARGET, String(NOW), NONCE, BODY))
    .digest();
  assert.deepEqual(signedDigest, exact);
});

const accepted: readonly (readonly [why: string, draft: Draft, merchant?: Partial<Merchant>])[] = [
  ['a GET has an empty body', { request: { method: 'GET', target: '/v1/orders/A1', body: '' } }],
  ['bytes that are no UTF-8', { request: { body: Buffer.from('é', 'latin1') }, text: '' }],
  [
    'names in another order, blanks behind commas',
    { authorization: (all) => quoted(Object.fromEntries(Object.entries(all).toReversed())).replaceAll(',', ', ') },
  ],
  ['the serial number in lower case', { parts: { serial_no: CERTIFICATE.serialNumber.toLowerCase() } }],
  ['the serial number without its leading zero', { parts: { serial_no: CERTIFICATE.serialNumber.slice(1) } }],
  ['300 s old', { parts: { timestamp: String(NOW - 300) } }],
  ['300 s ahead', { parts: { timestamp: String(NOW + 300) } }],
  ['the merchant number in its header too', { headers: [['Merchant-Number', MERCHANT]] }],
  [
    'an alias of the merchant',
    { parts: { mchid: '1900000109' } },
    { signatureOptions: { ...STANDARD_OPTIONS, 'wechatpay-v3': { mchid: '1900000109' } } },
  ],
  ['a digest of the body beside it', { headers: [['Content-Digest', `sha-256=:${createHash('sha256').update(BODY).digest('base64')}:`]] }],
];
for (const [why, draft, merchant] of accepted) {
  test(`accepted: ${why}`, () => {
    const bytes = draft.request?.body instanceof Buffer ? draft.request.body : undefined;
    const text = Buffer.concat([Buffer.from(`POST\n${TARGET}\n${NOW}\n${NONCE}\n`), bytes ?? Buffer.alloc(0), Buffer.from('\n')]);
    const made = bytes ? { ...draft, parts: { signature: rsaSign(text) } } : draft;
    assert.equal(verify(made, undefined, merchant).scheme, 'wechatpay-v3');
  });
}

const good = (body = BODY): string => textOf('POST', TARGET, String(NOW), NONCE, body);
const refused: readonly (readonly [why: string, code: ErrorCode, draft: Draft])[] = [
  ['D1: no signature', 'SIGNATURE_INVALID', { authorization: ({ signature, ...rest }) => quoted(rest) }],
  ['D1: two Authorization lines', 'SIGNATURE_INVALID', { headers: [['authorization', 'WECHATPAY2-SHA256-RSA2048 x']] }],
  ['D1: two Authorization lines, one of another kind', 'SIGNATURE_INVALID', { headers: [['authorization', 'Bearer x']] }],
  ['a name twice', 'SIGNATURE_INVALID', { authorization: (all) => `${quoted(all)},mchid="${MERCHANT}"` }],
  ['a name that is not known', 'SIGNATURE_INVALID', { authorization: (all) => quoted({ ...all, extra: 'x' }) }],
  ['a trailing comma', 'SIGNATURE_INVALID', { authorization: (all) => `${quoted(all)},` }],
  ['no quotes', 'SIGNATURE_INVALID', { authorization: (all) => quoted(all).replaceAll('"', '') }],
  ['16,000 commas', 'SIGNATURE_INVALID', { authorization: () => `WECHATPAY2-SHA256-RSA2048 ${','.repeat(16_000)}` }],
  [
    'D2: another algorithm in the name',
    'SIGNATURE_INVALID',
    { authorization: (all) => quoted(all).replace('SHA256-RSA2048', 'SM2-WITH-SM3') },
  ],
  ['D2: the name in lower case', 'SIGNATURE_INVALID', { authorization: (all) => quoted(all).replace('WECHATPAY2', 'wechatpay2') }],
  ['D2: SHA-1', 'SIGNATURE_MISMATCH', { parts: { signature: rsaSign(good(), 'sha1') } }],
  ['D3: method not as signed', 'SIGNATURE_MISMATCH', { text: good().replace('POST', 'PUT') }],
  ['D3, D6: path without its query', 'SIGNATURE_MISMATCH', { text: good().replace('?a=1', '') }],
  [
    'D6: an empty query',
    'SIGNATURE_MISMATCH',
    { request: { target: '/v1/orders?' }, text: textOf('POST', '/v1/orders', String(NOW), NONCE, BODY) },
  ],
  [
    'D6: %41 for A',
    'SIGNATURE_MISMATCH',
    { request: { target: '/v1/orders/%41' }, text: textOf('POST', '/v1/orders/A', String(NOW), NONCE, BODY) },
  ],
  [
    'D6: the query in another order',
    'SIGNATURE_MISMATCH',
    { request: { target: '/v1?b=2&a=1' }, text: textOf('POST', '/v1?a=1&b=2', String(NOW), NONCE, BODY) },
  ],
  ['D4: another body', 'SIGNATURE_MISMATCH', { text: good('{}') }],
  ['D4: the body in two parts of one text', 'SIGNATURE_MISMATCH', { text: good(`${BODY}\n`) }],
  [
    'D4: a digest of another body',
    'SIGNATURE_MISMATCH',
    { headers: [['Content-Digest', `sha-256=:${createHash('sha256').digest('base64')}:`]] },
  ],
  ['hole 1: a fresh time beside an older signed one', 'SIGNATURE_MISMATCH', { text: good().replace(String(NOW), String(NOW - 1000)) }],
  ['another nonce than was signed', 'SIGNATURE_MISMATCH', { text: good().replace(NONCE, NONCE.toLowerCase()) }],
  [
    'D8: another host',
    'HTTP_INVALID',
    {
      request: {
        headers: [
          ['Host', 'test.example'],
          ['Authorization', quoted({ mchid: 'x' })],
        ],
      },
    },
  ],
  ['E2: 301 s old', 'TIMESTAMP_SKEW', { parts: { timestamp: String(NOW - 301) } }],
  ['E2, hole 8: 301 s ahead', 'TIMESTAMP_SKEW', { parts: { timestamp: String(NOW + 301) } }],
  ['milliseconds', 'TIMESTAMP_SKEW', { parts: { timestamp: `${NOW}000` } }],
  ['a time with a leading zero', 'SIGNATURE_INVALID', { parts: { timestamp: `0${NOW}` } }],
  ['a nonce of 15', 'SIGNATURE_INVALID', { parts: { nonce_str: 'a'.repeat(15) } }],
  ['a nonce of 65', 'SIGNATURE_INVALID', { parts: { nonce_str: 'a'.repeat(65) } }],
  ['hole 7: a nonce with a line feed', 'SIGNATURE_INVALID', { parts: { nonce_str: `${'a'.repeat(20)}\nb` } }],
  ['D11: a serial number that nobody has', 'KEY_UNKNOWN', { parts: { serial_no: 'FF' } }],
  ['D11: a path for a serial number', 'KEY_UNKNOWN', { parts: { serial_no: '../../k' } }],
  ['D11: __proto__', 'KEY_UNKNOWN', { parts: { serial_no: '__proto__' } }],
  ['D11: 10 KB', 'KEY_UNKNOWN', { parts: { serial_no: 'A'.repeat(10_000) } }],
  ['the mchid of another merchant', 'MERCHANT_MISMATCH', { parts: { mchid: '800000000000002' } }],
  ['no mchid', 'MERCHANT_MISMATCH', { parts: { mchid: '' } }],
  ['hole 18: base64 with other trailing bits', 'SIGNATURE_INVALID', { parts: { signature: rsaSign(good()).replace(/.==$/, 'B==') } }],
  ['hole 18: base64 without padding', 'SIGNATURE_INVALID', { parts: { signature: rsaSign(good()).replace(/=+$/, '') } }],
  ['no signature bytes', 'SIGNATURE_MISMATCH', { parts: { signature: '' } }],
  ['what nobody signed: Idempotency-Key', 'SIGNATURE_COVERAGE', { headers: [['Idempotency-Key', 'mine']] }],
  ['what nobody signed: Range', 'SIGNATURE_COVERAGE', { headers: [['Range', 'bytes=0-1']] }],
  [
    'hole 14: Merchant-Number twice',
    'HTTP_INVALID',
    {
      headers: [
        ['Merchant-Number', MERCHANT],
        ['Merchant-Number', MERCHANT],
      ],
    },
  ],
];
for (const [why, code, draft] of refused) test(`refused ${code}: ${why}`, () => void assertRefused(code, () => verify(draft)));

const keys: readonly (readonly [why: string, code: ErrorCode, key: MerchantKey])[] = [
  ['D12: a retired key', 'KEY_UNKNOWN', rsaKey({ notAfterMs: 1 })],
  ['D12: a key of later', 'KEY_UNKNOWN', rsaKey({ notBeforeMs: 9e15, notAfterMs: 9e15 })],
  ['D11: a key of another merchant', 'KEY_UNKNOWN', rsaKey({ merchantNumbers: ['800000000000002'] })],
  ['D2: the record says PSS', 'SIGNATURE_INVALID', { ...rsaKey(), algorithm: 'rsa-pss-sha512' }],
  ['D2: the record says ECDSA', 'SIGNATURE_INVALID', keyOf('ecdsa-p256-sha256', { certificate: CERTIFICATE })],
  ['a key of two merchants, of whom none is signed', 'SIGNATURE_COVERAGE', rsaKey({ merchantNumbers: [MERCHANT, '800000000000002'] })],
];
for (const [why, code, key] of keys) test(`refused ${code}: ${why}`, () => void assertRefused(code, () => verify({}, [key])));

test('two merchants may have certificates of one serial number; each is asked for its own', () => {
  const other = rsaKey({ keyid: 'other', merchantNumbers: ['800000000000002'], publicKey: keyOf('ecdsa-p256-sha256').publicKey });
  assert.equal(verify({}, [other, rsaKey()]).key.keyid, 'key-rsa-v1_5-sha256');
});

test('a scheme that is not enabled, and two schemes at once, each have a refusal of their own', () => {
  const { code, options } = refusalOf(() => verify({}, undefined, { signatures: new Set(['rfc9421', 'alipay-v3'] as const) }));
  assert.deepEqual([code, options.members], ['SIGNATURE_SCHEME', { scheme: 'wechatpay-v3', enabled: ['rfc9421', 'alipay-v3'] }]);
  assertRefused('SIGNATURE_AMBIGUOUS', () => verify({ headers: [['Signature', 'sig1=:AAAA:']] }));
  const disabled = { signatures: new Set(['wechatpay-v3'] as const) };
  assertRefused('SIGNATURE_AMBIGUOUS', () => verify({ headers: [['Signature-Input', 'hufu=("@method")']] }, undefined, disabled));
});

test('no single changed byte of what is signed is accepted', () => {
  fc.assert(
    fc.property(fc.nat(BODY.length - 1), fc.integer({ min: 1, max: 255 }), (at, difference) => {
      const body = Buffer.from(BODY);
      body[at] = (body[at] as number) ^ difference;
      const made = make();
      assertRefused('SIGNATURE_MISMATCH', () => verifySignature(routedOf({ ...made, body }), findIn([rsaKey()])));
    }),
    { numRuns: 50 },
  );
});
