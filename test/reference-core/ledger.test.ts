import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import fc from 'fast-check';
import { findAccount, openAccount, type Side } from '../../src/reference-core/ledger/accounts.ts';
import { type Database, openDatabase } from '../../src/reference-core/ledger/database.ts';
import { findLedgerProblems } from '../../src/reference-core/ledger/figures.ts';
import { isPosted, type Posting, postJournal } from '../../src/reference-core/ledger/journals.ts';

let directory: string;
let database: Database;
before(() => {
  directory = mkdtempSync(join(tmpdir(), 'hufu-core-'));
  database = openDatabase(join(directory, 'core.db'));
});
after(() => {
  database.close();
  rmSync(directory, { recursive: true });
});

let serial = 0;
/** Three customers and the bank, all empty, numbered afresh. */
async function openBooks(): Promise<string[]> {
  serial += 1;
  const numbers = ['bank', 'a', 'b', 'c'].map((name) => `${serial}-${name}`);
  await database.writeLocked(() => {
    numbers.forEach((accountNo, i) => {
      openAccount(database, { accountNo, class: i === 0 ? 'BANK_INTERNAL' : 'PASSBOOK', owner: accountNo, currency: 'CNY' });
    });
  });
  return numbers;
}

const post = (idempotencyKey: string, postings: readonly Posting[], currency = 'CNY'): Promise<number> =>
  database.writeLocked(() =>
    postJournal(database, { type: 'PAYMENT', idempotencyKey, accountingDate: '20261123', currency, postedAtMs: 0, postings }),
  );

/** Balances as a plain sum; undefined when the journal must be refused. */
function nextBalances(balances: ReadonlyMap<string, number>, postings: readonly Posting[]): Map<string, number> | undefined {
  const next = new Map(balances);
  let differenceFen = 0;
  for (const { accountNo, side, amountFen } of postings) {
    differenceFen += side === 'DEBIT' ? amountFen : -amountFen;
    const grows = accountNo.endsWith('bank') === (side === 'DEBIT');
    next.set(accountNo, (next.get(accountNo) as number) + (grows ? amountFen : -amountFen));
    // Legs are posted one after the other, and no customer is below zero even between two.
    if (!accountNo.endsWith('bank') && (next.get(accountNo) as number) < 0) return undefined;
  }
  return differenceFen === 0 && postings.length > 0 ? next : undefined;
}

const leg = fc.record({ account: fc.nat(3), side: fc.constantFrom<Side>('DEBIT', 'CREDIT'), amountFen: fc.integer({ min: 1, max: 50 }) });
/** Half of the journals balance by their making: money moves from one account to another. */
const move = fc.tuple(fc.nat(3), fc.nat(3), fc.integer({ min: 1, max: 50 })).map(([from, to, amountFen]) => [
  { account: from, side: 'DEBIT' as Side, amountFen },
  { account: to, side: 'CREDIT' as Side, amountFen },
]);
const journal = fc.record({ key: fc.nat(20), legs: fc.oneof(move, fc.array(leg, { maxLength: 4 })) });

test('L1 L2 L3 L5 L6: the ledger does what a plain sum does, whatever is posted', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(journal, { maxLength: 25 }), async (journals) => {
      const numbers = await openBooks();
      let balances: Map<string, number> = new Map(numbers.map((number) => [number, 0]));
      const keys = new Set<string>();
      for (const { key, legs } of journals) {
        const idempotencyKey = `${serial}:${key}`;
        const postings = legs.map(({ account, side, amountFen }) => ({ accountNo: numbers[account] as string, side, amountFen }));
        const next = keys.has(idempotencyKey) ? undefined : nextBalances(balances, postings);
        if (next) {
          await post(idempotencyKey, postings);
          keys.add(idempotencyKey);
          balances = next;
        } else {
          await assert.rejects(post(idempotencyKey, postings));
        }
        assert.equal(isPosted(database, idempotencyKey), keys.has(idempotencyKey));
        for (const [number, balance] of balances) {
          const account = findAccount(database, number);
          assert.deepEqual([account?.balanceFen, account?.availableFen], [balance, balance]);
        }
      }
      const customersFen = numbers.slice(1).reduce((sum, number) => sum + (balances.get(number) as number), 0);
      assert.equal(balances.get(numbers[0] as string), customersFen, 'all money came from the bank');
    }),
    { numRuns: 30 },
  );
  // Journals of these tests belong to no payment, which is the one rule they break on purpose.
  assert.deepEqual(
    findLedgerProblems(database).filter((problem) => !problem.startsWith('payment journal without')),
    [],
  );
});

const wrong: readonly (readonly [readonly Omit<Posting, 'accountNo'>[], RegExp, string])[] = [
  [[], /no postings/, 'nothing'],
  [[{ side: 'DEBIT', amountFen: 1 }], /debits 1 fen, credits 0 fen/, 'one leg'],
  [
    [
      { side: 'DEBIT', amountFen: 2 },
      { side: 'CREDIT', amountFen: 1 },
    ],
    /debits 2 fen, credits 1 fen/,
    'unequal legs',
  ],
  [
    [
      { side: 'DEBIT', amountFen: 0 },
      { side: 'CREDIT', amountFen: 0 },
    ],
    /not an amount/,
    'nothing on both sides',
  ],
  [
    [
      { side: 'DEBIT', amountFen: -1 },
      { side: 'CREDIT', amountFen: -1 },
    ],
    /not an amount/,
    'negative amounts',
  ],
  [
    [
      { side: 'DEBIT', amountFen: 0.5 },
      { side: 'CREDIT', amountFen: 0.5 },
    ],
    /not an amount/,
    'parts of a fen',
  ],
  [
    [
      { side: 'DEBIT', amountFen: Number.NaN },
      { side: 'CREDIT', amountFen: Number.NaN },
    ],
    /not an amount/,
    'not a number',
  ],
  [
    [2 ** 53 - 1, 2 ** 53 - 1].flatMap((amountFen) => [
      { side: 'DEBIT' as Side, amountFen },
      { side: 'CREDIT' as Side, amountFen },
    ]),
    /out of bounds/,
    'a sum that is no longer exact',
  ],
];
for (const [legs, message, why] of wrong) {
  test(`a journal is refused: ${why}`, async () => {
    const [bank] = await openBooks();
    await assert.rejects(
      post(
        `wrong ${serial}`,
        legs.map((one) => ({ ...one, accountNo: bank as string })),
      ),
      message,
    );
    assert.equal(isPosted(database, `wrong ${serial}`), false);
  });
}

test('a journal of another currency than its account, or of no account, leaves nothing', async () => {
  const [bank, a] = (await openBooks()) as [string, string];
  const legs = (to: string): Posting[] => [
    { accountNo: bank, side: 'DEBIT', amountFen: 5 },
    { accountNo: to, side: 'CREDIT', amountFen: 5 },
  ];
  await assert.rejects(post(`usd ${serial}`, legs(a), 'USD'), /another currency/);
  await assert.rejects(post(`nobody ${serial}`, legs('nobody')), /FOREIGN KEY/);
  assert.equal(findAccount(database, bank)?.balanceFen, 0);
});

test('L7: what is posted or executed is never changed, not even by REPLACE', async () => {
  const [bank, a] = (await openBooks()) as [string, string];
  const journalNo = await post(`kept ${serial}`, [
    { accountNo: bank, side: 'DEBIT', amountFen: 5 },
    { accountNo: a, side: 'CREDIT', amountFen: 5 },
  ]);
  database.run(`INSERT INTO executions (merchant_number, derived_key, method, target, body_digest, status, http_status, body, order_no, executed_at_ms)
    VALUES ('m', 'k', 'POST', '/', 'd', 'SUCCEEDED', 200, x'7b7d', 'o', 0)`);
  database.run(
    `INSERT INTO runs (merchant_number, derived_key, operation, order_no, request_id, certificate, begun_at_ms) VALUES ('m', 'k', 'o', 'o', 'r', 'c', 0)`,
  );
  const attempts = [
    `UPDATE postings SET amount_fen = 6 WHERE journal_no = ${journalNo}`,
    `DELETE FROM postings WHERE journal_no = ${journalNo}`,
    `INSERT OR REPLACE INTO postings VALUES (${journalNo}, 0, '${a}', 'CREDIT', 9)`,
    `UPDATE journals SET type = 'SEED' WHERE journal_no = ${journalNo}`,
    `DELETE FROM journals WHERE journal_no = ${journalNo}`,
    `INSERT OR REPLACE INTO journals VALUES (${journalNo}, 'SEED', 'x', '20261123', 'CNY', 0)`,
    `UPDATE executions SET status = 'FAILED'`,
    'DELETE FROM executions',
    `INSERT OR REPLACE INTO executions (merchant_number, derived_key, method, target, body_digest, status, http_status, body, order_no, executed_at_ms)
     VALUES ('m', 'k', 'POST', '/', 'd', 'FAILED', 200, x'7b7d', 'o', 0)`,
    `UPDATE runs SET order_no = 'p'`,
    'DELETE FROM runs',
  ];
  for (const sql of attempts) assert.throws(() => database.run(sql), /append-only/, sql);
  assert.equal(findAccount(database, a)?.balanceFen, 5);
});

test('the check of the books finds each kind of damage', async () => {
  const [bank, a] = (await openBooks()) as [string, string];
  const damage: readonly (readonly [string, RegExp])[] = [
    [`UPDATE accounts SET balance_fen = 1 WHERE account_no = '${a}'`, /balance is not the sum/],
    [`INSERT INTO journals VALUES (NULL, 'SEED', 'empty ${serial}', '20261123', 'CNY', 0)`, /debits differ from credits/],
    [`INSERT INTO postings VALUES ((SELECT min(journal_no) FROM journals), 90, '${bank}', 'DEBIT', 1)`, /debits differ from credits/],
    [
      `INSERT INTO orders (merchant_number, order_no, amount_fen, currency, subject, status, created_at_ms) VALUES ('m', 'd', 1, 'CNY', 's', 'PAID', 0)`,
      /paid without/,
    ],
    [
      `INSERT INTO runs (merchant_number, derived_key, operation, order_no, request_id, certificate, begun_at_ms) VALUES ('m', 'k2', 'o', 'o', 'r', 'c', 0)`,
      /run more than once/,
    ],
  ];
  for (const [sql, problem] of damage) {
    const undone = new Error('undone');
    const harm = database.writeLocked(() => {
      database.run(sql);
      assert.ok(
        findLedgerProblems(database).some((found) => problem.test(found)),
        sql,
      );
      throw undone;
    });
    await assert.rejects(harm, undone);
  }
});
