import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { findPayProblem } from '../../src/reference-core/payments.ts';
import { settlementAccountNo } from '../../src/reference-core/seeds.ts';
import type { OrderStatus } from '../../src/reference-core/states.ts';
import {
  type CoreCallOptions,
  closeCall,
  freshOrderNo,
  getCall,
  MERCHANT_1,
  MERCHANT_2,
  orderCall,
  orderQuery,
  POOR_PAYER,
  paymentCall,
  RICH_PAYER,
  startTestCore,
  type TestCore,
} from '../support/core.ts';

const DAY_MS = 86_400_000;
let nowMs = Date.parse('2026-11-23T15:59:59.500Z');
let core: TestCore;
before(async () => {
  core = await startTestCore({ nowMs: () => nowMs });
});
after(async () => {
  const { problems } = await core.readLedger().finally(core.dispose);
  assert.deepEqual(problems, []);
});

const call = (options: CoreCallOptions) => core.call({ ...options, nowMs });
const balanceOf = async (merchant: string) =>
  (await call({ ...getCall('accounts.balance', `/v1/accounts/${settlementAccountNo(merchant)}/balance`), merchant })).json
    .balanceFen as number;

test('order, payment, query and balance agree; the accounting date turns at midnight in Shanghai', async () => {
  const orderNo = freshOrderNo();
  const before = await balanceOf(MERCHANT_1);
  const created = await call(orderCall(orderNo, 1250));
  assert.deepEqual([created.status, created.json.status, created.json.createdAt], [201, 'CREATED', '2026-11-23T23:59:59.500+08:00']);
  nowMs += 500;
  const paid = await call(paymentCall(orderNo, 1250));
  const { paymentNo, traceNo, ...facts } = paid.json;
  assert.equal(paid.status, 201);
  assert.deepEqual(facts, {
    orderNo,
    merchantNumber: MERCHANT_1,
    status: 'SUCCEEDED',
    amountFen: 1250,
    currency: 'CNY',
    accountingDate: '20261124',
    paidAt: '2026-11-24T00:00:00.000+08:00',
  });
  assert.match(paymentNo as string, /^20261124\d{12}$/);
  assert.match(traceNo as string, /^\d{12}$/);
  const order = (await call(orderQuery(orderNo))).json;
  assert.deepEqual([order.status, order.paymentNo, order.paidAt], ['PAID', paymentNo, facts.paidAt]);
  assert.equal((await balanceOf(MERCHANT_1)) - before, 1250);
  const figures = await core.readLedger();
  assert.deepEqual(
    figures.orders.filter((row) => row.orderNo === orderNo),
    [{ merchantNumber: MERCHANT_1, orderNo, count: 1, amountFen: 1250 }],
  );
  assert.ok(figures.days.some((row) => row.merchantNumber === MERCHANT_1 && row.accountingDate === '20261124'));
});

/** What happened before, the payment, what is answered, why. Each order is of 100 fen. */
const payments: readonly (readonly [
  (orderNo: string) => CoreCallOptions[],
  (orderNo: string) => CoreCallOptions,
  number,
  string,
  string,
])[] = [
  [() => [], (o) => paymentCall(o, 100), 201, 'SUCCEEDED', 'the plain case'],
  [() => [], () => paymentCall(freshOrderNo(), 100), 404, 'ORDER_NOT_FOUND', 'an order that does not exist'],
  [() => [], (o) => ({ ...paymentCall(o, 100), merchant: MERCHANT_2 }), 404, 'ORDER_NOT_FOUND', "another merchant's order"],
  [() => [], (o) => paymentCall(o, 99), 422, 'AMOUNT_MISMATCH', 'one fen less'],
  [() => [], (o) => paymentCall(o, 101), 422, 'AMOUNT_MISMATCH', 'one fen more'],
  [() => [], (o) => paymentCall(o, 100, undefined, '6299999999999999'), 404, 'PAYER_NOT_FOUND', 'a payer that does not exist'],
  [() => [], (o) => paymentCall(o, 100, undefined, settlementAccountNo(MERCHANT_2)), 404, 'PAYER_NOT_FOUND', "another merchant's money"],
  [() => [], (o) => paymentCall(o, 100, undefined, settlementAccountNo(MERCHANT_1)), 404, 'PAYER_NOT_FOUND', "the merchant's own money"],
  [() => [], (o) => paymentCall(o, 100, undefined, '1000000000000001'), 404, 'PAYER_NOT_FOUND', "the bank's money"],
  [(o) => [paymentCall(o, 100)], (o) => paymentCall(o, 100), 409, 'ORDER_NOT_PAYABLE', 'paid already, under another key'],
  [(o) => [closeCall(o)], (o) => paymentCall(o, 100), 409, 'ORDER_NOT_PAYABLE', 'closed'],
  [
    (o) => [paymentCall(o, 100, undefined, '6299999999999999')],
    (o) => paymentCall(o, 100),
    201,
    'SUCCEEDED',
    'a failed attempt leaves the order payable',
  ],
  [(o) => [paymentCall(o, 100)], (o) => closeCall(o), 409, 'ORDER_NOT_CLOSABLE', 'close after payment'],
  [(o) => [closeCall(o)], (o) => closeCall(o), 409, 'ORDER_NOT_CLOSABLE', 'close twice, under another key'],
  [() => [], () => closeCall(freshOrderNo()), 404, 'ORDER_NOT_FOUND', 'close nothing'],
  [() => [], (o) => ({ ...closeCall(o), merchant: MERCHANT_2 }), 404, 'ORDER_NOT_FOUND', "close another merchant's order"],
  [() => [], (o) => closeCall(o), 200, 'CLOSED', 'close'],
  [() => [], (o) => orderCall(o, 100), 409, 'ORDER_EXISTS', 'an order number twice'],
  [(o) => [closeCall(o)], (o) => orderCall(o, 100), 409, 'ORDER_EXISTS', 'an order number stays taken for ever'],
  [() => [], (o) => ({ ...orderCall(o, 100), merchant: MERCHANT_2 }), 201, 'CREATED', 'another merchant may have the same number'],
];
for (const [earlier, last, status, expected, why] of payments) {
  test(`business: ${why}`, async () => {
    const orderNo = freshOrderNo();
    const before = [await balanceOf(MERCHANT_1), await balanceOf(MERCHANT_2)];
    for (const options of [orderCall(orderNo, 100), ...earlier(orderNo)]) await call(options);
    const answer = await call(last(orderNo));
    assert.deepEqual([answer.status, answer.code ?? answer.json.status], [status, expected]);
    const paidFen = (await core.readLedger()).orders.filter((row) => row.orderNo === orderNo).reduce((sum, row) => sum + row.amountFen, 0);
    const after = [await balanceOf(MERCHANT_1), await balanceOf(MERCHANT_2)];
    assert.deepEqual(after, [(before[0] as number) + paidFen, before[1]], 'the balance moved by exactly what was paid');
  });
}

test('the poor payer pays 1.00 once: equal to the balance passes, one fen more does not', async () => {
  for (const [amountFen, status] of [
    [101, 422],
    [100, 201],
    [1, 422],
  ] as const) {
    const orderNo = freshOrderNo();
    await call(orderCall(orderNo, amountFen));
    const answer = await call(paymentCall(orderNo, amountFen, undefined, POOR_PAYER));
    assert.equal(answer.status, status);
    if (status === 422) assert.equal(answer.code, 'INSUFFICIENT_FUNDS');
  }
});

test('an order expires at its moment, not before it', async () => {
  for (const [lateMs, status] of [
    [-1, 201],
    [0, 409],
  ] as const) {
    const orderNo = freshOrderNo();
    const expiresAt = new Date(nowMs + 1000).toISOString();
    const created = await call({ ...orderCall(orderNo, 5), body: { orderNo, amountFen: 5, currency: 'CNY', subject: 's', expiresAt } });
    assert.equal(Date.parse(created.json.expiresAt as string), nowMs + 1000);
    nowMs += 1000 + lateMs;
    assert.equal((await call(paymentCall(orderNo, 5))).status, status);
  }
});

test('an expired order can still be closed', async () => {
  const orderNo = freshOrderNo();
  await call({
    ...orderCall(orderNo, 5),
    body: { orderNo, amountFen: 5, currency: 'CNY', subject: 's', expiresAt: '2020-01-01T00:00:00Z' },
  });
  const closed = await call(closeCall(orderNo));
  assert.deepEqual([closed.status, closed.json.status], [200, 'CLOSED']);
});

test('days are summed by the accounting date', async () => {
  nowMs += DAY_MS;
  const orderNo = freshOrderNo();
  await call({ ...orderCall(orderNo, 77), merchant: MERCHANT_2 });
  await call({ ...paymentCall(orderNo, 77), merchant: MERCHANT_2 });
  const day = (await core.readLedger()).days.filter((row) => row.merchantNumber === MERCHANT_2);
  assert.deepEqual(day, [{ merchantNumber: MERCHANT_2, accountingDate: '20261125', currency: 'CNY', count: 1, amountFen: 77 }]);
});

test('what another merchant has looks exactly like what does not exist', async () => {
  const orderNo = freshOrderNo();
  const key = orderCall('x', 1).key as string;
  await call(orderCall(orderNo, 1, key));
  const pairs: readonly (readonly [CoreCallOptions, CoreCallOptions])[] = [
    [orderQuery(orderNo), orderQuery(freshOrderNo())],
    [getCall('executions.get', `/v1/executions/${key}`), getCall('executions.get', `/v1/executions/${'A'.repeat(43)}`)],
    ...[settlementAccountNo(MERCHANT_1), RICH_PAYER, '1000000000000001'].map(
      (accountNo) =>
        [
          getCall('accounts.balance', `/v1/accounts/${accountNo}/balance`),
          getCall('accounts.balance', '/v1/accounts/6999999999999999/balance'),
        ] as const,
    ),
  ];
  for (const [theirs, nothing] of pairs) {
    const [a, b] = [await call({ ...theirs, merchant: MERCHANT_2 }), await call({ ...nothing, merchant: MERCHANT_2 })];
    assert.equal(a.status, 404);
    assert.deepEqual([a.status, a.text], [b.status, b.text]);
    const names = (answer: typeof a) => [...answer.headers.keys()].filter((name) => name !== 'date');
    assert.deepEqual(names(a), names(b));
  }
});

test('a merchant without settlement account is refused before anything begins', async () => {
  const options = { ...orderCall(freshOrderNo(), 1), merchant: '800000000000009' };
  const answer = await call(options);
  assert.deepEqual([answer.status, answer.code], [403, 'MERCHANT_UNKNOWN']);
  assert.equal((await core.readLedger()).executions.filter((row) => row.merchantNumber === '800000000000009').length, 0);
});

const states: readonly (readonly [OrderStatus, string | undefined])[] = [
  ['CREATED', undefined],
  ['PAYING', 'ATTEMPT_IN_PROGRESS'],
  ['PAID', 'ORDER_NOT_PAYABLE'],
  ['PARTLY_REFUNDED', 'ORDER_NOT_PAYABLE'],
  ['REFUNDED', 'ORDER_NOT_PAYABLE'],
  ['CLOSED', 'ORDER_NOT_PAYABLE'],
  ['LATE_PAID', 'ORDER_NOT_PAYABLE'],
];
for (const [status, code] of states) {
  test(`an order that is ${status} ${code ? 'takes no payment' : 'takes a payment'}`, () => {
    assert.equal(findPayProblem({ status, expiresAtMs: null }, 0), code);
  });
}
