import { accountingDateOf, formatTime } from './accounting-date.ts';
import { type Answer, type FailureCode, failure, success } from './answers.ts';
import { findPayer, findSettlement } from './ledger/accounts.ts';
import { postJournal } from './ledger/journals.ts';
import { findOrder, type Order, type Scope } from './orders.ts';
import type { PaymentRequest } from './requests.ts';
import type { AttemptStatus, OrderStatus } from './states.ts';

/** Why an order in a state takes no payment; CREATED takes one. */
const NOT_PAYABLE: Readonly<Record<OrderStatus, FailureCode | undefined>> = {
  CREATED: undefined,
  PAYING: 'ATTEMPT_IN_PROGRESS',
  PAID: 'ORDER_NOT_PAYABLE',
  PARTLY_REFUNDED: 'ORDER_NOT_PAYABLE',
  REFUNDED: 'ORDER_NOT_PAYABLE',
  CLOSED: 'ORDER_NOT_PAYABLE',
  LATE_PAID: 'ORDER_NOT_PAYABLE',
};

/** Why an order takes no payment at a moment; undefined when it does. At its expiry it no longer does. */
export function findPayProblem(order: Pick<Order, 'status' | 'expiresAtMs'>, nowMs: number): FailureCode | undefined {
  const expired = order.expiresAtMs !== null && nowMs >= order.expiresAtMs;
  return NOT_PAYABLE[order.status] ?? (expired ? 'ORDER_NOT_PAYABLE' : undefined);
}

function moveOrder(scope: Scope, orderNo: string, status: OrderStatus): void {
  scope.database.run('UPDATE orders SET status = ? WHERE merchant_number = ? AND order_no = ?', status, scope.merchantNumber, orderNo);
}

function moveAttempt(scope: Scope, attemptNo: number, status: AttemptStatus): void {
  scope.database.run('UPDATE attempts SET status = ? WHERE attempt_no = ?', status, attemptNo);
}

function beginAttempt(scope: Scope, request: PaymentRequest): number {
  const { rowId } = scope.database.run(
    `INSERT INTO attempts (merchant_number, order_no, method, payer_account_no, amount_fen, currency, status, begun_at_ms)
     VALUES (?, ?, ?, ?, ?, ?, 'INIT', ?)`,
    scope.merchantNumber,
    request.orderNo,
    request.method,
    request.payerAccountNo,
    request.amountFen,
    request.currency,
    scope.nowMs,
  );
  moveOrder(scope, request.orderNo, 'PAYING');
  moveAttempt(scope, rowId, 'SENT');
  return rowId;
}

/** The attempt failed with certainty, so that the order may be paid by another one. */
function failAttempt(scope: Scope, attemptNo: number, orderNo: string, code: FailureCode): Answer {
  moveAttempt(scope, attemptNo, 'FAILED');
  scope.database.run('UPDATE attempts SET failure_code = ? WHERE attempt_no = ?', code, attemptNo);
  moveOrder(scope, orderNo, 'CREATED');
  return failure(code);
}

/** Moves the money from the payer to the merchant's settlement account; gives the journal's number, or why it cannot. */
function moveMoney(scope: Scope, request: PaymentRequest): number | FailureCode {
  const { amountFen, currency } = request;
  const payer = findPayer(scope.database, request.payerAccountNo);
  if (!payer || payer.currency !== currency) return 'PAYER_NOT_FOUND';
  if (payer.availableFen < amountFen) return 'INSUFFICIENT_FUNDS';
  const settlement = findSettlement(scope.database, scope.merchantNumber, currency);
  if (!settlement) throw new Error(`merchant ${scope.merchantNumber} has no settlement account in ${currency}`);
  return postJournal(scope.database, {
    type: 'PAYMENT',
    idempotencyKey: scope.journalKey,
    accountingDate: accountingDateOf(scope.nowMs),
    currency,
    postedAtMs: scope.nowMs,
    postings: [
      { accountNo: payer.accountNo, side: 'DEBIT', amountFen },
      { accountNo: settlement.accountNo, side: 'CREDIT', amountFen },
    ],
  });
}

/** Notes the success with attempt and order, and makes the answer. Payment and trace number are those of attempt and journal. */
function completeAttempt(scope: Scope, attemptNo: number, journalNo: number, request: PaymentRequest): Answer {
  const accountingDate = accountingDateOf(scope.nowMs);
  const paymentNo = `${accountingDate}${String(attemptNo).padStart(12, '0')}`;
  moveAttempt(scope, attemptNo, 'SUCCESS');
  scope.database.run('UPDATE attempts SET journal_no = ? WHERE attempt_no = ?', journalNo, attemptNo);
  scope.database.run(
    `UPDATE orders SET status = 'PAID', paid_at_ms = ?, payment_no = ? WHERE merchant_number = ? AND order_no = ?`,
    scope.nowMs,
    paymentNo,
    scope.merchantNumber,
    request.orderNo,
  );
  return success(201, {
    paymentNo,
    orderNo: request.orderNo,
    merchantNumber: scope.merchantNumber,
    status: 'SUCCEEDED',
    amountFen: request.amountFen,
    currency: request.currency,
    accountingDate,
    traceNo: String(journalNo).padStart(12, '0'),
    paidAt: formatTime(scope.nowMs),
  });
}

/** payments.create by an account of this bank: from order to posting in one transaction. */
export function payOrder(scope: Scope, request: PaymentRequest): Answer {
  const order = findOrder(scope.database, scope.merchantNumber, request.orderNo);
  if (!order) return failure('ORDER_NOT_FOUND');
  const problem = findPayProblem(order, scope.nowMs);
  if (problem) return failure(problem);
  if (order.amountFen !== request.amountFen || order.currency !== request.currency) return failure('AMOUNT_MISMATCH');
  const attemptNo = beginAttempt(scope, request);
  const moved = moveMoney(scope, request);
  return typeof moved === 'number'
    ? completeAttempt(scope, attemptNo, moved, request)
    : failAttempt(scope, attemptNo, request.orderNo, moved);
}
