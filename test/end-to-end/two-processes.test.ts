import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { eventually } from '../support/eventually.ts';
import { runHufu } from '../support/process.ts';
import { startRedis, type TestRedis } from '../support/redis.ts';
import { createOrder, GENEROUS, MERCHANT_1, payOrder, type System, startSystem, untilReady } from '../support/system.ts';

const QUICK = 'resolve: { scheduleMs: [200], clockAllowanceMs: 0 }';
const AMOUNT_FEN = 700;

/** The core is given little time, so that the lease of the dead ends soon. */
function hurry(folder: string): void {
  const file = join(folder, 'operations', 'payments.yaml');
  const text = readFileSync(file, 'utf8');
  writeFileSync(
    file,
    text.replace(
      /^( +)operationId: payments\.create\n([\s\S]*?)^( +)x-hufu:\n/m,
      '$1operationId: payments.create\n$2$3x-hufu:\n$3  timeoutMs: 1000\n',
    ),
  );
}

for (const store of ['sqlite', 'redis'] as const)
  describe(`two processes, one order, ${store}`, { timeout: 120_000 }, () => {
    let redis: TestRedis | undefined;
    let system: System;
    before(async () => {
      redis = store === 'redis' ? await startRedis() : undefined;
      system = await startSystem({
        rules: GENEROUS,
        settings: QUICK,
        gateways: 2,
        configure: hurry,
        ...(redis ? { store: redis.url } : {}),
      });
    });
    after(async () => {
      await system?.dispose();
      await redis?.dispose();
    });

    test('the first dies after sending, the second gets the retry, the first restarts: one execution, one reservation, one final answer', async () => {
      const [first, second] = system.gateways as [System['gateways'][number], System['gateways'][number]];
      const here = system.merchant(MERCHANT_1, { gateway: 0 });
      const there = system.merchant(MERCHANT_1, { gateway: 1 });
      const orderNo = await createOrder(here, AMOUNT_FEN);
      await system.fault({ next: 1, fault: 'delay', delayMs: 900, match: { method: 'POST', path: `/v1/orders/${orderNo}/payments` } });
      const lost = payOrder(here, orderNo, AMOUNT_FEN);
      await eventually(async () => assert.equal((await system.figures()).orders.filter((row) => row.orderNo === orderNo).length, 1));
      await first.kill('SIGKILL');
      const silent = await lost;
      assert.deepEqual([silent.outcome, silent.verified], ['unknown', false]);

      const early = await payOrder(there, orderNo, AMOUNT_FEN);
      assert.deepEqual([early.code, early.outcome], ['REQUEST_IN_FLIGHT', 'unknown'], 'the lease of the dead');
      await first.start();
      await untilReady(first);
      const [byFirst, bySecond] = await Promise.all([finalAnswer(here, orderNo), finalAnswer(there, orderNo)]);
      assert.equal(byFirst.outcome, 'succeeded', byFirst.body.toString());
      assert.deepEqual(byFirst.value, bySecond.value);
      assert.deepEqual((await finalAnswer(here, orderNo)).value, byFirst.value, 'and ever after');

      const figures = await system.figures();
      assert.deepEqual(
        figures.orders.map(({ count, amountFen }) => [count, amountFen]),
        [[1, AMOUNT_FEN]],
      );
      assert.deepEqual(figures.problems, []);
      assert.deepEqual(await dailyLimit(system), { used: AMOUNT_FEN, reserved: 0 });
      await second.kill('SIGTERM');
      const verified = await runHufu(['journal', 'verify'], system.environment);
      assert.equal(verified.code, 0, verified.stdout);
    });
  });

const finalAnswer = (merchant: ReturnType<System['merchant']>, orderNo: string) =>
  eventually(
    async () => {
      const answer = await payOrder(merchant, orderNo, AMOUNT_FEN);
      assert.notEqual(answer.outcome, 'unknown', String(answer.code));
      return answer;
    },
    30_000,
    200,
  );

async function dailyLimit(system: System): Promise<{ used: number; reserved: number }> {
  const { stdout, stderr } = await runHufu(['limits', 'show', MERCHANT_1, '--json'], system.environment);
  const rows = (JSON.parse(stdout || stderr) as { limits: { rule: string; used: number; reserved: number }[] }).limits;
  const { used, reserved } = rows.find(({ rule }) => rule === 'daily-amount') as { used: number; reserved: number };
  return { used, reserved };
}
