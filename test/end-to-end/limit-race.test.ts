import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { startRedis, type TestRedis } from '../support/redis.ts';
import { createOrder, MERCHANT_1, payOrder, type System, startSystem } from '../support/system.ts';

const HUNDRED = `
      requests: { kind: rate, allow: 100000, perMs: 1000, burst: 100000 }
      single: { kind: amount, currency: CNY, minFen: 1, maxFen: 5000 }
      daily-amount: { kind: total, of: amount, per: day, currency: CNY, max: 10000 }`;

for (const store of ['sqlite', 'redis'] as const) {
  describe(`200 parallel payments of 1.00 against 100.00 a day, two gateways, ${store} (I1)`, { timeout: 120_000 }, () => {
    let redis: TestRedis | undefined;
    let system: System;
    before(async () => {
      redis = store === 'redis' ? await startRedis() : undefined;
      system = await startSystem({ rules: HUNDRED, gateways: 2, ...(redis ? { store: redis.url } : {}) });
    });
    after(async () => {
      await system?.dispose();
      await redis?.dispose();
    });

    test('exactly 100 reach the core, 100 are refused, the counter equals the ledger', async () => {
      const merchants = [system.merchant(MERCHANT_1, { gateway: 0 }), system.merchant(MERCHANT_1, { gateway: 1 })] as const;
      const orders = await Promise.all(Array.from({ length: 200 }, (_, i) => createOrder(merchants[(i % 2) as 0 | 1], 100)));
      const answers = await Promise.all(orders.map((orderNo, i) => payOrder(merchants[(i % 2) as 0 | 1], orderNo, 100)));
      const count = (status: number, code?: string) =>
        answers.filter((answer) => answer.status === status && (code === undefined || answer.code === code)).length;
      assert.equal(answers.filter((answer) => answer.verified).length, 200);
      assert.equal(
        answers.filter((answer) => answer.outcome === 'succeeded').length,
        100,
        JSON.stringify(answers.map(({ status, code }) => [status, code])),
      );
      assert.equal(count(403, 'LIMIT_DAILY_AMOUNT'), 100);
      const refused = JSON.parse((answers.find(({ status }) => status === 403)?.body ?? '{}').toString()) as Record<string, unknown>;
      assert.equal(refused.limit, 10_000);
      assert.match(String(refused.resetsAt), /T00:00:00(?:\.000)?\+08:00$/);
      const figures = await system.figures();
      assert.deepEqual(
        figures.days.map(({ count: paid, amountFen }) => [paid, amountFen]),
        [[100, 10_000]],
      );
      assert.deepEqual(figures.problems, []);
      const one = await createOrder(merchants[0], 1);
      const over = await payOrder(merchants[0], one, 1);
      assert.deepEqual([over.status, over.code], [403, 'LIMIT_DAILY_AMOUNT']);
      const problem = JSON.parse(over.body.toString()) as Record<string, unknown>;
      assert.deepEqual([problem.used, problem.reserved], [10_000, 0]);
    });
  });
}
