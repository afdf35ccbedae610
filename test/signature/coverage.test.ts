import assert from 'node:assert/strict';
import { test } from 'node:test';
import { verifySignature } from '../../src/signature/verify.ts';
import { assertRefused } from './refused.ts';
import { draft, getDraft, type Header, HOST, keyOf, MERCHANT, make, optionsFor, POST_HEADERS, paramsText } from './request-maker.ts';

const OPTIONS = optionsFor([keyOf('ecdsa-p256-sha256')]);

/** D3, hole 5: each request is correctly signed over everything but one thing, which was sent all the same. */
const posted = draft({ headers: [...POST_HEADERS, ['Range', 'bytes=0-9']], components: [...draft().components, '"range"'] });
const asked = getDraft({
  headers: [
    ['Host', HOST],
    ['Merchant-Number', MERCHANT],
  ],
  components: ['"@method"', '"@target-uri"', '"merchant-number"'],
});

for (const [kind, whole] of [
  ['POST', posted],
  ['GET', asked],
] as const) {
  test(`${kind}: the whole coverage is accepted`, () => assert.ok(verifySignature(make(whole), OPTIONS)));
  for (const component of whole.components) {
    test(`${kind}: coverage lacks ${component}`, () => {
      const made = { ...whole, components: whole.components.filter((other) => other !== component) };
      const refusal = assertRefused('SIGNATURE_COVERAGE', () => verifySignature(make(made), OPTIONS));
      assert.deepEqual(refusal.options.members, { component: component.slice(1, -1) });
    });
  }
}

test('path and query apart do not replace @target-uri', () => {
  const components = ['"@method"', '"@scheme"', '"@authority"', '"@path"', '"@query"', ...draft().components.slice(2)];
  assertRefused('SIGNATURE_COVERAGE', () => verifySignature(make(draft({ components })), OPTIONS));
});

test('hole 5: a signature over the date alone authenticates nothing', () => {
  const headers: Header[] = [...POST_HEADERS, ['Date', 'Tue, 20 Apr 2021 02:07:55 GMT']];
  assertRefused('SIGNATURE_COVERAGE', () => verifySignature(make(draft({ headers, components: ['"date"'] })), OPTIONS));
  assertRefused('SIGNATURE_COVERAGE', () => verifySignature(make(draft({ components: [] })), OPTIONS));
});

for (const name of ['created', 'nonce', 'keyid']) {
  test(`the signature lacks the parameter ${name}`, () => {
    assertRefused('SIGNATURE_INVALID', () => verifySignature(make(draft({ params: paramsText({ [name]: undefined }) })), OPTIONS));
  });
}

test('a header with an empty value still must be covered', () => {
  const headers: Header[] = [...POST_HEADERS, ['Range', '']];
  assertRefused('SIGNATURE_COVERAGE', () => verifySignature(make(draft({ headers })), OPTIONS));
});
