import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { HTTP_ALGORITHM_NAMES } from '../../src/protocol/algorithms.ts';
import type { Routed } from '../../src/protocol/messages.ts';
import type { CallRequest, WireRequest } from '../../src/sdk/answer.ts';
import { createNonce } from '../../src/sdk/merchant.ts';
import { createRequestBuilder } from '../../src/sdk/request.ts';
import { signRequest } from '../../src/sdk/sign-request.ts';
import { verifySignature } from '../../src/signature/verify.ts';
import { freshNonce, HOST, keyOf, MERCHANT, NOW, optionsFor } from '../signature/request-maker.ts';
import { signingKeyOf } from './answer-maker.ts';

const build = createRequestBuilder(`https://${HOST}`, MERCHANT);
const OPTIONS = optionsFor(HTTP_ALGORITHM_NAMES.map((name) => keyOf(name)));
const MOMENT = { createdAtSeconds: NOW, nonce: 'abcdefghijklmnopqrstuv' };
const arrived = (request: WireRequest): Routed =>
  ({ ...request, merchant: { number: MERCHANT, signatures: new Set(['rfc9421']) } }) as unknown as Routed;
const headerOf = ({ rawHeaders }: WireRequest, name: string) => rawHeaders[rawHeaders.indexOf(name) + 1];

describe('what the SDK signs, the gateway verifies', () => {
  for (const algorithm of HTTP_ALGORITHM_NAMES) {
    test(algorithm, () => {
      const request = build({ method: 'POST', path: '/v1/orders?a=1', body: { orderNo: 'A1' }, idempotencyKey: 'k-1' });
      const { rawHeaders, base } = signRequest(request, signingKeyOf(algorithm), MOMENT);
      const verified = verifySignature(arrived({ ...request, rawHeaders }), OPTIONS);
      assert.equal(verified.signatureBase, base);
      assert.equal(verified.nonce, MOMENT.nonce);
    });
  }
  test('any request that can be built', () => {
    const requests = fc.record(
      {
        method: fc.constantFrom('POST', 'PUT', 'PATCH', 'DELETE'),
        path: fc.stringMatching(/^\/[!"$-~]{0,20}$/),
        body: fc.oneof(fc.jsonValue(), fc.uint8Array({ minLength: 1 }), fc.string({ minLength: 1, unit: 'grapheme' })),
        idempotencyKey: fc.stringMatching(/^[A-Za-z0-9._:-]{1,40}$/),
        headers: fc.dictionary(fc.stringMatching(/^x-[a-z0-9-]{1,8}$/), fc.stringMatching(/^[ -~]{0,12}$/), { maxKeys: 3 }),
      },
      { requiredKeys: ['method', 'path'] },
    );
    fc.assert(
      fc.property(requests, (made) => {
        const request = build(made as CallRequest);
        const { rawHeaders } = signRequest(request, signingKeyOf('ed25519'), { ...MOMENT, nonce: freshNonce() });
        verifySignature(arrived({ ...request, rawHeaders }), OPTIONS);
      }),
    );
  });
});

test('the signature base, to the letter', () => {
  const request = build({
    method: 'POST',
    path: '/v1/orders',
    body: '{"orderNo":"A1"}',
    idempotencyKey: 'k-1',
    headers: { Range: 'bytes=0-1' },
  });
  const { base } = signRequest(request, signingKeyOf('ecdsa-p256-sha256'), MOMENT);
  assert.equal(
    base,
    [
      '"@method": POST',
      `"@target-uri": https://${HOST}/v1/orders`,
      '"content-type": application/json',
      `"merchant-number": ${MERCHANT}`,
      '"idempotency-key": k-1',
      '"range": bytes=0-1',
      '"content-digest": sha-256=:s40rQwAy/TS0ZmtMSLpleZpwLytTOWjfn0qZVg6P3oU=:',
      '"@signature-params": ("@method" "@target-uri" "content-type" "merchant-number" "idempotency-key" "range" "content-digest")' +
        `;created=${NOW};nonce="abcdefghijklmnopqrstuv";keyid="key-ecdsa-p256-sha256";tag="hufu-request"`,
    ].join('\n'),
  );
});

describe('the body', () => {
  const cases: readonly [body: unknown, bytes: string, why: string][] = [
    [{ b: 1, a: '茶' }, '{"b":1,"a":"茶"}', 'a value is serialised once, in the order of its keys'],
    ['{ "a" : 1.0 }', '{ "a" : 1.0 }', 'text is sent as it is, never parsed and written again'],
    [Buffer.from([0xff, 0x00]), '\u{fffd}\0', 'bytes are sent as they are'],
    [null, 'null', 'null is JSON'],
    [undefined, '', 'nothing is no body'],
  ];
  for (const [body, bytes, why] of cases) {
    test(why, () => {
      const request = build({ method: 'POST', path: '/', body });
      assert.equal(request.body.toString('utf8'), bytes);
      assert.equal(headerOf(request, 'Content-Length'), String(request.body.length));
    });
  }
});

describe('what could not be signed faithfully is refused before anything is sent', () => {
  const good: CallRequest = { method: 'POST', path: '/v1/orders', body: {}, idempotencyKey: 'k' };
  const cases: readonly [change: Partial<CallRequest>, reason: RegExp][] = [
    [{ method: 'post' }, /capital letters/],
    [{ method: 'GET' }, /a GET has no body/],
    [{ path: 'v1' }, /must begin with/],
    [{ path: '/a#b' }, /without "#"/],
    [{ path: '/a b' }, /visible ASCII/],
    [{ path: '/订单' }, /visible ASCII/],
    [{ path: '/a\r\nX: y' }, /visible ASCII/],
    [{ idempotencyKey: '' }, /1 to 255/],
    [{ idempotencyKey: 'a b' }, /1 to 255/],
    [{ idempotencyKey: 'k'.repeat(256) }, /1 to 255/],
    [{ headers: { 'X-A': 'a\r\nX-B: b' } }, /not a header/],
    [{ headers: { 'X A': 'a' } }, /not a header/],
    [{ headers: { 'Content-Length': '1' } }, /written by the SDK/],
    [{ headers: { SIGNATURE: 'x' } }, /written by the SDK/],
    [{ headers: { 'Merchant-Number': '2' } }, /written by the SDK/],
    [{ body: () => 1 }, /neither bytes, text/],
  ];
  for (const [change, reason] of cases) {
    test(JSON.stringify(Object.values(change)), () => assert.throws(() => build({ ...good, ...change }), reason));
  }
  for (const [url, reason] of [
    ['http://localhost', /not an https address/],
    ['localhost:8443', /not an https address/],
    ['https://', /not an address/],
    ['https://localhost/v1', /without a path/],
    ['https://user@localhost', /without a path/],
  ] as const) {
    test(url, () => assert.throws(() => createRequestBuilder(url, undefined), reason));
  }
  test('Host is as the signature base has it', () => {
    const hosts = ['https://LOCALHOST:443', 'https://[::1]:8443'].map((url) =>
      headerOf(createRequestBuilder(url, undefined)(good), 'Host'),
    );
    assert.deepEqual(hosts, ['localhost', '[::1]:8443']);
  });
});

test('nonces are fresh, and long enough for the gateway', () => {
  const nonces = new Set(Array.from({ length: 1000 }, createNonce));
  assert.equal(nonces.size, 1000);
  for (const nonce of nonces) assert.match(nonce, /^[A-Za-z0-9_-]{22,64}$/);
});
