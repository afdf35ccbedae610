import { sha256 } from '../../src/lib/bytes.ts';
import type { LimitRule } from '../../src/protocol/merchant.ts';
import type { Opened } from '../../src/protocol/messages.ts';
import type { Operation } from '../../src/protocol/operation.ts';

const NONE = () => [];

export const PAY: Operation = {
  id: 'payments.create',
  method: 'POST',
  path: '/v1/orders/{orderNo}/payments',
  level: 'A2',
  channels: ['internet'],
  idempotency: 'required',
  merchant: [],
  amount: '/amountFen',
  currency: '/currency',
  limits: 'totals',
  outcome: {
    rules: [],
    repeat: [
      { request: 'path:orderNo', answer: '/orderNo' },
      { request: '/amountFen', answer: '/amountFen' },
      { request: 'merchantNumber', answer: '/merchantNumber' },
      { request: '/nothing', answer: '/nothing' },
      { request: '/nested', answer: '/nested' },
    ],
  },
  resolve: {
    operationId: 'executions.get',
    parameters: { derivedKey: 'derivedKey', orderNo: 'path:orderNo', amount: '/amountFen' },
    rules: [],
    notFound: 'afterExpiry',
  },
  repeatable: true,
  timeoutMs: 20_000,
  answeredBy: 'core',
  hasBody: true,
  bodyBytesMax: 65_536,
  dataClasses: [],
  checkBody: NONE,
  checkParameters: NONE,
  checkAnswer: NONE,
};

/** An operation that only reads: no key, no amount. */
export const READ: Operation = (({ amount: _, currency: __, resolve: ___, ...rest }) => ({
  ...rest,
  id: 'orders.get',
  method: 'GET' as const,
  path: '/v1/orders/{orderNo}',
  idempotency: 'none' as const,
  limits: 'none' as const,
  hasBody: false,
}))(PAY);

export const RULES: readonly LimitRule[] = [
  { kind: 'rate', name: 'requests', scope: 'merchant', operations: [], allow: 100, perMs: 1000, burst: 100 },
  { kind: 'amount', name: 'single', operations: [], currency: 'CNY', minFen: 10, maxFen: 5_000 },
  { kind: 'total', name: 'daily', of: 'amount', per: 'day', scope: 'merchant', operations: [], currency: 'CNY', max: 10_000 },
];

let counter = 0;

/** A verified, opened payment of 1.00 with a nonce of its own. */
export function paymentOf(changes: Partial<Opened> = {}, rules = RULES): Opened {
  counter += 1;
  const value = { amountFen: changes.amountFen ?? 100, currency: 'CNY', nested: { a: 1 } };
  const body = Buffer.from(JSON.stringify(value));
  return {
    accessRules: [],
    access: { rule: 'P6', controls: [] },
    requestId: `request-${counter}`,
    receivedAtMs: 0,
    times: {},
    peer: {
      thumbprint: 't',
      bindingKey: 'b',
      trust: 't',
      subject: 'CN=m',
      serialNumber: '01',
      authority: 'a',
      keyid: 'k',
      issuerKeyid: 'a',
      responders: [],
      notBeforeMs: 0,
      notAfterMs: 1,
    },
    channel: 'internet',
    address: '127.0.0.1',
    method: 'POST',
    target: '/v1/orders/A-1/payments',
    rawHeaders: ['Content-Type', 'application/json'],
    body,
    merchant: {
      number: '800000000000001',
      name: 'M',
      status: 'active',
      channels: ['internet'],
      rules,
      keySources: new Set(['registered']),
      signatures: new Set(['rfc9421']),
      signatureOptions: {
        'wechatpay-v3': {},
        'alipay-v3': {},
        'sorted-rsa2': {},
        jws: { profile: 'obie-3.1.4', trustAnchor: 'openbanking.org.uk', answerIssuer: 'hufu' },
      },
      answerAlgorithm: 'ed25519',
    },
    operation: PAY,
    pathParameters: { orderNo: 'A-1' },
    key: { keyid: 'k', algorithm: 'ed25519' },
    nonce: `nonce-${counter}`,
    createdAtSeconds: 0,
    scheme: 'rfc9421',
    signatureBase: '',
    signedDigest: Buffer.alloc(32),
    signature: Buffer.alloc(0),
    bodyDigest: sha256(body),
    value,
    amountFen: 100,
    currency: 'CNY',
    mark: 'mark-1',
    idempotencyKey: 'key-1',
    ...changes,
  };
}

/** The same as a read without body or key. */
export function readOf(changes: Partial<Opened> = {}, rules = RULES): Opened {
  const { amountFen: _, currency: __, idempotencyKey: ___, ...rest } = paymentOf({}, rules);
  return { ...rest, method: 'GET', operation: READ, body: Buffer.alloc(0), value: undefined, ...changes };
}
