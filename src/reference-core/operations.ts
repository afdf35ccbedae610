import { type Answer, CoreRefusal, type Reply, replyOf } from './answers.ts';
import type { Assertion, ReceivedRequest } from './assertion.ts';
import { getBalance } from './balances.ts';
import { readJsonBody } from './body.ts';
import { getExecution } from './executions.ts';
import { executeOnce, type Work } from './idempotency.ts';
import type { Database } from './ledger/database.ts';
import { closeOrder, createOrder, getOrder } from './orders.ts';
import { payOrder } from './payments.ts';
import { readAccountNo, readCloseRequest, readDerivedKey, readOrderNo, readOrderRequest, readPaymentRequest } from './requests.ts';

/** What an operation is given: a request that the gateway vouches for. */
export type Vouched = {
  readonly request: ReceivedRequest;
  readonly parameters: Readonly<Record<string, string>>;
  readonly assertion: Assertion;
  readonly database: Database;
  readonly clock: () => number;
};

/** One operation of the core; the path is Express's spelling of that in the OpenAPI document. */
export type CoreOperation = {
  readonly id: string;
  readonly method: 'get' | 'post';
  readonly path: string;
  /** Throws CoreRefusal when nothing began. */
  readonly run: (vouched: Vouched) => Promise<Reply>;
};

/** A write: reads path and body, then runs once under its key. */
function write(id: string, path: string, prepare: (body: unknown, vouched: Vouched) => Work): CoreOperation {
  return {
    id,
    method: 'post',
    path,
    run: async (vouched) => {
      const { derivedKey } = vouched.assertion;
      if (derivedKey === undefined) throw new CoreRefusal('IDEMPOTENCY_KEY_REQUIRED');
      const work = prepare(readJsonBody(vouched.request), vouched);
      return executeOnce(vouched.database, { ...vouched.assertion, derivedKey }, work, vouched.clock);
    },
  };
}

function read(id: string, path: string, answer: (vouched: Vouched) => Answer | Promise<Answer>): CoreOperation {
  return {
    id,
    method: 'get',
    path,
    run: async (vouched) => {
      if (vouched.request.body.length > 0) throw new CoreRefusal('HTTP_INVALID', 'This operation takes no body.');
      return replyOf(await answer(vouched));
    },
  };
}

/** Everything that the core can do. */
export const OPERATIONS: readonly CoreOperation[] = [
  write('orders.create', '/v1/orders', (body, { assertion }) => {
    const request = readOrderRequest(body, assertion.merchantNumber);
    return { subject: request, run: (scope) => createOrder(scope, request) };
  }),
  write('payments.create', '/v1/orders/:orderNo/payments', (body, { assertion, parameters }) => {
    const request = readPaymentRequest(readOrderNo(parameters.orderNo), body, assertion.merchantNumber);
    return { subject: request, run: (scope) => payOrder(scope, request) };
  }),
  write('orders.close', '/v1/orders/:orderNo/close', (body, { parameters }) => {
    const request = readCloseRequest(readOrderNo(parameters.orderNo), body);
    return { subject: request, run: (scope) => closeOrder(scope, request) };
  }),
  read('orders.get', '/v1/orders/:orderNo', ({ database, assertion, parameters }) =>
    getOrder(database, assertion.merchantNumber, readOrderNo(parameters.orderNo)),
  ),
  read('accounts.balance', '/v1/accounts/:accountNo/balance', ({ database, assertion, parameters, clock }) =>
    getBalance(database, assertion.merchantNumber, readAccountNo(parameters.accountNo), clock()),
  ),
  read('executions.get', '/v1/executions/:derivedKey', ({ database, assertion, parameters }) =>
    getExecution(database, assertion.merchantNumber, readDerivedKey(parameters.derivedKey)),
  ),
];
