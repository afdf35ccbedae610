import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { Answer } from '../../src/sdk/answer.ts';
import { eventually } from '../support/eventually.ts';
import { startRedis, type TestRedis } from '../support/redis.ts';
import { createOrder, freshOrderNo, GENEROUS, orderBody, payOrder, type System, startSystem } from '../support/system.ts';

/** Money works again within 5 s of the store's return: the same key is sent until it is served. */
const served = (send: () => Promise<Answer>): Promise<void> =>
  eventually(async () => {
    const answer = await send();
    assert.equal(answer.outcome, 'succeeded', answer.body.toString());
  }, 5_000);

/** Money is refused, signed; nothing reaches the core; it works again by itself. */
describe('Redis goes away and comes back (N1, N2)', { timeout: 120_000 }, () => {
  let redis: TestRedis;
  let system: System;
  before(async () => {
    redis = await startRedis({ own: true });
    system = await startSystem({ rules: GENEROUS, store: redis.url });
  });
  after(async () => {
    await system?.dispose();
    await redis?.dispose();
  });

  const ways = [
    // way       end it                     bring it back            why
    ['stopped', () => redis.stop(), () => redis.start(), 'its memory is lost: the journals give it back'],
    ['hanging', async () => redis.pause(), async () => redis.resume(), 'it accepts and never answers'],
  ] as const;
  for (const [way, end, bringBack, why] of ways) {
    test(`${way}: 503, outcome unknown, same_key_later, the core sees nothing; works again after (${why})`, async () => {
      const merchant = system.merchant();
      const paidBefore = await createOrder(merchant, 400);
      const first = await payOrder(merchant, paidBefore, 400);
      assert.equal(first.outcome, 'succeeded');
      const orderNo = await createOrder(merchant, 200);
      await end();
      const refused = await payOrder(merchant, orderNo, 200);
      assert.deepEqual(
        [refused.status, refused.verified, refused.outcome, refused.retry],
        [503, true, 'unknown', 'same_key_later'],
        refused.body.toString(),
      );
      const { orders } = await system.figures();
      assert.deepEqual(
        orders.filter((row) => row.orderNo === orderNo),
        [],
      );
      await bringBack();
      await served(() => payOrder(merchant, orderNo, 200));
      // What was paid before is not paid again, whether its stored answer survived or the core had to be asked.
      const again = await payOrder(merchant, paidBefore, 400);
      assert.deepEqual([again.outcome, again.value], ['succeeded', first.value], again.body.toString());
      const figures = await system.figures();
      assert.equal(
        figures.orders.every(({ count }) => count === 1),
        true,
      );
    });
  }

  test('used up to the limit before the loss is used up after it', async () => {
    const merchant = system.merchant();
    let refusedBefore: { used: number } | undefined;
    for (let i = 0; i < 21 && !refusedBefore; i += 1) {
      const answer = await payOrder(merchant, await createOrder(merchant, 5_000_000), 5_000_000);
      if (answer.code === 'LIMIT_DAILY_AMOUNT') refusedBefore = JSON.parse(answer.body.toString()) as { used: number };
    }
    await redis.stop();
    await redis.start();
    const orderNo = freshOrderNo();
    await served(() => merchant.call({ method: 'POST', path: '/v1/orders', idempotencyKey: orderNo, body: orderBody(orderNo, 5_000_000) }));
    const answer = await payOrder(merchant, orderNo, 5_000_000);
    const after = JSON.parse(answer.body.toString()) as { code: string; used: number; reserved: number };
    assert.deepEqual([after.code, after.used, after.reserved], ['LIMIT_DAILY_AMOUNT', refusedBefore?.used, 0]);
  });
});
