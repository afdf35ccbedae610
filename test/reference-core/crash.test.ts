import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import {
  closeCall,
  createAssertionSigner,
  executionQuery,
  freshOrderNo,
  getCall,
  orderCall,
  paymentCall,
  startCoreProcess,
} from '../support/core.ts';

const PAYMENTS = 24;
/** Fresh answers until the kill, in each life of the core; together fewer than the payments. */
const KILL_AFTER = [5, 3, 4];

/** Orders and their payments, 1 to 24 fen. */
const plan = Array.from({ length: PAYMENTS }, (_, i) => {
  const orderNo = freshOrderNo();
  return { orderNo, amountFen: i + 1, order: orderCall(orderNo, i + 1), payment: paymentCall(orderNo, i + 1) };
});

test('kill -9 in the middle of payments: the books are whole, and each payment runs once', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'hufu-core-'));
  const options = { signer: createAssertionSigner(), databaseFile: join(directory, 'core.db') };
  let core = await startCoreProcess(options);
  t.after(async () => {
    await core.dispose();
    rmSync(directory, { recursive: true });
  });
  for (const { order } of plan) assert.equal((await core.call(order)).status, 201);
  /** Every answer that came is a promise. */
  const answered = new Map<string, string>();
  for (const killAfter of KILL_AFTER) {
    let fresh = 0;
    const payAndKill = async ({ orderNo, payment }: (typeof plan)[number]): Promise<void> => {
      const answer = await core.call(payment).catch(() => undefined);
      if (!answer) return;
      answered.set(orderNo, answer.text);
      if (!answer.replayed) fresh += 1;
      if (fresh === killAfter) await core.kill();
    };
    await Promise.all(plan.map(payAndKill));
    await core.dispose();
    core = await startCoreProcess(options);
    const figures = await core.readLedger();
    assert.deepEqual(figures.problems, []);
    const paid = new Map(figures.orders.map((row) => [row.orderNo, row.count]));
    assert.ok([...paid.values()].every((count) => count === 1));
    assert.ok(paid.size < PAYMENTS, 'the core died before it was through');
    for (const { orderNo, payment } of plan) {
      const query = await core.call(executionQuery(payment.key as string));
      assert.equal(query.status === 200, paid.has(orderNo), 'query and ledger say the same');
      if (answered.has(orderNo)) assert.equal(JSON.stringify(query.json.body), answered.get(orderNo), 'what was answered has happened');
    }
    t.diagnostic(`killed after ${answered.size} answers: ${paid.size} of ${PAYMENTS} were paid`);
  }
  for (const { orderNo, payment } of plan) {
    const answer = await core.call(payment);
    assert.equal(answer.status, 201);
    if (answered.has(orderNo)) assert.deepEqual([answer.text, answer.replayed], [answered.get(orderNo), true]);
  }
  for (const { orderNo } of plan) assert.equal((await core.call(closeCall(orderNo))).code, 'ORDER_NOT_CLOSABLE');
  const totalFen = (PAYMENTS * (PAYMENTS + 1)) / 2;
  const figures = await core.readLedger();
  assert.deepEqual(figures.problems, []);
  assert.deepEqual([figures.orders.length, figures.days.reduce((sum, day) => sum + day.amountFen, 0)], [PAYMENTS, totalFen]);
  assert.ok(figures.executions.every(({ count }) => count === 1));
  assert.equal((await core.call(getCall('accounts.balance', '/v1/accounts/6800000000000001/balance'))).json.balanceFen, totalFen);
});
