import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { SchemeName } from '../../../src/protocol/scheme-names.ts';
import type { AnswerSigner, SchemeAnswer } from '../../../src/signature/scheme.ts';
import { schemeOf } from '../../../src/signature/schemes.ts';
import { rsaSign, STANDARD_OPTIONS } from '../scheme-maker.ts';

const by: AnswerSigner = {
  signer: { keyid: 'k', algorithm: 'rsa-v1_5-sha256', sign: async (data) => Buffer.from(rsaSign(Buffer.from(data)), 'base64') },
  der: Buffer.alloc(0),
  serialNumber: '0A',
  alipaySerial: 'a',
};
const BODY = Buffer.from('{"a":"é"}');
const answerOf = (signer: AnswerSigner | undefined): SchemeAnswer => ({
  status: 200,
  contentType: 'application/json',
  requestId: 'r1',
  nonce: 'n',
  signatureOptions: STANDARD_OPTIONS,
  answerAlgorithm: 'ecdsa-p256-sha256',
  body: BODY,
  nowMs: 1_790_000_000_123,
  operationId: 'orders.create',
  dialect: 'alipay',
  findSigner: () => signer,
});

const forms: readonly (readonly [scheme: SchemeName, prefix: string, timestamp: string, serial: string])[] = [
  ['wechatpay-v3', 'Wechatpay-', '1790000000', '0A'],
  ['alipay-v3', 'alipay-', '1790000000123', 'a'],
];
for (const [scheme, prefix, timestamp, serial] of forms) {
  test(`an answer under ${scheme} is signed over time, nonce and body by a current RSA key, or has only our own signature`, async () => {
    const { signAnswer } = schemeOf(scheme);
    const headers = (await signAnswer?.(answerOf(by))) as string[];
    const headerOf = (name: string) => headers[headers.indexOf(`${prefix}${name}`) + 1] as string;
    const [time, nonce, signature] = prefix === 'alipay-' ? ['timestamp', 'nonce', 'signature'] : ['Timestamp', 'Nonce', 'Signature'];
    assert.equal(headerOf(time as string), timestamp);
    assert.equal(headerOf(signature as string), rsaSign(`${timestamp}\n${headerOf(nonce as string)}\n${BODY.toString()}\n`));
    assert.ok(headers.includes(serial));
    assert.deepEqual(await signAnswer?.(answerOf(undefined)), []);
  });
}

for (const scheme of ['jws', 'jws-obie', 'cms'] as const)
  test(`an answer under ${scheme} has only our own signature while no key for it is current`, async () => {
    assert.deepEqual(await schemeOf(scheme).signAnswer?.(answerOf(undefined)), []);
  });

test('an answer to a form of Alipay is wrapped with its signature, where a current RSA key can make one', async () => {
  const { wrapAnswer } = schemeOf('sorted-rsa2');
  const wrapped = { orders_create_response: { a: 'é' }, alipay_cert_sn: 'a', sign: rsaSign(BODY) };
  assert.deepEqual(JSON.parse(String(await wrapAnswer?.(answerOf(by)))), wrapped);
  const others = [
    ['an encrypted answer', 'application/jose', 'ey.a.b.c.d'],
    ['an answer of nothing', 'application/json', ''],
  ] as const;
  for (const [why, contentType, text] of others) {
    const answer = String(await wrapAnswer?.({ ...answerOf(by), contentType, body: Buffer.from(text) }));
    const sign = rsaSign(JSON.stringify(text));
    assert.deepEqual(JSON.parse(answer), { orders_create_response: text, alipay_cert_sn: 'a', sign }, why);
  }
  assert.equal(await wrapAnswer?.(answerOf(undefined)), undefined);
  assert.equal(await wrapAnswer?.({ ...answerOf(by), dialect: 'unionpay' }), undefined, 'whose answers are forms');
});
