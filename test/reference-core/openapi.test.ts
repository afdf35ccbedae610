import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';
import { parse } from 'yaml';
import { findTime } from '../../src/reference-core/accounting-date.ts';
import { OPERATIONS } from '../../src/reference-core/operations.ts';
import {
  type CoreCallOptions,
  closeCall,
  executionQuery,
  freshOrderNo,
  getCall,
  orderCall,
  orderQuery,
  POOR_PAYER,
  paymentCall,
  startTestCore,
  type TestCore,
} from '../support/core.ts';

type Rule = { status: number | number[]; pointer?: string; values?: string[]; means: string };
type Described = {
  operationId: string;
  'x-hufu': { answeredBy?: string; idempotency?: string; outcome: { rules: Rule[] } };
  responses: Record<string, { $ref?: string; content?: unknown }>;
};

const document = parse(readFileSync(new URL('../../config/operations/payments.yaml', import.meta.url), 'utf8'));
const described = Object.entries(document.paths as Record<string, Record<string, Described>>)
  .flatMap(([path, methods]) => Object.entries(methods).map(([method, operation]) => ({ path, method, operation })))
  .filter(({ operation }) => operation['x-hufu'].answeredBy !== 'gateway');

const ajv = new Ajv2020({ strict: false });
ajv.addFormat('date-time', { type: 'string', validate: (text: string) => findTime(text) !== undefined });
ajv.addSchema(document, 'document');
const schemaOf = (pointer: string): ValidateFunction => ajv.compile({ $ref: `document#${pointer}` });

let core: TestCore;
before(async () => {
  core = await startTestCore();
});
after(() => core.dispose());

test('the core serves exactly the operations that the document leaves to it', () => {
  const rows = (list: readonly { id: string; method: string; path: string }[]) =>
    list.map(({ id, method, path }) => `${id} ${method} ${path}`).sort();
  assert.deepEqual(
    rows(OPERATIONS.map(({ id, method, path }) => ({ id, method, path: path.replace(/:(\w+)/g, '{$1}') }))),
    rows(described.map(({ path, method, operation }) => ({ id: operation.operationId, method, path }))),
  );
});

/** One call for every answer that a rule of the document speaks of, and more. */
async function everyCall(): Promise<CoreCallOptions[]> {
  const [open, paid, closed] = [freshOrderNo(), freshOrderNo(), freshOrderNo()];
  for (const orderNo of [open, paid, closed])
    await core.call({
      ...orderCall(orderNo, 200),
      body: { orderNo, amountFen: 200, currency: 'CNY', subject: 's', expiresAt: '2999-01-01T00:00:00Z' },
    });
  const payment = paymentCall(paid, 200);
  const failed = paymentCall(open, 200, undefined, POOR_PAYER);
  const close = closeCall(closed);
  for (const call of [payment, failed, close]) await core.call(call);
  return [
    orderCall(freshOrderNo(), 1),
    orderCall(open, 1),
    payment,
    paymentCall(freshOrderNo(), 1),
    paymentCall(open, 200, undefined, '62999999'),
    paymentCall(open, 200, undefined, POOR_PAYER),
    paymentCall(open, 1),
    paymentCall(closed, 200),
    close,
    closeCall(paid),
    closeCall(freshOrderNo()),
    ...[open, paid, closed, freshOrderNo()].map(orderQuery),
    getCall('accounts.balance', '/v1/accounts/6800000000000001/balance'),
    getCall('accounts.balance', '/v1/accounts/6900000000000001/balance'),
    ...[payment, failed, close, paymentCall('x', 1)].map(({ key }) => executionQuery(key as string)),
  ];
}

const valueAt = (json: Record<string, unknown>, pointer: string): unknown => json[pointer.slice(1)];
const matches = (rule: Rule, status: number, json: Record<string, unknown>): boolean =>
  [rule.status].flat().includes(status) &&
  (rule.pointer === undefined || (rule.values ?? []).includes(valueAt(json, rule.pointer) as string));

test('every answer fits its schema and is read by a rule as what it means', async () => {
  const seen = new Set<string>();
  for (const call of await everyCall()) {
    const one = described.find(({ operation }) => operation.operationId === call.operation);
    assert.ok(one);
    const answer = await core.call(call);
    const response = one.operation.responses[answer.status];
    assert.ok(response, `${call.operation}: ${answer.status} is not described`);
    const place = response.$ref
      ? response.$ref.slice(1)
      : `/paths/${one.path.replaceAll('/', '~1')}/${one.method}/responses/${answer.status}`;
    const check = schemaOf(`${encodeURI(place)}/content/application~1json/schema`);
    assert.ok(check(answer.json), `${call.operation} ${answer.status}: ${JSON.stringify(check.errors)} ${answer.text}`);
    const rule = one.operation['x-hufu'].outcome.rules.find((candidate) => matches(candidate, answer.status, answer.json));
    assert.ok(rule, `${call.operation} ${answer.status} ${answer.code}: no rule reads it`);
    seen.add(`${call.operation} ${answer.status} ${answer.code ?? ''} ${rule.means}`);
  }
  for (const expected of [
    'orders.create 201  succeeded',
    'orders.create 409 ORDER_EXISTS failed',
    'payments.create 201  succeeded',
    'payments.create 404 ORDER_NOT_FOUND failed',
    'payments.create 404 PAYER_NOT_FOUND failed',
    'payments.create 409 ORDER_NOT_PAYABLE failed',
    'payments.create 422 AMOUNT_MISMATCH failed',
    'payments.create 422 INSUFFICIENT_FUNDS failed',
    'orders.close 200  succeeded',
    'orders.close 404 ORDER_NOT_FOUND failed',
    'orders.close 409 ORDER_NOT_CLOSABLE failed',
    'executions.get 200  succeeded',
    'executions.get 200  failed',
    'executions.get 404 EXECUTION_NOT_FOUND notFound',
  ])
    assert.ok(seen.has(expected), expected);
});
