import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { Answer } from '../../src/sdk/answer.ts';
import type { MerchantClient } from '../../src/sdk/merchant.ts';
import { startRedis, type TestRedis } from '../support/redis.ts';
import { createOrder, GENEROUS, MERCHANT_1, payOrder, type System, startSystem } from '../support/system.ts';

const QUICK = 'resolve: { scheduleMs: [50, 50, 100, 200, 400, 800, 1000], clockAllowanceMs: 0 }';

/** Sends the same key until the answer is final; bounded by tries, each of which asks the core. */
async function until(merchant: MerchantClient, orderNo: string, amountFen: number, isDone: (answer: Answer) => boolean): Promise<Answer> {
  for (let i = 0; i < 200; i += 1) {
    const answer = await payOrder(merchant, orderNo, amountFen);
    if (isDone(answer)) return answer;
    await new Promise((done) => setTimeout(done, 200));
  }
  throw new Error('the outcome never became final');
}

const ofOrder = (figures: Awaited<ReturnType<System['figures']>>, orderNo: string) =>
  figures.orders.filter((row) => row.orderNo === orderNo);

for (const store of ['sqlite', 'redis'] as const) {
  describe(`an outcome nobody told us, ${store}`, { timeout: 150_000 }, () => {
    let redis: TestRedis | undefined;
    let system: System;
    before(async () => {
      redis = store === 'redis' ? await startRedis() : undefined;
      system = await startSystem({ rules: GENEROUS, settings: QUICK, gateways: 2, ...(redis ? { store: redis.url } : {}) });
    });
    after(async () => {
      await system?.dispose();
      await redis?.dispose();
    });

    test('the core executes and drops the connection: signed 504, then five retries give one execution and one final answer (F5, O1)', async () => {
      const merchant = system.merchant();
      const orderNo = await createOrder(merchant, 700);
      await system.fault({ next: 1, fault: 'executeThenDrop', match: { method: 'POST', path: `/v1/orders/${orderNo}/payments` } });
      const first = await payOrder(merchant, orderNo, 700);
      assert.deepEqual(
        [first.status, first.code, first.verified, first.outcome, first.retry],
        [504, 'OUTCOME_UNKNOWN', true, 'unknown', 'query_first'],
        first.why ?? '',
      );
      const other = system.merchant(MERCHANT_1, { gateway: 1 });
      const five = await Promise.all([0, 1, 2, 3, 4].map((i) => payOrder(i % 2 ? other : merchant, orderNo, 700)));
      const final = await until(merchant, orderNo, 700, (answer) => answer.status < 300);
      for (const answer of five) {
        assert.equal(answer.verified, true, answer.why ?? '');
        if (answer.status < 300) assert.deepEqual(answer.value, final.value);
        else assert.equal(answer.outcome, 'unknown', answer.body.toString());
      }
      const figures = await system.figures();
      assert.deepEqual(
        ofOrder(figures, orderNo).map(({ count }) => count),
        [1],
      );
      assert.deepEqual(figures.problems, []);
    });

    const faults = [
      // fault               ends as      why
      ['executeThen500', 200, 'a 500 proves nothing: the core had executed'],
      ['garbage', 200, 'an answer nobody can read proves nothing'],
      ['dropBeforeExecute', 409, 'never begun: final only after the assertion has expired, as NOT_EXECUTED'],
    ] as const;
    for (const [fault, status, why] of faults) {
      test(`${fault}: ${why}`, async () => {
        const merchant = system.merchant();
        const orderNo = await createOrder(merchant, 300);
        await system.fault({ next: 1, fault, match: { method: 'POST', path: `/v1/orders/${orderNo}/payments` } });
        const first = await payOrder(merchant, orderNo, 300);
        assert.ok(first.status === 504 || first.status === 502, `${first.status}`);
        assert.deepEqual([first.verified, first.outcome], [true, 'unknown']);
        const final = await until(merchant, orderNo, 300, (answer) =>
          status === 200 ? answer.status < 300 : answer.code === 'NOT_EXECUTED',
        );
        if (status === 409) assert.deepEqual([final.outcome, final.retry], ['failed', 'new_key']);
        assert.deepEqual(
          ofOrder(await system.figures(), orderNo).map(({ count }) => count),
          status === 200 ? [1] : [],
        );
      });
    }

    test('a business failure is final for its key, replayed as it was, and gives the limit back (I3)', async () => {
      const merchant = system.merchant();
      const orderNo = await createOrder(merchant, 900);
      const wrong = await payOrder(merchant, orderNo, 901);
      assert.equal(wrong.status, 422, wrong.body.toString());
      assert.equal(wrong.outcome, 'failed');
      const again = await payOrder(merchant, orderNo, 901);
      assert.deepEqual([again.status, again.body], [wrong.status, wrong.body]);
      assert.equal((await payOrder(merchant, orderNo, 900, `second-${orderNo}`)).outcome, 'succeeded');
    });
  });
}
