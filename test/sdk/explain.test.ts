import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { WireRequest } from '../../src/sdk/answer.ts';
import { explainAnswer, explainRequest } from '../../src/sdk/explain.ts';
import { type Draft, draft, KEY_PAIRS, make, NOW, NOW_MS, POST_HEADERS, paramsText } from '../signature/request-maker.ts';
import { expect, makeAnswer, makeRequest } from './answer-maker.ts';

const KEY = { publicKey: KEY_PAIRS['ecdsa-p256-sha256'].publicKey, algorithm: 'ecdsa-p256-sha256' } as const;
const explain = (request: WireRequest) => explainRequest(request, { key: KEY, nowMs: NOW_MS });

test('a good request has no problems, and its whole base is shown', () => {
  const request = makeRequest('/v1/orders', '{"a":1}');
  const { problems, base, components, digest } = explain(request);
  assert.deepEqual(problems, []);
  assert.match(base ?? '', /^"@method": POST\n"@target-uri": https:\/\/gateway\.example\/v1\/orders\n/);
  assert.deepEqual(components[0], { identifier: '"@method"', value: 'POST' });
  assert.deepEqual([digest.claimed, digest.bodyBytes], [digest.computed, 7]);
});

describe('what is wrong with a request is named', () => {
  const params = (changes: Readonly<Record<string, string | undefined>>) => draft({ params: paramsText(changes) });
  const derOf = (signature: Buffer): Buffer =>
    Buffer.concat([Buffer.from([0x30, 0x44, 0x02, 0x20]), signature.subarray(0, 32), Buffer.from([0x02, 0x20]), signature.subarray(32)]);
  const plain = draft();
  const cases: readonly [made: Draft, arrives: Parameters<typeof make>[1], problem: RegExp][] = [
    [plain, { body: `${plain.body}\n` }, /the body: The body was sent with a line end/],
    [
      plain,
      { body: '{ "orderNo": "A1", "amountFen": 100, "currency": "CNY" }' },
      /the same JSON as the one that was signed, but serialised anew/,
    ],
    [plain, { body: 'other' }, /the body: Content-Digest is that of another body/],
    [plain, { headers: POST_HEADERS.filter(([name]) => name !== 'Content-Digest') }, /covers what is not in the request: "content-digest"/],
    [plain, { target: '/v1/orders' }, /^the signature does not verify with this key \(ecdsa-p256-sha256\)$/],
    [draft({ sign: (base) => draft().sign(`${base}\n`) }), {}, /ends with one line feed too many/],
    [draft({ sign: (base) => derOf(draft().sign(base)) }), {}, /DER-encoded/],
    [draft({ sign: (base) => Buffer.from(draft().sign(base).toString('hex')) }), {}, /hexadecimal/],
    [params({ created: `${NOW_MS}` }), {}, /The time is in milliseconds/],
    [params({ created: `${NOW - 301}` }), {}, /created is 301 s from now/],
    [params({ created: undefined }), {}, /created is missing/],
    [params({ expires: `${NOW}` }), {}, /expires has passed/],
    [params({ nonce: '"short"' }), {}, /nonce must be 22 to 64/],
    [params({ keyid: undefined }), {}, /keyid is missing/],
    [params({ tag: undefined }), {}, /tag must be "hufu-request"/],
    [
      draft({ components: ['"@method"', '"@target-uri"'] }),
      {},
      /does not cover "content-digest" "content-type" "merchant-number" "idempotency-key"/,
    ],
    [draft({ components: [...plain.components, '"@method"'] }), {}, /covers twice: "@method"/],
    [draft({ fields: () => [] }), {}, /not exactly one readable signature/],
  ];
  for (const [made, arrives, problem] of cases) {
    test(String(problem), () => {
      const { problems } = explain(make(made, arrives));
      assert.ok(
        problems.some((found) => problem.test(found)),
        problems.join('\n'),
      );
    });
  }
});

describe('an answer', () => {
  test('that verifies has no problems', async () => {
    const request = makeRequest();
    assert.deepEqual(explainAnswer(await makeAnswer(request), expect(request)).problems, []);
  });
  test('that does not is told everything that is wrong, not only the first', async () => {
    const request = makeRequest();
    const answer = await makeAnswer(request, { created: NOW - 999, thumbprint: 'other' });
    const { problems } = explainAnswer({ ...answer, body: Buffer.concat([answer.body, Buffer.from('\n')]) }, expect(request));
    assert.match(problems.join('|'), /more than 300 s.*Content-Digest does not match.*another certificate than ours.*sent with a line end/);
  });
  test('without a signature has only that problem', () => {
    const { problems, components } = explainAnswer({ status: 502, rawHeaders: [], body: Buffer.alloc(0) }, expect(makeRequest()));
    assert.equal(problems.length, 1);
    assert.deepEqual(components, []);
  });
});
