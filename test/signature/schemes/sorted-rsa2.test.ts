import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import type { ErrorCode } from '../../../src/protocol/errors.ts';
import type { Merchant, MerchantKey } from '../../../src/protocol/merchant.ts';
import { verifySignature } from '../../../src/signature/verify.ts';
import { assertRefused } from '../refused.ts';
import { BODY, type Header, HOST, MERCHANT, NOW, NOW_MS } from '../request-maker.ts';
import { CERTIFICATE, findIn, type Request, routedOf, rsaKey, rsaSign, STANDARD_OPTIONS } from '../scheme-maker.ts';

/** Time of China, which is eight hours ahead. */
const china = (ms: number): string => new Date(ms + 28_800_000).toISOString().slice(0, 19).replace('T', ' ');
const digits = (ms: number): string => china(ms).replace(/[^0-9]/g, '');

type Values = Readonly<Record<string, string | undefined>>;
const ALIPAY: Values = {
  app_id: MERCHANT,
  method: 'orders.create',
  charset: 'utf-8',
  sign_type: 'RSA2',
  timestamp: china(NOW_MS),
  version: '1.0',
  biz_content: BODY,
};
const UNIONPAY: Values = {
  version: '5.1.0',
  encoding: 'UTF-8',
  signMethod: '01',
  certId: String(BigInt(`0x${CERTIFICATE.serialNumber}`)),
  merId: MERCHANT,
  txnTime: digits(NOW_MS),
  method: 'orders.create',
  orderNo: 'A1',
  amountFen: '100',
  currency: 'CNY',
  'payer.accountNo': '6200000000000001',
};

const sortedText = (values: Values): string =>
  Object.entries(values)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => `${name}=${value}`)
    .sort()
    .join('&');
const encode = (values: Values): string =>
  Object.entries(values)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => `${encodeURIComponent(name)}=${encodeURIComponent(value as string)}`)
    .join('&');
const signAlipay = (values: Values): string => rsaSign(sortedText(values));
const signUnionPay = (values: Values): string => rsaSign(createHash('sha256').update(sortedText(values)).digest('hex'));

const formOf = (body: string, changes: Partial<Request> = {}, headers: readonly Header[] = []): Request => ({
  method: 'POST',
  target: '/v1/orders',
  headers: [['Host', HOST], ['Content-Type', 'application/x-www-form-urlencoded; charset=UTF-8'], ...headers],
  body,
  operation: { id: 'orders.create', amount: '/amountFen' },
  ...changes,
});
const alipay = (changes: Values = {}): string => {
  const values = { ...ALIPAY, ...changes };
  return encode({ ...values, sign: signAlipay(values) });
};
const unionpay = (changes: Values = {}): string => {
  const values = { ...UNIONPAY, ...changes };
  return encode({ ...values, signature: signUnionPay(values) });
};
const verify = (request: Request, keys: readonly MerchantKey[] = [rsaKey()], merchant: Partial<Merchant> = {}) =>
  verifySignature(routedOf(request, merchant), findIn(keys));

test('a form of Alipay v2 is accepted with its facts; its content is biz_content, of which only a digest is kept', () => {
  const { scheme, dialect, nonce, createdAtSeconds, content, signatureBase } = verify(formOf(alipay()));
  const digest = createHash('sha256').update(sortedText(ALIPAY)).digest('base64url');
  assert.deepEqual([scheme, dialect, nonce, createdAtSeconds], ['sorted-rsa2', 'alipay', `sorted-rsa2:${digest}`, NOW]);
  assert.equal(content?.toString(), BODY);
  const kept = `sha-256=:${createHash('sha256').update(BODY).digest('base64')}:`;
  assert.equal(signatureBase, sortedText({ ...ALIPAY, biz_content: kept }));
});

test('a form of UnionPay is accepted; its content is made of the fields that are not the protocol\u2019s', () => {
  const { dialect, createdAtSeconds, content, signatureBase } = verify(formOf(unionpay()));
  assert.deepEqual([dialect, createdAtSeconds], ['unionpay', NOW]);
  const value = { orderNo: 'A1', amountFen: 100, currency: 'CNY', payer: { accountNo: '6200000000000001' } };
  assert.deepEqual(JSON.parse(String(content)), value);
  assert.ok(!signatureBase.includes('6200000000000001'));
});

test('the order in which fields are sent is not signed, and makes no other content of them: a retry stays the same request', () => {
  const sent = unionpay();
  const turned = sent.split('&').reverse().join('&');
  assert.notEqual(turned, sent);
  assert.deepEqual(verify(formOf(turned)).content, verify(formOf(sent)).content);
});

const amounts: readonly (readonly [text: string, value: unknown, why: string])[] = [
  ['0', 0, 'the least'],
  ['9007199254740991', 9007199254740991, 'the largest that is exact'],
  ['9007199254740993', '9007199254740993', 'one that would become its neighbour stays text'],
  ['0100', '0100', 'a second spelling'],
  ['1e2', '1e2', 'a second spelling'],
  ['-1', '-1', 'a sign'],
  ['１', '１', 'a digit that is not ASCII'],
];
for (const [text, value, why] of amounts) {
  test(`the amount ${text} of a form: ${why}`, () => {
    const { content } = verify(formOf(unionpay({ amountFen: text })));
    assert.equal((JSON.parse(String(content)) as { amountFen: unknown }).amountFen, value);
  });
}

const accepted: readonly (readonly [why: string, request: Request, merchant?: Partial<Merchant>])[] = [
  ['app_cert_sn names the key', formOf(alipay({ app_cert_sn: CERTIFICATE.alipaySerial }))],
  ['a blank as +', formOf(alipay().replaceAll('%20', '+'))],
  ['UTF-8 and a percent sign', formOf(alipay({ biz_content: '{"subject":"100% 龙井茶"}' }))],
  [
    'a path parameter repeated in its field',
    formOf(alipay({ orderNo: 'A1' }), { target: '/v1/orders/A1', pathParameters: { orderNo: 'A1' } }),
  ],
  ['... and in snake_case', formOf(alipay({ order_no: 'A1' }), { target: '/v1/orders/A1', pathParameters: { orderNo: 'A1' } })],
  [
    'an alias of the merchant',
    formOf(unionpay({ merId: '777290058110048' })),
    { signatureOptions: { ...STANDARD_OPTIONS, 'sorted-rsa2': { id: '777290058110048' } } },
  ],
  ['UnionPay without certId', formOf(unionpay({ certId: undefined }))],
  ['300 s old', formOf(alipay({ timestamp: china(NOW_MS - 300_000) }))],
  ['300 s ahead', formOf(unionpay({ txnTime: digits(NOW_MS + 300_000) }))],
];
for (const [why, request, merchant] of accepted)
  test(`accepted: ${why}`, () => assert.equal(verify(request, undefined, merchant).scheme, 'sorted-rsa2'));

const on = (pathParameters: Readonly<Record<string, string>>): Partial<Request> => ({ target: '/v1/orders/A1', pathParameters });
const resigned = (values: Values, signed: Values): string => encode({ ...values, sign: signAlipay(signed) });
const refused: readonly (readonly [why: string, code: ErrorCode, request: Request])[] = [
  ['D1: no signature', 'SIGNATURE_MISSING', formOf(encode(ALIPAY))],
  ['D1: an empty signature', 'SIGNATURE_INVALID', formOf(encode({ ...ALIPAY, sign: '' }))],
  ['D1: signatures of both dialects', 'SIGNATURE_INVALID', formOf(encode({ ...ALIPAY, sign: 'AAAA', signature: 'AAAA' }))],
  ['D2: sign_type RSA, which is SHA-1', 'SIGNATURE_INVALID', formOf(alipay({ sign_type: 'RSA' }))],
  ['D2: signMethod 11, which is a MAC', 'SIGNATURE_INVALID', formOf(unionpay({ signMethod: '11' }))],
  [
    'D2: UnionPay signed over the text, not its digest',
    'SIGNATURE_MISMATCH',
    formOf(encode({ ...UNIONPAY, signature: signAlipay(UNIONPAY) })),
  ],
  ['D2: Alipay signed over the digest', 'SIGNATURE_MISMATCH', formOf(encode({ ...ALIPAY, sign: signUnionPay(ALIPAY) }))],
  ['another charset', 'SIGNATURE_INVALID', formOf(alipay({ charset: 'GBK' }))],
  ['D3: another operation than is signed', 'SIGNATURE_COVERAGE', formOf(alipay({ method: 'payments.create' }))],
  ['D3: no operation', 'SIGNATURE_COVERAGE', formOf(unionpay({ method: undefined }))],
  ['D3: a path parameter that no field repeats', 'SIGNATURE_COVERAGE', formOf(alipay(), on({ orderNo: 'A1' }))],
  ['D3: another path parameter than is signed', 'SIGNATURE_COVERAGE', formOf(alipay({ orderNo: 'A2' }), on({ orderNo: 'A1' }))],
  [
    'D3: two fields of which one repeats it',
    'SIGNATURE_COVERAGE',
    formOf(alipay({ orderNo: 'A1', order_no: 'A2' }), on({ orderNo: 'A1' })),
  ],
  ['D3: a query, which nobody signed', 'SIGNATURE_COVERAGE', formOf(alipay(), { target: '/v1/orders?a=1' })],
  ['D4: another content', 'SIGNATURE_MISMATCH', formOf(resigned({ ...ALIPAY, biz_content: '{}' }, ALIPAY))],
  ['D4: one field more', 'SIGNATURE_INVALID', formOf(`${alipay()}&extra=1`)],
  ['D4: one field less', 'SIGNATURE_MISMATCH', formOf(resigned({ ...ALIPAY, version: undefined }, ALIPAY))],
  [
    'D8: another host',
    'HTTP_INVALID',
    formOf(alipay(), {
      headers: [
        ['Host', 'x'],
        ['Content-Type', 'application/x-www-form-urlencoded'],
      ],
    }),
  ],
  ['a field twice', 'SIGNATURE_INVALID', formOf(`${alipay()}&app_id=${MERCHANT}`)],
  ['a field twice, once encoded', 'SIGNATURE_INVALID', formOf(`${alipay()}&%61pp_id=${MERCHANT}`)],
  ['hole 7: & within a value', 'SIGNATURE_INVALID', formOf(alipay({ biz_content: '{"a":"x&y"}' }))],
  ['hole 7: = within a value', 'SIGNATURE_INVALID', formOf(alipay({ version: '1.0&method=x' }))],
  [
    'hole 7: two fields as one',
    'SIGNATURE_INVALID',
    formOf(resigned({ ...ALIPAY, charset: 'utf-8&method=orders.create', method: undefined }, ALIPAY)),
  ],
  ['an empty value, which some leave out of what they sign', 'SIGNATURE_INVALID', formOf(alipay({ version: '' }))],
  ['a field without a name', 'SIGNATURE_INVALID', formOf(`${alipay()}&=1`)],
  ['a field without =', 'SIGNATURE_INVALID', formOf(`${alipay()}&flag`)],
  ['__proto__ as a name', 'SIGNATURE_INVALID', formOf(unionpay({ __proto__x: '1', 'payer.__proto__': 'x' }))],
  ['constructor as a level', 'SIGNATURE_INVALID', formOf(unionpay({ 'constructor.prototype': 'x' }))],
  ['a name that is text and a level', 'SIGNATURE_INVALID', formOf(unionpay({ payer: 'x' }))],
  ['malformed percent-encoding', 'SIGNATURE_INVALID', formOf(`${alipay()}&a=%zz`)],
  ['bytes that are no UTF-8', 'SIGNATURE_INVALID', formOf(`${alipay()}&a=%ff`)],
  ['a raw line feed', 'SIGNATURE_INVALID', formOf(`${alipay()}\n`)],
  ['101 fields', 'SIGNATURE_INVALID', formOf(`${alipay()}${Array.from({ length: 101 }, (_, i) => `&f${i}=1`).join('')}`)],
  ['E2: 301 s old', 'TIMESTAMP_SKEW', formOf(alipay({ timestamp: china(NOW_MS - 301_000) }))],
  ['E2, hole 8: 301 s ahead', 'TIMESTAMP_SKEW', formOf(unionpay({ txnTime: digits(NOW_MS + 301_000) }))],
  ['the time of Greenwich', 'TIMESTAMP_SKEW', formOf(alipay({ timestamp: china(NOW_MS - 28_800_000) }))],
  ['a day that is in no calendar', 'SIGNATURE_INVALID', formOf(alipay({ timestamp: '2026-02-30 00:00:00' }))],
  ['no time', 'SIGNATURE_INVALID', formOf(unionpay({ txnTime: undefined }))],
  ['the app_id of another merchant', 'MERCHANT_MISMATCH', formOf(alipay({ app_id: '800000000000002' }))],
  ['no merId', 'MERCHANT_MISMATCH', formOf(unionpay({ merId: undefined }))],
  ['D11: an unknown certId', 'KEY_UNKNOWN', formOf(unionpay({ certId: '1' }))],
  ['D11: a path for certId', 'KEY_UNKNOWN', formOf(unionpay({ certId: '../k' }))],
  ['D11: an unknown app_cert_sn', 'KEY_UNKNOWN', formOf(alipay({ app_cert_sn: '__proto__' }))],
  ['hole 18: base64 without padding', 'SIGNATURE_INVALID', formOf(alipay().replace(/(%3D)+$/, ''))],
  ['a sign whose + was not encoded', 'SIGNATURE_INVALID', formOf(encode({ ...ALIPAY, sign: `AAA AAA${signAlipay(ALIPAY)}` }))],
  ['what nobody signed: Idempotency-Key', 'SIGNATURE_COVERAGE', formOf(alipay(), {}, [['Idempotency-Key', 'mine']])],
  [
    'what nobody signed: Merchant-Number twice',
    'HTTP_INVALID',
    formOf(alipay(), {}, [
      ['Merchant-Number', '1'],
      ['Merchant-Number', '2'],
    ]),
  ],
  ['two schemes at once', 'SIGNATURE_AMBIGUOUS', formOf(alipay(), {}, [['Authorization', 'WECHATPAY2-SHA256-RSA2048 x']])],
];
for (const [why, code, request] of refused) test(`refused ${code}: ${why}`, () => void assertRefused(code, () => verify(request)));

test('the same fields in any order of the wire are one message with one nonce', () => {
  const values = { ...ALIPAY, sign: signAlipay(ALIPAY) };
  const first = verify(formOf(encode(values))).nonce;
  assert.equal(verify(formOf(encode(Object.fromEntries(Object.entries(values).toReversed())))).nonce, first);
});

test('no two forms that differ in a field are signed as one text', () => {
  const word = fc.stringMatching(/^[a-z&=%]{1,4}$/);
  fc.assert(
    fc.property(
      fc.dictionary(fc.stringMatching(/^[a-z]{1,2}$/), word, { maxKeys: 3 }),
      fc.dictionary(fc.stringMatching(/^[a-z]{1,2}$/), word, { maxKeys: 3 }),
      (a, b) => {
        const [one, two] = [a, b].map((more) => ({ ...UNIONPAY, ...more }));
        const read = (values: Values) => verify(formOf(encode({ ...values, signature: signUnionPay(one as Values) })));
        try {
          read(one as Values);
          read(two as Values);
        } catch {
          return;
        }
        assert.deepEqual(two, one);
      },
    ),
    { numRuns: 60 },
  );
});
