import assert from 'node:assert/strict';
import { cpSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import type { Pki } from '../support/pki.ts';
import { type Running, startHufu } from '../support/process.ts';
import { startRedis, type TestRedis } from '../support/redis.ts';
import { createOrder, GENEROUS, payOrder, type System, startSystem } from '../support/system.ts';

const OF_PAYMENTS = 'operations: [payments.create]';
const total = (of: string, per: string, max: number, scope = 'merchant') =>
  `{ kind: total, of: ${of}, per: ${per}, max: ${max}, scope: ${scope}, ${OF_PAYMENTS} }`;

type Row = readonly [rule: string, passing: readonly number[], refused: number, code: string, why: string];

/** Each rule is the only narrow one of its merchants. Payments go to two merchants in turn where the rule counts over all. */
const EDGES: readonly Row[] = [
  // rule                                                                      pass           refused  code
  [`{ kind: amount, minFen: 10, maxFen: 1000, ${OF_PAYMENTS} }`, [10, 1000], 1001, 'LIMIT_SINGLE', 'the largest at once'],
  [`{ kind: amount, minFen: 10, maxFen: 1000, ${OF_PAYMENTS} }`, [10], 9, 'LIMIT_SINGLE', 'the smallest at once'],
  [total('amount', 'day', 1000), [999, 1], 1, 'LIMIT_DAILY_AMOUNT', 'a day'],
  [total('amount', 'week', 1000), [400, 600], 1, 'LIMIT_WEEKLY_AMOUNT', 'a week'],
  [total('amount', 'month', 1000), [1000], 1, 'LIMIT_MONTHLY_AMOUNT', 'a month'],
  [total('amount', 'year', 1000), [1, 999], 1, 'LIMIT_YEARLY_AMOUNT', 'a year'],
  [total('count', 'day', 2), [1, 500], 1, 'LIMIT_DAILY_COUNT', 'so many a day'],
  [total('count', 'month', 1), [1], 1, 'LIMIT_MONTHLY_COUNT', 'so many a month'],
  [total('amount', 'day', 1000, 'merchant+operation'), [1000], 1, 'LIMIT_DAILY_AMOUNT', 'by operation'],
  [total('amount', 'day', 1000, 'merchant+payer'), [300, 700], 1, 'LIMIT_DAILY_AMOUNT', 'by payer, of one merchant'],
  [total('amount', 'month', 1000, 'payer'), [300, 700], 1, 'LIMIT_MONTHLY_AMOUNT', 'by payer, over two merchants'],
  [total('amount', 'week', 1000, 'platform'), [999, 1], 1, 'LIMIT_WEEKLY_AMOUNT', 'over all merchants'],
  [total('amount', 'day', 10, 'merchant'), Array.from({ length: 10 }, () => 1), 1, 'LIMIT_DAILY_AMOUNT', 'split into single fen (I13)'],
  [`{ kind: rate, allow: 3, perMs: 3600000, burst: 3, ${OF_PAYMENTS} }`, [1, 1, 1], 1, 'RATE_LIMITED', 'so many at once of a rate'],
];
const isShared = (rule: string) => /scope: (payer|platform)/.test(rule);
const numberOf = (row: number, second: boolean) => `8000000000${String(100 + 2 * row + Number(second)).padStart(5, '0')}`;

const NUMBERS = [...EDGES.keys(), EDGES.length].flatMap((row) => [numberOf(row, false), numberOf(row, true)]);

/** A plan for each row, and two merchants under it; one more with a bound on requests at once. */
async function addMerchants(folder: string, pki: Pki): Promise<void> {
  const rules = [...EDGES.map(([rule]) => rule), `{ kind: concurrency, max: 2, ${OF_PAYMENTS} }`];
  const plans = rules.map((rule, row) => `  edge-${row}:\n    rules:${GENEROUS}\n      edge: ${rule}\n`);
  writeFileSync(join(folder, 'plans.yaml'), `plans:\n  standard:\n    rules:${GENEROUS}\n${plans.join('')}`);
  for (const [row] of rules.entries()) {
    for (const second of [false, true]) {
      const number = numberOf(row, second);
      const { certificate, key } = await pki.issueMerchant({ number });
      for (const [from, end] of [
        [certificate, 'crt'],
        [key, 'key'],
      ] as const)
        cpSync(from, join(pki.directory, 'merchants', `${number}.${end}`));
      const lines = [
        `number: '${number}'`,
        'name: Edge',
        `names: [{ certificate: ${certificate} }]`,
        `keys: [{ certificate: ${certificate} }]`,
      ];
      writeFileSync(join(folder, 'merchants', `${number}.yaml`), `${[...lines, `plan: edge-${row}`].join('\n')}\n`);
    }
  }
}

for (const store of ['sqlite', 'redis'] as const)
  describe(`exactly at the edge of every kind of rule passes, one more does not (I2), ${store}`, { timeout: 120_000 }, () => {
    let redis: TestRedis | undefined;
    let system: System;
    let core: Running | undefined;
    before(async () => {
      redis = store === 'redis' ? await startRedis() : undefined;
      system = await startSystem({ configure: addMerchants, ...(redis ? { store: redis.url } : {}) });
      await system.core.kill();
      core = await startHufu(
        ['core', '--profile', 'development', '--faults', ...NUMBERS.flatMap((number) => ['--merchant', number])],
        system.environment,
      );
    });
    after(async () => {
      await core?.end('SIGKILL');
      await system?.dispose();
      await redis?.dispose();
    });

    for (const [row, [rule, passing, refused, code, why]] of EDGES.entries())
      test(`${why}: ${rule}`, async () => {
        const merchants = [system.merchant(numberOf(row, false)), system.merchant(numberOf(row, isShared(rule)))] as const;
        for (const [i, amountFen] of [...passing, refused].entries()) {
          const merchant = merchants[(i % 2) as 0 | 1];
          const answer = await payOrder(merchant, await createOrder(merchant, amountFen), amountFen);
          if (i < passing.length) assert.equal(answer.outcome, 'succeeded', `${amountFen}: ${answer.body.toString()}`);
          else assert.deepEqual([answer.verified, answer.code], [true, code], answer.body.toString());
        }
      });

    test('two at once, and a third', async () => {
      const merchant = system.merchant(numberOf(EDGES.length, false));
      const orders = await Promise.all([1, 2, 3].map(() => createOrder(merchant, 5)));
      const [first, second, third] = orders as [string, string, string];
      await system.fault({ next: 2, fault: 'delay', delayMs: 1_500, match: { method: 'POST', path: '/v1/orders/*' } });
      const under = [first, second].map((orderNo) => payOrder(merchant, orderNo, 5));
      await untilExecuted(system, [first, second]);
      const refused = await payOrder(merchant, third, 5);
      assert.equal(refused.code, 'CONCURRENCY_LIMITED', refused.body.toString());
      for (const answer of await Promise.all(under)) assert.equal(answer.outcome, 'succeeded');
      assert.equal((await payOrder(merchant, third, 5)).outcome, 'succeeded', 'their places are free');
    });
  });

/** The fault executes at once and answers late. */
async function untilExecuted(system: System, orders: readonly string[]): Promise<void> {
  for (;;) {
    const figures = await system.figures();
    if (orders.every((orderNo) => figures.orders.some((row) => row.orderNo === orderNo))) return;
    await new Promise((done) => setTimeout(done, 20));
  }
}
