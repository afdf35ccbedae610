import { formatTime } from './accounting-date.ts';
import { type Answer, failure, success } from './answers.ts';
import type { Database } from './ledger/database.ts';
import type { CloseRequest, OrderRequest } from './requests.ts';
import type { OrderStatus } from './states.ts';

/** What an operation runs in: one transaction that holds the write lock, for one merchant, at one moment. */
export type Scope = {
  readonly database: Database;
  readonly merchantNumber: string;
  readonly nowMs: number;
  /** Of the merchant and its derived key: what posts under it posts once. */
  readonly journalKey: string;
};

export type Order = {
  readonly merchantNumber: string;
  readonly orderNo: string;
  readonly amountFen: number;
  readonly currency: string;
  readonly subject: string;
  readonly status: OrderStatus;
  readonly createdAtMs: number;
  readonly expiresAtMs: number | null;
  readonly paidAtMs: number | null;
  readonly paymentNo: string | null;
  readonly closedAtMs: number | null;
};

/** Finds an order of this merchant; one of another merchant is not there. */
export function findOrder(database: Database, merchantNumber: string, orderNo: string): Order | undefined {
  return database.find<Order>(
    `SELECT merchant_number AS merchantNumber, order_no AS orderNo, amount_fen AS amountFen, currency, subject, status,
       created_at_ms AS createdAtMs, expires_at_ms AS expiresAtMs, paid_at_ms AS paidAtMs, payment_no AS paymentNo, closed_at_ms AS closedAtMs
     FROM orders WHERE merchant_number = ? AND order_no = ?`,
    merchantNumber,
    orderNo,
  );
}

function orderBody(order: Order): Record<string, unknown> {
  const time = (name: string, timeMs: number | null) => (timeMs === null ? {} : { [name]: formatTime(timeMs) });
  return {
    orderNo: order.orderNo,
    merchantNumber: order.merchantNumber,
    status: order.status,
    amountFen: order.amountFen,
    currency: order.currency,
    subject: order.subject,
    createdAt: formatTime(order.createdAtMs),
    ...time('expiresAt', order.expiresAtMs),
    ...time('paidAt', order.paidAtMs),
    ...(order.paymentNo === null ? {} : { paymentNo: order.paymentNo }),
    ...time('closedAt', order.closedAtMs),
  };
}

/** orders.create: order numbers are unique per merchant for ever. */
export function createOrder(scope: Scope, request: OrderRequest): Answer {
  const { changes } = scope.database.run(
    `INSERT INTO orders (merchant_number, order_no, amount_fen, currency, subject, status, created_at_ms, expires_at_ms)
     VALUES (?, ?, ?, ?, ?, 'CREATED', ?, ?) ON CONFLICT DO NOTHING`,
    scope.merchantNumber,
    request.orderNo,
    request.amountFen,
    request.currency,
    request.subject,
    scope.nowMs,
    request.expiresAtMs ?? null,
  );
  return changes === 0 ? failure('ORDER_EXISTS') : success(201, readOrderBody(scope, request.orderNo));
}

/** orders.close: CREATED -> CLOSED, nothing else. */
export function closeOrder(scope: Scope, request: CloseRequest): Answer {
  const order = findOrder(scope.database, scope.merchantNumber, request.orderNo);
  if (!order) return failure('ORDER_NOT_FOUND');
  if (order.status !== 'CREATED') return failure('ORDER_NOT_CLOSABLE');
  scope.database.run(
    `UPDATE orders SET status = 'CLOSED', closed_at_ms = ?, close_reason = ? WHERE merchant_number = ? AND order_no = ?`,
    scope.nowMs,
    request.reason ?? null,
    scope.merchantNumber,
    request.orderNo,
  );
  return success(200, readOrderBody(scope, request.orderNo));
}

/** orders.get. */
export function getOrder(database: Database, merchantNumber: string, orderNo: string): Answer {
  const order = findOrder(database, merchantNumber, orderNo);
  return order ? success(200, orderBody(order)) : failure('ORDER_NOT_FOUND');
}

function readOrderBody(scope: Scope, orderNo: string): Record<string, unknown> {
  return orderBody(findOrder(scope.database, scope.merchantNumber, orderNo) as Order);
}
