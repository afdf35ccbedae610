import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { runHufu } from '../support/process.ts';
import { startRedis, type TestRedis } from '../support/redis.ts';
import { createOrder, GENEROUS, payOrder, type System, startSystem, untilReady } from '../support/system.ts';

const QUICK = 'resolve: { scheduleMs: [50], clockAllowanceMs: 0 }';
const PAYMENTS = 100;
const AMOUNT_FEN = 100;

for (const store of ['sqlite', 'redis'] as const) {
  describe(`kill -9 of the gateway in mid-flight, ${store}`, { timeout: 170_000 }, () => {
    let redis: TestRedis | undefined;
    let system: System;
    before(async () => {
      redis = store === 'redis' ? await startRedis() : undefined;
      system = await startSystem({ rules: GENEROUS, settings: QUICK, ...(redis ? { store: redis.url } : {}) });
    });
    after(async () => {
      await system?.dispose();
      await redis?.dispose();
    });

    test('each order runs at most once, every key gets a final answer, the limit equals the ledger, the journal is whole', async () => {
      const gateway = system.gateways[0] as System['gateways'][number];
      const orders: string[] = [];
      for (let i = 0; i < PAYMENTS; i += 20) {
        const merchant = system.merchant();
        orders.push(...(await Promise.all(Array.from({ length: 20 }, () => createOrder(merchant, AMOUNT_FEN)))));
      }
      // Three kills while payments are under way, each at another depth of the pipeline.
      for (const settled of [1, 25, 60]) {
        const merchant = system.merchant();
        let answered = 0;
        let reached: () => void = () => {};
        const deepEnough = new Promise<void>((done) => {
          reached = done;
        });
        const all = orders.map(async (orderNo) => {
          await payOrder(merchant, orderNo, AMOUNT_FEN);
          answered += 1;
          if (answered >= settled) reached();
        });
        await deepEnough;
        await gateway.kill('SIGKILL');
        await Promise.all(all);
        await gateway.start();
        await untilReady(gateway);
      }
      const merchant = system.merchant();
      for (const orderNo of orders) {
        const answer = await merchant.callUntilFinal({
          method: 'POST',
          path: `/v1/orders/${orderNo}/payments`,
          idempotencyKey: `pay-${orderNo}`,
          body: { amountFen: AMOUNT_FEN, currency: 'CNY', method: 'OWN_BANK', payer: { accountNo: '6200000000000001' } },
        });
        assert.notEqual(answer.outcome, 'unknown', answer.body.toString());
      }
      const figures = await system.figures();
      assert.deepEqual(figures.problems, []);
      assert.equal(
        figures.orders.every(({ count }) => count === 1),
        true,
      );
      const ranFen = figures.days.reduce((sum, { amountFen }) => sum + amountFen, 0);
      const probe = await createOrder(merchant, 1);
      await payOrder(merchant, probe, 1);
      assert.equal(await usedFen(system), ranFen + 1);
      const verified = await runHufu(['journal', 'verify'], system.environment);
      assert.equal(verified.code, 0, verified.stdout);
    });
  });
}

/** What the limit counts as used, told by a refusal: an order over what is left names `used` and `reserved`. */
async function usedFen(system: System): Promise<number> {
  const merchant = system.merchant();
  for (let i = 0; i < 25; i += 1) {
    const orderNo = await createOrder(merchant, 5_000_000);
    const answer = await payOrder(merchant, orderNo, 5_000_000);
    if (answer.code === 'LIMIT_DAILY_AMOUNT') {
      const { used, reserved } = JSON.parse(answer.body.toString()) as { used: number; reserved: number };
      assert.equal(reserved, 0, 'everything is resolved');
      return used - i * 5_000_000;
    }
    assert.equal(answer.outcome, 'succeeded', answer.body.toString());
  }
  throw new Error('the daily limit was never reached');
}
