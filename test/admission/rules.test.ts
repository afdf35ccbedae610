import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Request, stepsOf } from '../../src/admission/rules.ts';
import type { AmountRule, LimitRule, RateRule, TotalRule } from '../../src/protocol/merchant.ts';

const NOW = Date.parse('2026-11-03T04:00:00Z');
const MIDNIGHT = Date.parse('2026-11-03T16:00:00Z');
const MONTH_END = Date.parse('2026-11-30T16:00:00Z');
const PAY: Request = {
  operation: { id: 'payments.create', limits: 'totals' },
  amountFen: 100,
  currency: 'CNY',
  nowMs: NOW,
  timeZone: 'Asia/Shanghai',
};

const rate = (changes: Partial<RateRule> = {}): RateRule => ({
  kind: 'rate',
  name: 'requests',
  scope: 'merchant',
  operations: [],
  allow: 100,
  perMs: 1000,
  burst: 100,
  ...changes,
});
const total = (changes: Partial<TotalRule> = {}): TotalRule => ({
  kind: 'total',
  name: 'daily',
  of: 'amount',
  per: 'day',
  scope: 'merchant',
  operations: [],
  currency: 'CNY',
  max: 10_000_000,
  ...changes,
});
const amount = (changes: Partial<AmountRule> = {}): AmountRule => ({
  kind: 'amount',
  name: 'single',
  operations: [],
  currency: 'CNY',
  minFen: 1,
  maxFen: 5_000_000,
  ...changes,
});
const concurrency = (max: number, operations: readonly string[] = []): LimitRule => ({
  kind: 'concurrency',
  name: 'running',
  scope: 'merchant',
  operations,
  max,
});

test('totals: each kind and period has its counter, window, amount and code', () => {
  const rules = (['amount', 'count'] as const).flatMap((of) => (['day', 'month'] as const).map((per) => total({ of, per })));
  assert.deepEqual(stepsOf(rules, PAY).totals, [
    {
      counter: 'total:amount:day:2026-11-03:CNY:merchant:*',
      add: 100,
      windowEndsMs: MIDNIGHT,
      max: 10_000_000,
      code: 'LIMIT_DAILY_AMOUNT',
    },
    {
      counter: 'total:amount:month:2026-11:CNY:merchant:*',
      add: 100,
      windowEndsMs: MONTH_END,
      max: 10_000_000,
      code: 'LIMIT_MONTHLY_AMOUNT',
    },
    { counter: 'total:count:day:2026-11-03:CNY:merchant:*', add: 1, windowEndsMs: MIDNIGHT, max: 10_000_000, code: 'LIMIT_DAILY_COUNT' },
    { counter: 'total:count:month:2026-11:CNY:merchant:*', add: 1, windowEndsMs: MONTH_END, max: 10_000_000, code: 'LIMIT_MONTHLY_COUNT' },
  ]);
});

test('a counter is named by what it counts, not by its rule, nor by how the rule is written', () => {
  const counterOf = (rule: LimitRule, request = PAY) => stepsOf([rule], request).totals[0]?.counter;
  const counter = counterOf(total({ operations: ['payments.create', 'refunds.create'] }));
  assert.equal(counterOf(total({ name: 'renamed', max: 1, operations: ['refunds.create', 'payments.create'] })), counter);
  const others = [
    total(),
    total({ operations: ['payments.create'] }),
    total({ of: 'count', operations: ['payments.create', 'refunds.create'] }),
    total({ per: 'month', operations: ['payments.create', 'refunds.create'] }),
    total({ scope: 'merchant+operation', operations: ['payments.create', 'refunds.create'] }),
  ].map((rule) => counterOf(rule));
  assert.equal(new Set([counter, ...others]).size, 6, others.join('\n'));
  const own = total({ scope: 'merchant+operation' });
  const refund: Request = { ...PAY, operation: { id: 'refunds.create', limits: 'totals' } };
  assert.notEqual(counterOf(own), counterOf(own, refund));
  assert.equal(counterOf(total()), counterOf(total(), refund), 'the merchant as a whole');
});

test('two rules about one counter are asked once, as the stricter of them', () => {
  const { totals, concurrency: running } = stepsOf(
    [total({ max: 300 }), total({ name: 'less', max: 200 }), concurrency(5), concurrency(3)],
    PAY,
  );
  assert.deepEqual(
    totals.map(({ max }) => max),
    [200],
  );
  assert.deepEqual(running, [{ counter: 'concurrency:merchant:*', max: 3 }]);
  const { rates, rateRules } = stepsOf([rate(), rate({ name: 'slow', allow: 10, burst: 200 })], PAY);
  assert.deepEqual(rates, [{ counter: 'rate:1000:merchant:*', incrementUs: 100_000, toleranceUs: 10_000 * 100 }]);
  assert.deepEqual(
    rateRules.map(({ name }) => name),
    ['slow'],
  );
});

test('a rate is rounded against the merchant', () => {
  assert.deepEqual(stepsOf([rate({ allow: 3, burst: 2 })], PAY).rates, [
    { counter: 'rate:1000:merchant:*', incrementUs: 333_334, toleranceUs: 666_668 },
  ]);
  assert.deepEqual(stepsOf([rate({ allow: 600, perMs: 60_000, burst: 1 })], PAY).rates, [
    { counter: 'rate:60000:merchant:*', incrementUs: 100_000, toleranceUs: 100_000 },
  ]);
});

test('rules for other operations do not apply', () => {
  const rules = [rate({ operations: ['orders.get'] }), concurrency(1, ['orders.get']), total({ operations: ['orders.get'] })];
  assert.deepEqual(stepsOf(rules, PAY), { rates: [], rateRules: [], concurrency: [], totals: [] });
});

/** limits, amount, currency, extra rules: the problem, or undefined, and how many totals are asked. */
const AMOUNTS: readonly (readonly [string, Partial<Request>, readonly LimitRule[], object | undefined, number])[] = [
  ['equal to the least', { amountFen: 1 }, [amount()], undefined, 1],
  ['one fen less', { amountFen: 0 }, [amount()], { minFen: 1, limit: 5_000_000 }, 0],
  ['equal to the most', { amountFen: 5_000_000 }, [amount()], undefined, 1],
  ['one fen more', { amountFen: 5_000_001 }, [amount()], { minFen: 1, limit: 5_000_000 }, 0],
  ['the strictest of several rules', { amountFen: 200 }, [amount(), amount({ maxFen: 199 })], { minFen: 1, limit: 199 }, 0],
  ['only totals are set', { amountFen: 5_000_001 }, [], undefined, 1],
  ['a rule of another currency does not speak of it', { amountFen: 200 }, [amount({ currency: 'USD', maxFen: 1 })], undefined, 1],
];

for (const [why, changes, rules, problem, count] of AMOUNTS) {
  test(`amount of one request: ${why}`, () => {
    const steps = stepsOf([total(), ...rules], { ...PAY, ...changes });
    assert.deepEqual(steps.amountProblem, problem);
    assert.equal(steps.totals.length, count);
  });
}

test('an amount in a currency without a limit is refused, never unlimited', () => {
  const steps = stepsOf([total(), amount()], { ...PAY, currency: 'USD' });
  assert.equal(steps.amountProblem?.limit, 0);
  assert.match(steps.amountProblem?.detail ?? '', /currency/);
  assert.deepEqual(steps.totals, []);
});

test('what is not whole fen is refused, whatever let it in', () => {
  for (const amountFen of [0.5, -1, Number.NaN, 2 ** 53, -0, undefined]) {
    const { amountFen: _, ...rest } = PAY;
    const steps = stepsOf([amount()], { ...rest, ...(amountFen === undefined ? {} : { amountFen }) });
    assert.equal(steps.amountProblem?.limit, 0, String(amountFen));
  }
});

test('an operation reserves only what its limits say', () => {
  const rules = [total(), amount({ maxFen: 10 })];
  const single = stepsOf(rules, { ...PAY, operation: { id: 'orders.create', limits: 'single' } });
  assert.deepEqual([single.totals.length, single.amountProblem?.limit], [0, 10]);
  const none = stepsOf(rules, { ...PAY, operation: { id: 'orders.close', limits: 'none' } });
  assert.deepEqual([none.totals.length, none.amountProblem], [0, undefined]);
});
