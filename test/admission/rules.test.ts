import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Request, shadowedBy, stepsOf } from '../../src/admission/rules.ts';
import type { AmountRule, LimitRule, RateRule, TotalRule } from '../../src/protocol/merchant.ts';

const NOW = Date.parse('2026-11-03T04:00:00Z');
const MIDNIGHT = Date.parse('2026-11-03T16:00:00Z');
const MONTH_END = Date.parse('2026-11-30T16:00:00Z');
const PAY: Request = {
  operation: { id: 'payments.create', limits: 'totals' },
  amountFen: 100,
  currency: 'CNY',
  address: '192.0.2.1',
  payer: () => undefined,
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
  const { rates, concurrency: running, totals, barred } = stepsOf(rules, PAY);
  assert.deepEqual([rates, running, totals, barred], [[], [], [], undefined]);
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
    assert.deepEqual(steps.barred && { rule: steps.barred.rule, ...steps.barred.members }, problem && { rule: 'single', ...problem });
    assert.equal(steps.totals.length, count);
  });
}

test('an amount in a currency without a limit is refused, never unlimited', () => {
  const steps = stepsOf([total(), amount()], { ...PAY, currency: 'USD' });
  assert.equal(steps.barred?.members?.limit, 0);
  assert.match(steps.barred?.detail ?? '', /currency/);
  assert.deepEqual(steps.totals, []);
});

test('what is not whole fen is refused, whatever let it in', () => {
  for (const amountFen of [0.5, -1, Number.NaN, 2 ** 53, -0, undefined]) {
    const { amountFen: _, ...rest } = PAY;
    const steps = stepsOf([amount()], { ...rest, ...(amountFen === undefined ? {} : { amountFen }) });
    assert.equal(steps.barred?.members?.limit, 0, String(amountFen));
  }
});

test('an operation reserves only what its limits say', () => {
  const rules = [total(), amount({ maxFen: 10 })];
  const single = stepsOf(rules, { ...PAY, operation: { id: 'orders.create', limits: 'single' } });
  assert.deepEqual([single.totals.length, single.barred?.members?.limit], [0, 10]);
  const none = stepsOf(rules, { ...PAY, operation: { id: 'orders.close', limits: 'none' } });
  assert.deepEqual([none.totals.length, none.barred], [0, undefined]);
});

const PAYER: Request = { ...PAY, operation: { ...PAY.operation, payer: '/payer' }, payer: () => 'p1' };

/** scope, and the counter of a rate rule for this request: those of all merchants are marked. */
const SCOPED = [
  ['merchant', 'rate:1000:merchant:*', 'all of the merchant'],
  ['merchant+operation', 'rate:1000:operation=payments.create:*', 'one operation of the merchant'],
  ['merchant+payer', 'rate:1000:payer=p1:*', 'one payer at the merchant'],
  ['operation', '~rate:1000:operation=payments.create:*', 'one operation, whoever calls it'],
  ['payer', '~rate:1000:payer=p1:*', 'one payer, wherever he pays'],
  ['address', '~rate:1000:address=192.0.2.1:*', 'one address, whoever comes from it'],
  ['platform', '~rate:1000:platform:*', 'everything'],
] as const;

for (const [scope, counter, why] of SCOPED)
  test(`scope ${scope}: ${why}`, () => {
    assert.deepEqual(
      stepsOf([rate({ scope })], PAYER).rates.map((step) => step.counter),
      [counter],
    );
  });

test('rules that share all but their payer have one counter for each payer, also when asked in turn', () => {
  const rules = [total({ scope: 'payer' })];
  const counterFor = (payer: string) => stepsOf(rules, { ...PAYER, payer: () => payer }).totals[0]?.counter;
  assert.deepEqual(
    [counterFor('a'), counterFor('b'), counterFor('a')],
    ['a', 'b', 'a'].map((payer) => `~total:amount:day:2026-11-03:CNY:payer=${payer}:*`),
  );
});

test('a limit by payer that is on trial refuses nobody and counts nobody where the request names no payer', () => {
  const trials: LimitRule[] = [
    total({ scope: 'payer', max: 1, shadow: true }),
    rate({ scope: 'merchant+payer', shadow: true }),
    { ...concurrency(1), scope: 'payer', shadow: true } as LimitRule,
  ];
  const steps = stepsOf([total(), ...trials], { ...PAYER, payer: () => undefined });
  assert.deepEqual([steps.barred, steps.rates, steps.concurrency], [undefined, [], []]);
  assert.deepEqual([steps.totals.length, steps.totalRules], [1, [{ rule: 'daily' }]]);
  const both = stepsOf([total({ scope: 'payer' }), ...trials], { ...PAYER, payer: () => undefined });
  assert.match(both.barred?.detail ?? '', /payer/, 'beside one in force');
});

test('a limit by payer refuses a request that names none, and does not speak of operations that have none', () => {
  const rules = [total(), total({ scope: 'payer', max: 1 })];
  assert.match(stepsOf(rules, { ...PAYER, payer: () => undefined }).barred?.detail ?? '', /payer/);
  assert.deepEqual(
    stepsOf(rules, PAY).totals.map(({ counter }) => counter),
    ['total:amount:day:2026-11-03:CNY:merchant:*'],
  );
});

test('weeks begin on Monday, years on the first of January', () => {
  const { totals } = stepsOf([total({ per: 'week' }), total({ per: 'year' })], PAY);
  assert.deepEqual(
    totals.map(({ counter, windowEndsMs, code }) => [counter, new Date(windowEndsMs).toISOString(), code]),
    [
      ['total:amount:week:2026-W45:CNY:merchant:*', '2026-11-08T16:00:00.000Z', 'LIMIT_WEEKLY_AMOUNT'],
      ['total:amount:year:2026:CNY:merchant:*', '2026-12-31T16:00:00.000Z', 'LIMIT_YEARLY_AMOUNT'],
    ],
  );
});

test('a request may cost more than one of a rate, out of the same burst', () => {
  const rules = [rate({ costs: { 'payments.create': 5 } })];
  assert.deepEqual(stepsOf(rules, PAY).rates, [{ counter: 'rate:1000:merchant:*', incrementUs: 50_000, toleranceUs: 1_000_000 }]);
  assert.equal(stepsOf(rules, { ...PAY, operation: { id: 'orders.get', limits: 'none' } }).rates[0]?.incrementUs, 10_000);
});

test('rules on trial refuse nothing: they stand beside the bound of the same counter, or alone', () => {
  const shadow = true as const;
  const steps = stepsOf(
    [
      total(),
      total({ name: 'trial', max: 50, shadow }),
      total({ name: 'alone', of: 'count', max: 7, shadow }),
      rate({ shadow, name: 'slow', allow: 1, burst: 1 }),
      rate(),
      amount({ name: 'small', maxFen: 99, shadow }),
      { ...concurrency(3), shadow },
    ],
    PAY,
  );
  assert.deepEqual(
    steps.totals.map(({ max, shadowMax }) => [max, shadowMax]),
    [
      [10_000_000, 50],
      [Number.MAX_SAFE_INTEGER, 7],
    ],
  );
  assert.deepEqual(steps.totalRules, [{ rule: 'daily', shadowRule: 'trial' }, { shadowRule: 'alone' }]);
  assert.deepEqual(
    steps.rates.map(({ counter, shadow }) => [counter, shadow]),
    [
      ['trial:1000:merchant:*', true],
      ['rate:1000:merchant:*', undefined],
    ],
    'what a rate on trial takes is not owed by the other',
  );
  assert.deepEqual(steps.concurrency, [{ counter: 'concurrency:merchant:*', max: Number.MAX_SAFE_INTEGER, shadowMax: 3 }]);
  assert.deepEqual([steps.barred, steps.shadowed], [undefined, ['small']]);
  const exceeded = { concurrency: [0], totals: [1] };
  const rates = [
    { conforms: false, remaining: 0, retryAfterMs: 1 },
    { conforms: true, remaining: 1, retryAfterMs: 0 },
  ];
  assert.deepEqual(shadowedBy(steps, { kind: 'admitted', rates, exceeded }), ['slow', 'running', 'alone', 'small']);
});

test('only rules on trial bound no money: as without any rule', () => {
  assert.equal(stepsOf([amount({ shadow: true })], { ...PAY, currency: 'USD' }).barred, undefined);
});

/** notBefore, notAfter relative to now, ms: whether the rule counts. */
const DATES = [
  [undefined, undefined, true, 'always'],
  [0, undefined, true, 'from this very moment'],
  [1, undefined, false, 'a millisecond later'],
  [undefined, 1, true, 'for one more millisecond'],
  [undefined, 0, false, 'until this very moment, which is out'],
  [-2, -1, false, 'over'],
] as const;
for (const [from, until, counts, why] of DATES)
  test(`validity of a rule: ${why}`, () => {
    const dates = { ...(from !== undefined && { notBeforeMs: NOW + from }), ...(until !== undefined && { notAfterMs: NOW + until }) };
    assert.equal(stepsOf([total(dates)], PAY).totals.length, counts ? 1 : 0);
  });

test('rules made once are made anew when a window, a rule or the clock moves on', () => {
  const rules = [total(), total({ name: 'less', max: 5, notAfterMs: NOW + 10 })];
  const at = (nowMs: number) => stepsOf(rules, { ...PAY, nowMs }).totals.map(({ counter, max }) => `${counter.split(':')[3]} ${max}`);
  assert.deepEqual(at(NOW), ['2026-11-03 5']);
  assert.deepEqual(at(NOW + 10), ['2026-11-03 10000000']);
  assert.deepEqual(at(MIDNIGHT), ['2026-11-04 10000000']);
  assert.deepEqual(at(MIDNIGHT - 1), ['2026-11-03 10000000'], 'the clock went back');
  assert.deepEqual(at(NOW + 9), ['2026-11-03 5']);
});
