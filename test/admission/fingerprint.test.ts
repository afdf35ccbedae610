import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { fingerprintOf } from '../../src/admission/fingerprint.ts';
import { derivedKeyOf, keyHashOf } from '../../src/admission/key-hash.ts';
import type { Opened } from '../../src/protocol/messages.ts';
import { PAY, paymentOf } from './requests.ts';

const KEY = Buffer.alloc(32, 7);
const first = paymentOf();

const CHANGES: readonly (readonly [string, Partial<Opened>, boolean])[] = [
  ['a retry has a fresh nonce', { nonce: 'another' }, true],
  ['... and is signed at another time', { createdAtSeconds: 99, receivedAtMs: 99, signature: Buffer.from('x'), signatureBase: 'x' }, true],
  ['... by another connection and key', { address: '::1', requestId: 'r', peer: { ...first.peer, thumbprint: 'x' } }, true],
  ['headers that decide nothing', { rawHeaders: ['User-Agent', 'x', 'content-type', 'application/json'] }, true],
  ['another body', { body: Buffer.from('{"amountFen":101}') }, false],
  ['the same JSON, other bytes', { body: Buffer.from(`${first.body.toString()} `) }, false],
  ['another path', { target: '/v1/orders/A-2/payments' }, false],
  ['another query', { target: '/v1/orders/A-1/payments?' }, false],
  ['another method', { method: 'PUT' }, false],
  ['another operation', { operation: { ...PAY, id: 'payments.other' } }, false],
  ['another content type', { rawHeaders: ['Content-Type', 'application/json; charset=utf-8'] }, false],
  ['no content type', { rawHeaders: [] }, false],
  ['another merchant', { merchant: { ...first.merchant, number: '800000000000002' } }, false],
];

for (const [why, changes, same] of CHANGES) {
  test(`fingerprint: ${why}: ${same ? 'the same request' : 'another request'}`, () => {
    assert.equal(fingerprintOf(KEY, { ...first, ...changes }) === fingerprintOf(KEY, first), same);
  });
}

test('fingerprint: needs the key, so that a store does not tell bodies that can be guessed', () => {
  assert.notEqual(fingerprintOf(KEY, first), fingerprintOf(Buffer.alloc(32, 8), first));
  assert.match(fingerprintOf(KEY, first), /^[A-Za-z0-9_-]{43}$/);
});

test('fingerprint: bytes never move from one part to the next', () => {
  const text = fc.string({ unit: fc.constantFrom('a', '/', '\0', '\u0001'), maxLength: 4 });
  const parts = fc.record({ method: text, target: text, body: text.map((body) => Buffer.from(body)) });
  fc.assert(
    fc.property(parts, parts, (a, b) => {
      const equal = a.method === b.method && a.target === b.target && a.body.equals(b.body);
      assert.equal(fingerprintOf(KEY, { ...first, ...a }) === fingerprintOf(KEY, { ...first, ...b }), equal);
    }),
  );
});

test('key hash: of merchant and key alone; the key towards the core also of the operation', () => {
  const hash = keyHashOf('800000000000001', 'key');
  assert.match(hash, /^[A-Za-z0-9_-]{43}$/);
  assert.notEqual(keyHashOf('800000000000002', 'key'), hash);
  assert.notEqual(keyHashOf('800000000000001', 'KEY'), hash, 'case-sensitive');
  assert.notEqual(keyHashOf('80000000000000', '1key'), hash, 'length-prefixed');
  const derived = derivedKeyOf('800000000000001', 'payments.create', 'key');
  assert.match(derived, /^[A-Za-z0-9_-]{43}$/);
  assert.notEqual(derivedKeyOf('800000000000001', 'orders.create', 'key'), derived);
  assert.notEqual(derivedKeyOf('800000000000002', 'payments.create', 'key'), derived);
  // Fixed for ever: a core and a rebuilt gateway must find what was written under it. Computed by another program.
  assert.equal(derived, '6fxOOInYzJLXFMIJdv4naKw_olJ5w_aGLI1xAxSoOVU');
});
