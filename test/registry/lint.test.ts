import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { LimitRule, TotalRule } from '../../src/protocol/merchant.ts';
import type { Operation } from '../../src/protocol/operation.ts';
import { findUnlimited } from '../../src/registry/lint.ts';

const NOW = Date.parse('2026-11-03T04:00:00Z');
const [SOON, LATER] = [NOW + 1_000, NOW + 2_000];
const total = (changes: Partial<TotalRule> = {}): LimitRule => ({
  kind: 'total',
  name: 'daily',
  of: 'amount',
  per: 'day',
  scope: 'merchant',
  operations: [],
  currency: 'CNY',
  max: 100,
  ...changes,
});
const operation = (changes: Partial<Operation> = {}) => ({ id: 'payments.create', limits: 'totals', ...changes }) as Operation;
const WITH_PAYER = operation({ payer: '/payer' });

const cases: readonly (readonly [rules: readonly LimitRule[], isBounded: boolean, why: string, of?: Operation])[] = [
  [[total()], true, 'a total for good'],
  [[], false, 'nothing'],
  [[total({ shadow: true })], false, 'a trial'],
  [[total({ notAfterMs: LATER })], false, 'one that ends'],
  [[total({ notBeforeMs: SOON })], false, 'one that has not begun'],
  [[total({ notBeforeMs: NOW })], true, 'one that begins now'],
  [[total({ notAfterMs: SOON }), total({ notBeforeMs: SOON })], true, 'a change that ends, and the plan from then on'],
  [[total({ notBeforeMs: SOON }), total({ notAfterMs: SOON })], true, 'the same in another order'],
  [[total({ notAfterMs: SOON }), total({ notBeforeMs: LATER })], false, 'a gap between two'],
  [[total({ shadow: true, notAfterMs: SOON }), total({ notBeforeMs: SOON })], false, 'put on trial for a while by an exception'],
  [[total({ shadow: true, notAfterMs: SOON }), total({ notBeforeMs: SOON }), total({ per: 'month' })], true, 'beside another that counts'],
  [[total({ scope: 'payer' })], false, 'a bound for each payer where requests name none'],
  [[total({ scope: 'merchant+payer' })], true, 'a bound for each payer where requests name one', WITH_PAYER],
  [[total({ operations: ['refunds.create'] })], false, 'a bound of another operation'],
];
for (const [rules, isBounded, why, of = operation()] of cases) {
  test(`whether something bounds a payment at every moment from now on: ${why}`, () => {
    assert.deepEqual(findUnlimited({ rules }, [of], NOW), isBounded ? [] : [of]);
  });
}
