import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import fc from 'fast-check';
import { CoreRefusal, type Reply } from '../../src/reference-core/answers.ts';
import { findAccount, openAccount } from '../../src/reference-core/ledger/accounts.ts';
import { type Database, openDatabase } from '../../src/reference-core/ledger/database.ts';
import { findLedgerProblems } from '../../src/reference-core/ledger/figures.ts';
import { postJournal } from '../../src/reference-core/ledger/journals.ts';
import { OPERATIONS } from '../../src/reference-core/operations.ts';

let directory: string;
before(() => {
  directory = mkdtempSync(join(tmpdir(), 'hufu-core-'));
});
after(() => rmSync(directory, { recursive: true }));

const MERCHANTS = ['800000000000001', '800000000000002'] as const;
const PAYERS = ['62000001', '62000002'] as const;
const SETTLEMENTS = ['68000001', '68000002'] as const;
const START_FEN = 100;

type Step =
  | { kind: 'restart' }
  | { kind: 'order' | 'pay' | 'close'; merchant: 0 | 1; key: number; order: number; amountFen: number; payer: 0 | 1; late: boolean };

/** The core in a few lines: maps and sums, no database, no HTTP. */
function createModel() {
  const kept = new Map<string, { request: string; answer: string }>();
  const orders = new Map<string, { amountFen: number; status: string }>();
  const balances = new Map<string, number>([...PAYERS.map((no) => [no, START_FEN] as const), ...SETTLEMENTS.map((no) => [no, 0] as const)]);
  const decide = (step: Exclude<Step, { kind: 'restart' }>): string => {
    const name = `${step.merchant}/${step.order}`;
    const order = orders.get(name);
    if (step.kind === 'order') {
      if (order) return '409 ORDER_EXISTS';
      orders.set(name, { amountFen: step.amountFen, status: 'CREATED' });
      return '201 CREATED';
    }
    if (!order) return '404 ORDER_NOT_FOUND';
    if (step.kind === 'close') {
      if (order.status !== 'CREATED') return '409 ORDER_NOT_CLOSABLE';
      order.status = 'CLOSED';
      return '200 CLOSED';
    }
    if (order.status !== 'CREATED') return '409 ORDER_NOT_PAYABLE';
    if (order.amountFen !== step.amountFen) return '422 AMOUNT_MISMATCH';
    const payer = PAYERS[step.payer];
    const settlement = SETTLEMENTS[step.merchant];
    if ((balances.get(payer) as number) < step.amountFen) return '422 INSUFFICIENT_FUNDS';
    balances.set(payer, (balances.get(payer) as number) - step.amountFen);
    balances.set(settlement, (balances.get(settlement) as number) + step.amountFen);
    order.status = 'PAID';
    return '201 SUCCEEDED';
  };
  const apply = (step: Exclude<Step, { kind: 'restart' }>, request: string): { answer: string; replayed: boolean } => {
    if (step.late) return { answer: '401 ASSERTION_EXPIRED', replayed: false };
    const key = `${step.merchant}/${step.key}`;
    const before = kept.get(key);
    if (before)
      return before.request === request
        ? { answer: before.answer, replayed: true }
        : { answer: '422 IDEMPOTENCY_KEY_REUSED', replayed: false };
    const answer = decide(step);
    kept.set(key, { request, answer });
    return { answer, replayed: false };
  };
  return { apply, balances, kept };
}

const derivedKey = (key: number): string => createHash('sha256').update(String(key)).digest('base64url');

/** What a step is on the wire. */
function wireOf(step: Exclude<Step, { kind: 'restart' }>): { id: string; target: string; body: Buffer } {
  const orderNo = `O${step.order}`;
  const json = (value: unknown): Buffer => Buffer.from(JSON.stringify(value));
  switch (step.kind) {
    case 'order':
      return {
        id: 'orders.create',
        target: '/v1/orders',
        body: json({ orderNo, amountFen: step.amountFen, currency: 'CNY', subject: 's' }),
      };
    case 'close':
      return { id: 'orders.close', target: `/v1/orders/${orderNo}/close`, body: json({}) };
    case 'pay': {
      const body = { amountFen: step.amountFen, currency: 'CNY', method: 'OWN_BANK', payer: { accountNo: PAYERS[step.payer] } };
      return { id: 'payments.create', target: `/v1/orders/${orderNo}/payments`, body: json(body) };
    }
  }
}

async function runStep(
  database: Database,
  step: Exclude<Step, { kind: 'restart' }>,
  nowMs: number,
): Promise<{ answer: string; replayed: boolean; request: string }> {
  const { id, target, body } = wireOf(step);
  const operation = OPERATIONS.find((one) => one.id === id);
  const bodyDigest = createHash('sha256').update(body).digest('base64url');
  const reply: Reply | CoreRefusal = await (operation as (typeof OPERATIONS)[number])
    .run({
      request: { method: 'POST', target, rawHeaders: ['Content-Type', 'application/json'], body },
      parameters: { orderNo: `O${step.order}` },
      assertion: {
        requestId: 'r',
        merchantNumber: MERCHANTS[step.merchant],
        certificate: 'c',
        operationId: id,
        method: 'POST',
        target,
        bodyDigest,
        derivedKey: derivedKey(step.key),
        expiresAtMs: step.late ? nowMs : nowMs + 1,
      },
      database,
      clock: () => nowMs,
    })
    .catch((error: unknown) => {
      if (error instanceof CoreRefusal) return error;
      throw error;
    });
  const request = `${target} ${bodyDigest}`;
  if (reply instanceof CoreRefusal)
    return { answer: `${reply.code === 'IDEMPOTENCY_KEY_REUSED' ? 422 : 401} ${reply.code}`, replayed: false, request };
  const json = JSON.parse(reply.body.toString());
  return { answer: `${reply.status} ${json.code ?? json.status}`, replayed: reply.replayed, request };
}

async function openBooks(file: string): Promise<Database> {
  const database = openDatabase(file);
  await database.writeLocked(() => {
    openAccount(database, { accountNo: '10000001', class: 'BANK_INTERNAL', owner: 'bank', currency: 'CNY' });
    SETTLEMENTS.forEach((accountNo, i) => {
      openAccount(database, { accountNo, class: 'MERCHANT_SETTLE', owner: MERCHANTS[i] as string, currency: 'CNY' });
    });
    for (const accountNo of PAYERS) {
      openAccount(database, { accountNo, class: 'PASSBOOK', owner: 'p', currency: 'CNY' });
      postJournal(database, {
        type: 'SEED',
        idempotencyKey: accountNo,
        accountingDate: '20261123',
        currency: 'CNY',
        postedAtMs: 0,
        postings: [
          { accountNo: '10000001', side: 'DEBIT', amountFen: START_FEN },
          { accountNo, side: 'CREDIT', amountFen: START_FEN },
        ],
      });
    }
  });
  return database;
}

const bit = fc.constantFrom<0 | 1>(0, 1);
const request = fc.record({
  kind: fc.constantFrom<'order' | 'pay' | 'close'>('order', 'order', 'pay', 'pay', 'pay', 'close'),
  merchant: bit,
  key: fc.nat(15),
  order: fc.nat(3),
  amountFen: fc.constantFrom(40, 70),
  payer: bit,
  late: fc.nat(7).map((eighth) => eighth === 0),
});
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 12, arbitrary: request },
  { weight: 1, arbitrary: fc.constant<Step>({ kind: 'restart' }) },
);

let runs = 0;
test('L6 O1 O3 O6: any sequence of orders, payments, closes, repeats and restarts does what the model does', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 40 }), async (steps) => {
      runs += 1;
      const file = join(directory, `${runs}.db`);
      let database = await openBooks(file);
      const model = createModel();
      let nowMs = 1_000_000;
      for (const one of steps) {
        nowMs += 1;
        if (one.kind === 'restart') {
          database.close();
          database = openDatabase(file);
          continue;
        }
        const { request: sent, ...found } = await runStep(database, one, nowMs);
        assert.deepEqual(found, model.apply(one, sent));
        for (const [accountNo, balanceFen] of model.balances) assert.equal(findAccount(database, accountNo)?.balanceFen, balanceFen);
      }
      assert.deepEqual(findLedgerProblems(database), []);
      assert.equal(database.find<{ n: number }>('SELECT count(*) AS n FROM runs')?.n, model.kept.size);
      database.close();
    }),
    { numRuns: 40 },
  );
});
