import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { signedIdempotencyKey } from '../../src/pipeline/signed-key.ts';
import type { Verified } from '../../src/protocol/messages.ts';
import { assertRefused } from '../signature/refused.ts';

const verifiedOf = (sources: readonly string[] | undefined, changes: object = {}): Verified =>
  ({
    scheme: 'wechatpay-v3',
    operation: { id: 'payments.create', idempotency: 'required', ...(sources && { idempotencyFrom: sources }) },
    pathParameters: { orderNo: 'A1' },
    ...changes,
  }) as unknown as Verified;

const cases: readonly (readonly [sources: readonly string[], value: unknown, key: string | undefined, why: string])[] = [
  [['path:orderNo'], undefined, 'payments.create/A1', 'a path parameter'],
  [['/orderNo'], { orderNo: 'B.1:x_y-z' }, 'payments.create/B.1:x_y-z', 'a value of the body'],
  [['path:orderNo', '/attempt'], { attempt: 2 }, 'payments.create/A1/2', 'two values, one a number'],
  [['/orderNo'], {}, undefined, 'a value that is not there'],
  [['/orderNo'], { orderNo: '' }, undefined, 'an empty value, which every order could have'],
  [['/orderNo'], { orderNo: 'A/1' }, undefined, 'a slash, which parts values'],
  [['/orderNo'], { orderNo: 'x'.repeat(256) }, undefined, 'more than 255 characters'],
  [['/orderNo'], { orderNo: true }, undefined, 'neither text nor a number'],
  [['/orderNo'], { orderNo: { a: 1 } }, undefined, 'an object'],
  [['/constructor/name'], { a: 1 }, undefined, 'what objects have of themselves'],
  [['path:__proto__'], {}, undefined, 'what objects have of themselves, in the path'],
];
for (const [sources, value, key, why] of cases) {
  test(`the key of ${sources.join(' and ')}: ${why}`, () => {
    const run = () => signedIdempotencyKey(verifiedOf(sources), value);
    if (key === undefined) assertRefused('IDEMPOTENCY_KEY_REQUIRED', run);
    else assert.equal(run(), key);
  });
}

test('an operation that names no values cannot be called in a scheme that signs no header, and sending it again is no use', () => {
  const { options } = assertRefused('IDEMPOTENCY_KEY_REQUIRED', () => signedIdempotencyKey(verifiedOf(undefined), {}));
  assert.equal(options.retry, 'never');
});

test('where the header is signed, or no key is needed, none is made', () => {
  assert.equal(signedIdempotencyKey(verifiedOf(['/orderNo'], { scheme: 'rfc9421' }), {}), undefined);
  assert.equal(signedIdempotencyKey(verifiedOf(undefined, { operation: { id: 'orders.get', idempotency: 'none' } }), undefined), undefined);
});

test('two orders never have one key, and none is a key that a header could hold', () => {
  const value = fc.stringMatching(/^[A-Za-z0-9._:-]{1,6}$/);
  const keyOf = (values: readonly string[]) =>
    signedIdempotencyKey(verifiedOf(values.map((_, index) => `/${index}`)), Object.fromEntries(values.entries())) as string;
  fc.assert(
    fc.property(fc.array(value, { minLength: 1, maxLength: 3 }), fc.array(value, { minLength: 1, maxLength: 3 }), (a, b) => {
      assert.equal(keyOf(a) === keyOf(b), a.join('/') === b.join('/'));
      assert.doesNotMatch(keyOf(a), /^[A-Za-z0-9._:-]{1,255}$/);
    }),
    { numRuns: 200 },
  );
});
