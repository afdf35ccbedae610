import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { type Database, openDatabase } from '../../src/reference-core/ledger/database.ts';
import { ATTEMPT_STATES, ORDER_STATES } from '../../src/reference-core/states.ts';

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

let count = 0;
function insertOrder(status: string): string {
  count += 1;
  database.run(
    `INSERT INTO orders (merchant_number, order_no, amount_fen, currency, subject, status, created_at_ms) VALUES ('m', ?, 1, 'CNY', 's', ?, 0)`,
    `o${count}`,
    status,
  );
  return `o${count}`;
}

function insertAttempt(orderNo: string, status: string): number {
  return database.run(
    `INSERT INTO attempts (merchant_number, order_no, method, payer_account_no, amount_fen, currency, status, begun_at_ms)
     VALUES ('m', ?, 'OWN_BANK', 'p', 1, 'CNY', ?, 0)`,
    orderNo,
    status,
  ).rowId;
}

/** Every step between two states: the database takes exactly those of the table. */
function checkMachine(machine: Readonly<Record<string, readonly string[]>>, table: string, step: (from: string, to: string) => void): void {
  for (const from of Object.keys(machine)) {
    for (const to of Object.keys(machine)) {
      const isLegal = from === to || machine[from]?.includes(to);
      if (isLegal) assert.doesNotThrow(() => step(from, to), `${from} -> ${to}`);
      else assert.throws(() => step(from, to), new RegExp(`${table}: illegal step`), `${from} -> ${to}`);
    }
  }
}

test('orders take the steps of their machine and no others', () =>
  checkMachine(ORDER_STATES, 'orders', (from, to) =>
    database.run(`UPDATE orders SET status = ? WHERE merchant_number = 'm' AND order_no = ?`, to, insertOrder(from)),
  ));

test('attempts take the steps of their machine and no others', () =>
  checkMachine(ATTEMPT_STATES, 'attempts', (from, to) =>
    database.run('UPDATE attempts SET status = ? WHERE attempt_no = ?', to, insertAttempt(insertOrder('PAYING'), from)),
  ));

test('a state that no machine has cannot be written', () => {
  assert.throws(() => insertOrder('LOST'), /CHECK/);
  assert.throws(() => insertAttempt(insertOrder('PAYING'), 'LOST'), /CHECK/);
});

for (const [live, why] of [
  ['SENT', 'is under way'],
  ['UNKNOWN', 'may still succeed'],
  ['REVERSING', 'is being reversed'],
  ['SUCCESS', 'has succeeded'],
] as const) {
  test(`no second attempt beside one that ${why}`, () => {
    const orderNo = insertOrder('PAYING');
    insertAttempt(orderNo, 'FAILED');
    insertAttempt(orderNo, live);
    assert.throws(() => insertAttempt(orderNo, 'INIT'), /UNIQUE/);
    assert.doesNotThrow(() => insertAttempt(orderNo, 'REVERSED'), 'one that is over for certain counts no more');
  });
}

test('orders and attempts are never deleted', () => {
  const orderNo = insertOrder('CREATED');
  const attemptNo = insertAttempt(orderNo, 'FAILED');
  assert.throws(() => database.run('DELETE FROM attempts WHERE attempt_no = ?', attemptNo), /never deleted/);
  assert.throws(() => database.run('DELETE FROM orders WHERE order_no = ?', orderNo), /never deleted|FOREIGN KEY/);
});
