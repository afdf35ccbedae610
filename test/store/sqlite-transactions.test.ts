import assert from 'node:assert/strict';
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import { type AdmitCommand, StoreUnavailable } from '../../src/ports/store.ts';
import { isBusy, readFailure } from '../../src/store/sqlite/failure.ts';
import { makeStoreFile } from './sqlite-file.ts';
import { admission, COUNTER, DAY, FIRST, NOW, openEpoch, rate, SECOND, total, worldOf } from './world.ts';

/** Takes the write lock of the file, as another process would. */
function lock(file: string): () => void {
  const database = new DatabaseSync(file);
  database.exec('BEGIN IMMEDIATE');
  return () => database.close();
}

test('while another process holds the lock: 503 in time, and the event loop runs on', async (t) => {
  const { file, open } = await makeStoreFile(t);
  const store = await open({ busyTimeoutMs: 5, giveUpMs: 200 });
  await openEpoch(store, 'e1', [FIRST]);
  const unlock = lock(file);
  let turns = 0;
  const ticking = setInterval(() => {
    turns += 1;
  }, 1);
  const results = await Promise.allSettled([
    store.admit(admission('a')),
    store.settle({ ...settleA, outcome: 'failed' }),
    store.admit(admission('b')),
  ]);
  clearInterval(ticking);
  for (const result of results) assert.ok(result.status === 'rejected' && result.reason instanceof StoreUnavailable);
  assert.ok(turns >= 5, `${turns} turns`);
  assert.deepEqual(await worldOf(store).sums(), [0, 0], 'readers are not held up');
  unlock();
  assert.equal((await store.admit(admission('a'))).kind, 'admitted', 'nothing of the first try was left');
});

const settleA = { merchantNumber: FIRST, keyHash: 'key-a', admissionId: 'a', epoch: 'e1', nowMs: NOW };

test('a lock that is given back in time is waited for, in order', async (t) => {
  const { file, open } = await makeStoreFile(t);
  const store = await open({ busyTimeoutMs: 1, giveUpMs: 30_000 });
  await openEpoch(store, 'e1', [FIRST]);
  const unlock = lock(file);
  const first = store.admit(admission('a', { totals: [total(60, 100)] }));
  const second = store.admit(admission('b', { totals: [total(60, 100)] }));
  const settled = store.settle({ ...settleA, outcome: 'succeeded' });
  setTimeout(unlock, 30);
  assert.deepEqual([(await first).kind, (await second).kind, await settled], ['admitted', 'total', 'settled']);
});

test('a command that fails by a bug does not take the others of its transaction down', async (t) => {
  const { open } = await makeStoreFile(t);
  const store = await open();
  await openEpoch(store, 'e1', [FIRST]);
  const shared = { rates: [rate(1, 3)], concurrency: [{ counter: 'all', max: 3 }], totals: [total(1, 100)] };
  const [good, bad, last] = ['a', 'b', 'c'].map((id) => admission(id, shared)) as [AdmitCommand, AdmitCommand, AdmitCommand];
  // Fails while it is written, after its rate and its place among those under way.
  const broken = { ...bad, claim: { ...bad.claim, resolve: { number: 1n } } } as unknown as AdmitCommand;
  const results = await Promise.allSettled([good, broken, last].map(store.admit));
  assert.deepEqual(
    results.map(({ status }) => status),
    ['fulfilled', 'rejected', 'fulfilled'],
  );
  assert.ok(results[1]?.status === 'rejected' && !(results[1].reason instanceof StoreUnavailable), 'a bug is not an outage');
  assert.equal((await store.admit(bad)).kind, 'admitted', 'half of the broken one is not left behind');
  assert.deepEqual(await worldOf(store).sums(), [0, 3]);
});

test('settle and hold have run when they return, before anybody waits for them', async (t) => {
  const { file, open } = await makeStoreFile(t);
  const store = await open();
  await openEpoch(store, 'e1', [FIRST]);
  for (const id of ['a', 'b']) await store.admit(admission(id, { totals: [total(10, 100)] }));
  const reader = new DatabaseSync(file, { readOnly: true });
  const stateOf = (key: string) => reader.prepare('SELECT state FROM claim WHERE keyHash = ?').get(key)?.state;
  const settled = store.settle({ ...settleA, outcome: 'succeeded' });
  const held = store.hold({ ...settleA, keyHash: 'key-b', admissionId: 'b', nextAskMs: NOW });
  const waiting = store.admit(admission('c'));
  assert.deepEqual([stateOf('key-a'), stateOf('key-b'), stateOf('key-c')], ['final', 'unknown', undefined]);
  reader.close();
  await Promise.all([settled, held, waiting]);
});

test('two processes on one file: 200 at once against a total of 100, exactly 100 pass', { timeout: 60_000 }, async (t) => {
  const { file, open } = await makeStoreFile(t);
  const store = await open();
  await openEpoch(store, 'e1', [FIRST]);
  const children = ['one', 'two'].map((name) =>
    fork(new URL('sqlite-process.ts', import.meta.url), [file, name, '100'], { stdio: 'inherit' }),
  );
  t.after(() => children.map((child) => child.kill()));
  await Promise.all(children.map((child) => once(child, 'message')));
  const results = children.map((child) => once(child, 'message'));
  for (const child of children) child.send('go');
  const kinds = (await Promise.all(results)).flatMap(([list]) => list as string[]);
  assert.equal(kinds.filter((kind) => kind === 'admitted').length, 100);
  assert.equal(kinds.filter((kind) => kind === 'total').length, 100);
  assert.deepEqual(await worldOf(store).sums(), [0, 10_000]);
});

test('a closed store fails what waits and what comes', async (t) => {
  const { open } = await makeStoreFile(t);
  const store = await open();
  const waiting = assert.rejects(store.admit(admission('a')), StoreUnavailable);
  await store.close();
  await waiting;
  await assert.rejects(store.admit(admission('b')), StoreUnavailable);
  await assert.rejects(store.merchants(), StoreUnavailable);
  await store.close();
});

/** Rows of a table, by the store's own file. */
const countRows = (file: string, table: string): number => {
  const database = new DatabaseSync(file, { readOnly: true });
  const rows = database.prepare(`SELECT count(*) AS rows FROM ${table}`).get()?.rows as number;
  database.close();
  return rows;
};

test('expired rows go, a few with each admission; open claims never do', async (t) => {
  const { file, open } = await makeStoreFile(t);
  const store = await open();
  await openEpoch(store, 'e1', [FIRST, SECOND]);
  const world = worldOf(store);
  for (let i = 0; i < 40; i += 1) {
    await world.admit(`f${i}`, { totals: [total(1, 1000)], concurrency: [{ counter: 'all', max: 100 }] });
    await world.settle(`f${i}`, 'succeeded', { answer: Buffer.from('answer') });
  }
  await world.admit('unknown', { totals: [total(5, 1000, 'held')] });
  await world.hold('unknown');
  await world.admit('void');
  await world.void('void');
  const rows = () => ['nonce', 'claim', 'reservation', 'tombstone', 'total'].map((table) => countRows(file, table));
  assert.deepEqual(rows(), [42, 41, 42, 1, 2]);
  const admitOthersAt = async (nowMs: number) => {
    for (let i = 0; i < 3; i += 1)
      await store.admit(admission(`${nowMs}-${i}`, { merchantNumber: SECOND, claimless: true, nowMs: nowMs + i * 1000 }));
  };
  await admitOthersAt(NOW + 600_000);
  assert.deepEqual(rows(), [45, 41, 42, 1, 2], 'nothing before its time');
  await admitOthersAt(NOW + DAY + 10_000);
  assert.deepEqual(rows(), [3, 41, 41, 0, 1], 'nonces and the tombstone; the ended window, but not what is held in it');
  assert.equal((await world.claim('key-f0'))?.answer, undefined, 'answers go before their claims');
  assert.equal((await world.claim('key-f0'))?.outcome, 'succeeded');
  await admitOthersAt(NOW + 181 * DAY);
  assert.deepEqual(rows(), [3, 1, 1, 0, 1]);
  assert.equal((await world.claim('key-unknown'))?.state, 'unknown');
  assert.deepEqual(await world.sums('held'), [0, 5]);
});

test('a final claim is kept until its window has ended, also when its own time is over', async (t) => {
  const { open } = await makeStoreFile(t);
  const store = await open();
  await openEpoch(store, 'e1', [FIRST, SECOND]);
  const world = worldOf(store);
  const command = admission('a', { totals: [{ ...total(1, 10), windowEndsMs: NOW + 30 * DAY }] });
  await store.admit({ ...command, claim: { ...(command.claim as NonNullable<typeof command.claim>), keepUntilMs: NOW + DAY } });
  await world.settle('a', 'succeeded');
  for (const [day, state] of [
    [29, 'final'],
    [31, undefined],
  ] as const) {
    await store.admit(admission(`at${day}`, { merchantNumber: SECOND, claimless: true, nowMs: NOW + day * DAY }));
    assert.equal((await world.claim('key-a'))?.state, state, `day ${day}`);
  }
});

test('sums beyond 2^53 - 1 stay exact and read as 2^53 - 1', async (t) => {
  const { open } = await makeStoreFile(t);
  const store = await open();
  await openEpoch(store, 'e1', [FIRST]);
  const world = worldOf(store);
  const most = Number.MAX_SAFE_INTEGER;
  const held = ['a', 'b'].map((id) => admission(id, { totals: [total(most, most)] }));
  await world.replay(
    held.map((command) => ({ type: 'admitted', ...command, ...(command.claim as object), reservation: command.totals }) as never),
  );
  assert.deepEqual(await world.sums(), [0, most]);
  assert.equal((await world.admit('c', { totals: [total(1, most)] })).kind, 'total');
  await world.settle('a', 'failed');
  assert.deepEqual(await world.sums(), [0, most]);
  await world.settle('b', 'failed');
  assert.deepEqual(await store.usage({ merchantNumber: FIRST, counters: [COUNTER] }), [{ counter: COUNTER, committed: 0, reserved: 0 }]);
});

test('which failures mean that the store is away', () => {
  const sqlite = (errcode: number) => Object.assign(new Error('SQLite says so'), { errcode });
  const rows = [
    [5, true, 'SQLITE_BUSY'],
    [261, true, 'SQLITE_BUSY_RECOVERY'],
    [8, true, 'SQLITE_READONLY'],
    [1032, true, 'SQLITE_READONLY_DBMOVED'],
    [10, true, 'SQLITE_IOERR'],
    [11, true, 'SQLITE_CORRUPT'],
    [13, true, 'SQLITE_FULL'],
    [14, true, 'SQLITE_CANTOPEN'],
    [1, false, 'SQLITE_ERROR: our statement is wrong'],
    [19, false, 'SQLITE_CONSTRAINT: our data are wrong'],
    [25, false, 'SQLITE_RANGE'],
  ] as const;
  for (const [code, away, name] of rows) assert.equal(readFailure(sqlite(code)) instanceof StoreUnavailable, away, name);
  const bug = new TypeError('a bug');
  assert.equal(readFailure(bug), bug);
  assert.deepEqual([isBusy(sqlite(261)), isBusy(sqlite(10)), isBusy(bug)], [true, false, false]);
});
