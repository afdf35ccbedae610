import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { after, before, type TestContext, test } from 'node:test';
import { openDatabase } from '../../src/reference-core/ledger/database.ts';
import {
  executionQuery,
  freshKey,
  freshOrderNo,
  MERCHANT_1,
  orderCall,
  orderQuery,
  startTestCore,
  type TestCore,
} from '../support/core.ts';

let nowMs = Date.parse('2026-11-23T12:00:00.000Z');
let core: TestCore;
before(async () => {
  core = await startTestCore({ nowMs: () => nowMs });
});
after(async () => {
  const { problems } = await core.readLedger().finally(core.dispose);
  assert.deepEqual(problems, []);
});

/** Another process on the ledger, in the middle of a transaction; BEGIN IMMEDIATE takes the write lock. */
function holdLock(t: TestContext): DatabaseSync {
  const other = new DatabaseSync(core.databaseFile);
  t.after(() => other.close());
  other.exec('BEGIN IMMEDIATE');
  return other;
}

/** Goes through the core's event loop and database until what went before must have reached the lock. */
async function letThrough(): Promise<void> {
  for (let i = 0; i < 5; i += 1) assert.equal((await core.call({ ...orderQuery(freshOrderNo()), nowMs })).status, 404);
}

const isSettled = async (promise: Promise<unknown>): Promise<boolean> => {
  const pending = Symbol('pending');
  return (await Promise.race([promise, Promise.resolve(pending)])) !== pending;
};

for (const [lateMs, status, why] of [
  [-1, 201, 'one millisecond before the expiry it may begin'],
  [0, 401, 'at the expiry it may not'],
  [1, 401, 'after the expiry it may not'],
] as const) {
  test(`expiry: ${why}`, async () => {
    const issuedMs = nowMs;
    const call = { ...orderCall(freshOrderNo(), 1), nowMs: issuedMs };
    nowMs = Math.floor(issuedMs / 1000) * 1000 + 30_000 + lateMs;
    const answer = await core.call(call);
    assert.deepEqual([answer.status, answer.code], [status, status === 401 ? 'ASSERTION_EXPIRED' : undefined]);
    const query = await core.call({ ...executionQuery(call.key as string), nowMs });
    assert.equal(query.status, status === 401 ? 404 : 200);
  });
}

for (const [lateMs, status, why] of [
  [-1, 201, 'won the lock in time'],
  [0, 401, 'waited for the lock until the expiry'],
] as const) {
  test(`the clock is read under the lock: ${why}`, async (t) => {
    nowMs = Math.ceil(nowMs / 1000) * 1000;
    const call = { ...orderCall(freshOrderNo(), 1), nowMs };
    const other = holdLock(t);
    const answer = core.call(call);
    await letThrough();
    assert.equal(await isSettled(answer), false);
    nowMs += 30_000 + lateMs;
    other.exec('ROLLBACK');
    assert.equal((await answer).status, status);
    assert.equal((await core.call({ ...executionQuery(call.key as string), nowMs })).status, status === 201 ? 200 : 404);
  });
}

/** Writes, in another process's open transaction, the row that a query reads. */
function executeElsewhere(other: DatabaseSync, key: string): void {
  other
    .prepare(
      `INSERT INTO executions (merchant_number, derived_key, method, target, body_digest, status, http_status, body, order_no, executed_at_ms)
       VALUES (?, ?, 'POST', '/v1/orders', 'd', 'SUCCEEDED', 201, ?, 'A1', 1)`,
    )
    .run(MERCHANT_1, key, Buffer.from('{"status":"CREATED"}'));
  other
    .prepare(
      `INSERT INTO runs (merchant_number, derived_key, operation, order_no, request_id, certificate, begun_at_ms) VALUES (?, ?, 'o', 'A1', 'r', 'c', 1)`,
    )
    .run(MERCHANT_1, key);
}

for (const [end, status, why] of [
  ['COMMIT', 200, 'an execution that has begun is never "not found"'],
  ['ROLLBACK', 404, 'one that came to nothing is'],
] as const) {
  test(`the query waits for what is under way: ${why}`, async (t) => {
    const key = freshKey();
    const other = holdLock(t);
    executeElsewhere(other, key);
    const query = core.call({ ...executionQuery(key), nowMs });
    await letThrough();
    assert.equal(await isSettled(query), false, 'a snapshot would have said "not found" by now');
    other.exec(end);
    assert.equal((await query).status, status);
  });
}

test('payments and queries of one key at once: once found, always found, and found as soon as answered', async () => {
  for (let round = 0; round < 5; round += 1) {
    const call = { ...orderCall(freshOrderNo(), 1), nowMs };
    const query = { ...executionQuery(call.key as string), nowMs };
    let found = false;
    const ask = async () => {
      const foundBefore = found;
      const { status } = await core.call(query);
      if (status === 200) found = true;
      assert.ok(status === 200 || !foundBefore, 'was found before it was asked');
    };
    const payment = core.call(call).then(() => {
      found = true;
    });
    await Promise.all([payment, ...Array.from({ length: 10 }, ask)]);
    await ask();
  }
});

test('a lock that is not given back in time is said to be busy, and nothing ran', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'hufu-core-'));
  const file = join(directory, 'core.db');
  const database = openDatabase(file, { lockWaitMsMax: 20 });
  const other = new DatabaseSync(file);
  other.exec('BEGIN IMMEDIATE');
  let ran = false;
  const work = () => {
    ran = true;
  };
  await assert.rejects(database.writeLocked(work), { code: 'BUSY' });
  assert.equal(ran, false);
  other.exec('ROLLBACK');
  await database.writeLocked(work);
  assert.equal(ran, true);
  other.close();
  database.close();
  assert.equal(existsSync(`${file}-wal`), false, 'the last one to close leaves one file');
  rmSync(directory, { recursive: true });
});
