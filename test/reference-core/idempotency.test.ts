import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import {
  type CoreCallOptions,
  closeCall,
  executionQuery,
  freshKey,
  freshOrderNo,
  MERCHANT_2,
  orderCall,
  POOR_PAYER,
  paymentCall,
  startTestCore,
  type TestCore,
} from '../support/core.ts';

let core: TestCore;
before(async () => {
  core = await startTestCore();
});
after(async () => {
  const { problems } = await core.readLedger().finally(core.dispose);
  assert.deepEqual(problems, []);
});

const runsOf = async (key: string) => (await core.readLedger()).executions.filter((row) => row.derivedKey === key).map((row) => row.count);

/** Requests whose first answer must come back for ever, whatever it was. Orders are of 500 fen. */
const repeatable: readonly (readonly [(orderNo: string) => CoreCallOptions, number, string])[] = [
  [(orderNo) => paymentCall(orderNo, 500), 201, 'a success'],
  [(orderNo) => paymentCall(orderNo, 500, undefined, POOR_PAYER), 422, 'a failure for want of funds'],
  [(orderNo) => paymentCall(orderNo, 499), 422, 'a failure by another amount'],
  [() => paymentCall(freshOrderNo(), 500), 404, 'a failure by an order that is not there'],
  [(orderNo) => orderCall(orderNo, 500), 409, 'an order number that is taken'],
  [(orderNo) => closeCall(orderNo), 200, 'a close'],
];
for (const [make, status, why] of repeatable) {
  test(`a repeat gets the same bytes, marked: ${why}`, async () => {
    const orderNo = freshOrderNo();
    await core.call(orderCall(orderNo, 500));
    const call = make(orderNo);
    const first = await core.call(call);
    assert.deepEqual([first.status, first.replayed], [status, false]);
    // Something happens in between that would change the decision if it were made again.
    await core.call(paymentCall(orderNo, 500));
    for (let repeat = 0; repeat < 3; repeat += 1) {
      const again = await core.call(call);
      assert.deepEqual([again.status, again.text, again.replayed], [first.status, first.text, true]);
    }
    assert.deepEqual(await runsOf(call.key as string), [1]);
    const query = (await core.call(executionQuery(call.key as string))).json;
    assert.deepEqual([query.status, query.httpStatus, query.body], [status < 300 ? 'SUCCEEDED' : 'FAILED', status, first.json]);
  });
}

test('the query tells what the request was about, and nothing that it was not', async () => {
  const orderNo = freshOrderNo();
  await core.call(orderCall(orderNo, 7));
  const payment = paymentCall(orderNo, 7, undefined, '6299999999999999');
  await core.call(payment);
  const failed = (await core.call(executionQuery(payment.key as string))).json;
  assert.deepEqual([failed.orderNo, failed.amountFen, failed.currency, failed.merchantNumber], [orderNo, 7, 'CNY', '800000000000001']);
  const close = closeCall(orderNo);
  await core.call(close);
  const closed = (await core.call(executionQuery(close.key as string))).json;
  assert.deepEqual(Object.keys(closed), ['status', 'httpStatus', 'body', 'merchantNumber', 'orderNo']);
});

test('another body, path or operation under a key is refused and changes nothing', async () => {
  const orderNo = freshOrderNo();
  const other = freshOrderNo();
  for (const number of [orderNo, other]) await core.call(orderCall(number, 10));
  const key = freshKey();
  const first = await core.call(paymentCall(orderNo, 10, key));
  const changed = [
    paymentCall(orderNo, 11, key),
    paymentCall(orderNo, 10, key, POOR_PAYER),
    paymentCall(other, 10, key),
    orderCall(freshOrderNo(), 10, key),
    closeCall(other, key),
    { ...paymentCall(orderNo, 10, key), body: Buffer.from(`${JSON.stringify(paymentCall(orderNo, 10, key).body)} `) },
  ];
  for (const call of changed) {
    const answer = await core.call(call);
    assert.deepEqual([answer.status, answer.code, answer.replayed], [422, 'IDEMPOTENCY_KEY_REUSED', false]);
  }
  assert.equal((await core.call(paymentCall(orderNo, 10, key))).text, first.text);
  assert.deepEqual(await runsOf(key), [1]);
});

test('keys of two merchants never meet', async () => {
  const key = freshKey();
  const orderNo = freshOrderNo();
  const mine = await core.call(orderCall(orderNo, 10, key));
  const theirs = await core.call({ ...orderCall(orderNo, 20, key), merchant: MERCHANT_2 });
  assert.deepEqual([mine.status, theirs.status, theirs.replayed], [201, 201, false]);
  assert.deepEqual([mine.json.amountFen, theirs.json.amountFen], [10, 20]);
});

test('a request that was refused before it began leaves its key free for the corrected one', async () => {
  const orderNo = freshOrderNo();
  const call = orderCall(orderNo, 10);
  assert.equal((await core.call({ ...call, body: { ...(call.body as object), amountFen: 0 } })).status, 400);
  assert.equal((await core.call({ ...call, lifetimeSeconds: 0 })).status, 401);
  const corrected = await core.call(call);
  assert.deepEqual([corrected.status, corrected.replayed], [201, false]);
});

test('50 copies of one payment at once: one runs, 49 get its bytes', async () => {
  const orderNo = freshOrderNo();
  await core.call(orderCall(orderNo, 10));
  const call = paymentCall(orderNo, 10);
  const answers = await Promise.all(Array.from({ length: 50 }, () => core.call(call)));
  assert.deepEqual(new Set(answers.map(({ status, text }) => `${status} ${text}`)).size, 1);
  assert.equal(answers[0]?.status, 201);
  assert.equal(answers.filter(({ replayed }) => !replayed).length, 1);
  assert.deepEqual(await runsOf(call.key as string), [1]);
});

test('50 keys for one order at once: one pays, 49 fail for certain', async () => {
  const orderNo = freshOrderNo();
  await core.call(orderCall(orderNo, 10));
  const answers = await Promise.all(Array.from({ length: 50 }, () => core.call(paymentCall(orderNo, 10))));
  assert.equal(answers.filter(({ status }) => status === 201).length, 1);
  assert.equal(answers.filter(({ code }) => code === 'ORDER_NOT_PAYABLE').length, 49);
  assert.deepEqual(
    (await core.readLedger()).orders.filter((row) => row.orderNo === orderNo).map((row) => row.count),
    [1],
  );
});

test('two cores on one ledger: each key still runs once', async () => {
  const second = await startTestCore({ databaseFile: core.databaseFile, signer: core.signer });
  try {
    const orderNo = freshOrderNo();
    await core.call(orderCall(orderNo, 10));
    const call = paymentCall(orderNo, 10);
    const answers = await Promise.all(Array.from({ length: 20 }, (_, i) => (i % 2 ? core : second).call(call)));
    assert.equal(new Set(answers.map(({ text }) => text)).size, 1);
    assert.equal(answers.filter(({ replayed }) => !replayed).length, 1);
    assert.deepEqual(await runsOf(call.key as string), [1]);
  } finally {
    await second.dispose();
  }
});
