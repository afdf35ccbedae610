import { generateKeyPairSync } from 'node:crypto';
import { findAt } from '../../src/lib/json-pointer.ts';
import type { CoreReply } from '../../src/ports/core.ts';
import type { ResolveInputs } from '../../src/ports/journal.ts';
import { keyidOf } from '../../src/protocol/keyid.ts';
import type { Journalled } from '../../src/protocol/messages.ts';
import type { Operation, Problem } from '../../src/protocol/operation.ts';

const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
export const assertionKey = { keyid: keyidOf(publicKey), privateKey, publicKey };

/** A schema as small as a test needs: statuses that are described, and the members each must have. */
const described =
  (required: Readonly<Record<number, readonly string[]>>) =>
  (status: number, body: unknown): Problem[] => {
    const pointers = required[status];
    if (!pointers) return [{ pointer: '', message: 'the document does not describe this status' }];
    return pointers.filter((pointer) => findAt(body, pointer) === undefined).map((pointer) => ({ pointer, message: 'is missing' }));
  };

/** A write that pays an order, as config/operations describes one. */
export const pay: Operation = {
  id: 'payments.create',
  method: 'POST',
  path: '/v1/orders/{orderNo}/payments',
  level: 'A2',
  channels: ['internet'],
  idempotency: 'required',
  merchant: ['/merchantNumber'],
  amount: '/amountFen',
  currency: '/currency',
  limits: 'totals',
  outcome: {
    rules: [
      { status: [200, 201], pointer: '/status', values: ['SUCCEEDED'], means: 'succeeded' },
      { status: [202], pointer: '/status', values: ['PROCESSING'], means: 'pending' },
      { status: [422], pointer: '/code', values: ['INSUFFICIENT_FUNDS', 'AMOUNT_MISMATCH'], means: 'failed' },
      { status: [422], pointer: '/code', values: ['INSUFFICIENT_FUNDS'], means: 'succeeded' },
      { status: [500], means: 'failed' },
    ],
    repeat: [
      { request: '/amountFen', answer: '/amountFen' },
      { request: 'path:orderNo', answer: '/orderNo' },
      { request: 'merchantNumber', answer: '/merchantNumber' },
      { request: '/memo', answer: '/memo' },
    ],
  },
  resolve: {
    operationId: 'executions.get',
    parameters: { derivedKey: 'derivedKey' },
    rules: [
      { status: [200], pointer: '/status', values: ['SUCCEEDED'], means: 'succeeded' },
      { status: [200], pointer: '/status', values: ['FAILED'], means: 'failed' },
      { status: [200], pointer: '/status', values: ['PROCESSING'], means: 'pending' },
    ],
    notFoundRules: [{ status: [404], pointer: '/code', values: ['EXECUTION_NOT_FOUND'] }],
    notFound: 'afterExpiry',
  },
  repeatable: true,
  timeoutMs: 2_000,
  answeredBy: 'core',
  hasBody: true,
  bodyBytesMax: 65_536,
  dataClasses: [],
  checkBody: () => [],
  checkParameters: () => [],
  checkAnswer: described({ 200: ['/status'], 201: ['/status'], 202: ['/status'], 422: ['/code'], 409: ['/code'], 500: [], 204: [] }),
};

/** A read that moves nothing. */
export const balance: Operation = {
  ...pay,
  id: 'accounts.balance',
  method: 'GET',
  path: '/v1/accounts/{accountNo}/balance',
  idempotency: 'none',
  limits: 'none',
  hasBody: false,
  outcome: { rules: [{ status: [200], means: 'succeeded' }], repeat: [{ request: 'merchantNumber', answer: '/merchantNumber' }] },
  checkAnswer: described({ 200: ['/balanceFen'], 404: ['/code'] }),
};

export const executions: Operation = {
  ...balance,
  id: 'executions.get',
  path: '/v1/executions/{derivedKey}',
  outcome: { rules: [], repeat: [] },
  checkAnswer: described({ 200: ['/status'], 404: ['/code'] }),
};

export const merchantNumber = '800000000000001';
export const asked = { value: { amountFen: 100, currency: 'CNY' }, pathParameters: { orderNo: 'o1' }, merchantNumber };
export const paid = { status: 'SUCCEEDED', amountFen: 100, orderNo: 'o1', merchantNumber };

export const inputs: ResolveInputs = {
  operationId: 'payments.create',
  requestId: 'r1',
  derivedKey: 'D'.repeat(43),
  parameters: { derivedKey: 'D'.repeat(43) },
  repeat: { '/amountFen': 100, '/orderNo': 'o1', '/merchantNumber': merchantNumber },
};

export function answered(status: number, body: unknown, contentType = 'application/json'): Exclude<CoreReply, { kind: 'notSent' }> {
  const bytes = typeof body === 'string' ? Buffer.from(body) : Buffer.isBuffer(body) ? body : Buffer.from(JSON.stringify(body));
  return { kind: 'answered', answer: { status, contentType, body: bytes }, replayed: false };
}

/** A request that is admitted and journalled; only the members that forwarding reads are there. */
export function journalled(over: Partial<Journalled> = {}): Journalled {
  const sample = {
    requestId: 'r1',
    peer: { thumbprint: 'T'.repeat(43) },
    channel: 'internet',
    method: 'POST',
    target: '/v1/orders/o1/payments?x=%41',
    rawHeaders: ['Content-Type', 'application/json; charset=utf-8'],
    scheme: 'rfc9421',
    signatureBase: '"@method": POST\n"traceparent": whatever stands in rawHeaders\n"@signature-params": ()',
    body: Buffer.from('{"amountFen":100,"currency":"CNY"}'),
    merchant: { number: merchantNumber },
    operation: pay,
    pathParameters: { orderNo: 'o1' },
    value: asked.value,
    claim: { keyHash: 'K'.repeat(43), fingerprint: 'f', derivedKey: 'D'.repeat(43), expiresAtMs: 1_800_000_030_500 },
  };
  return { ...sample, ...over } as unknown as Journalled;
}
