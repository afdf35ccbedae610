import assert from 'node:assert/strict';
import { chmodSync, copyFileSync, mkdirSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import { UserError } from '../../src/lib/user-error.ts';
import { StoreUnavailable } from '../../src/ports/store.ts';
import { findNetworkFileSystem } from '../../src/store/sqlite/file.ts';
import { makeStoreFile } from './sqlite-file.ts';
import { admission, FIRST, openEpoch, total, worldOf } from './world.ts';

const COMPANIONS = ['', '-wal', '-shm'];
const stateOf = async (store: Awaited<ReturnType<Awaited<ReturnType<typeof makeStoreFile>>['open']>>) => (await store.epoch()).state;
const checkWhole = (file: string) => {
  const database = new DatabaseSync(file, { readOnly: true });
  assert.deepEqual({ ...database.prepare('PRAGMA integrity_check').get() }, { integrity_check: 'ok' });
  database.close();
};

test('the file and what SQLite keeps beside it are readable by their owner only, also when they were not', async (t) => {
  const { file, open } = await makeStoreFile(t);
  await (await open()).close();
  chmodSync(file, 0o644);
  const store = await open();
  await openEpoch(store, 'e1', [FIRST]);
  for (const suffix of [...COMPANIONS, '.lock']) assert.equal(statSync(file + suffix).mode & 0o777, 0o600, suffix);
});

test('a clean restart finds everything as it was', async (t) => {
  const { open } = await makeStoreFile(t);
  const first = await open();
  await openEpoch(first, 'e1', [FIRST]);
  await worldOf(first).admit('a', { totals: [total(10, 100)] });
  await first.close();
  const second = await open();
  assert.deepEqual(await stateOf(second), { kind: 'open', epoch: 'e1', reported: ['gateway-1'], slotsClosedUntilMs: 0 });
  assert.deepEqual(await worldOf(second).sums(), [0, 10]);
  assert.equal((await second.admit(admission('b', { nonce: 'nonce-a' }))).kind, 'nonce');
});

for (const left of [[], ['-wal'], ['-wal', '-shm']]) {
  test(`a file deleted while two processes have it open is a lost store; left behind: ${left.join(' ') || 'nothing'}`, async (t) => {
    const { file, open } = await makeStoreFile(t);
    const [one, other] = [await open(), await open()];
    await openEpoch(one, 'e1', [FIRST]);
    await one.admit(admission('a', { totals: [total(10, 100)] }));
    await other.admit(admission('b', { totals: [total(10, 100)] }));
    for (const suffix of COMPANIONS) if (!left.includes(suffix)) rmSync(file + suffix);
    for (const store of [one, other]) {
      await assert.rejects(store.admit(admission('c')), StoreUnavailable);
      await assert.rejects(store.usage({ merchantNumber: FIRST, counters: [] }), StoreUnavailable);
    }
    assert.deepEqual(await stateOf(one), { kind: 'lost' });
    await openEpoch(one, 'e2', [FIRST]);
    await assert.rejects(other.admit(admission('d', { epoch: 'e1' })), StoreUnavailable, 'the other has not looked yet');
    const state = await stateOf(other);
    assert.ok(state.kind === 'open' && state.epoch === 'e2');
    const totals = [total(10, 100)];
    assert.equal((await one.admit(admission('e', { epoch: 'e2', totals }))).kind, 'admitted');
    assert.equal((await other.admit(admission('f', { epoch: 'e2', totals }))).kind, 'admitted');
    assert.deepEqual(await worldOf(one).sums(), [0, 20]);
    assert.deepEqual(await worldOf(other).sums(), [0, 20]);
    await other.close();
    assert.equal((await one.admit(admission('g', { epoch: 'e2', totals }))).kind, 'admitted', 'the other took nothing with it');
    await one.close();
    checkWhole(file);
  });
}

test('a backup put in its place is a lost store, running or stopped', async (t) => {
  const { directory, file, open } = await makeStoreFile(t);
  const store = await open();
  await openEpoch(store, 'e1', [FIRST]);
  await store.close();
  copyFileSync(file, join(directory, 'backup'));
  const again = await open();
  assert.equal((await stateOf(again)).kind, 'open');
  await again.admit(admission('a', { totals: [total(10, 100)] }));
  renameSync(join(directory, 'backup'), file);
  await assert.rejects(again.admit(admission('b')), StoreUnavailable);
  assert.deepEqual(await stateOf(again), { kind: 'lost', previous: 'e1' });
  assert.equal((await again.admit(admission('b', { nonce: 'nonce-a' }))).kind === 'nonce', false, 'the backup knows nothing of it');
  await openEpoch(again, 'e2', [FIRST], 'e1');
  await again.close();
  checkWhole(file);
  copyFileSync(file, join(directory, 'second'));
  renameSync(join(directory, 'second'), file);
  assert.deepEqual(await stateOf(await open()), { kind: 'lost', previous: 'e2' });
});

test('a file that went away and cannot be made again is a store that is away, until it can', async (t) => {
  const { directory, open } = await makeStoreFile(t);
  const store = await open();
  renameSync(directory, `${directory}-away`);
  writeFileSync(directory, 'in the way');
  await assert.rejects(store.epoch(), StoreUnavailable);
  await assert.rejects(store.epoch(), StoreUnavailable);
  rmSync(directory);
  mkdirSync(directory);
  assert.deepEqual(await stateOf(store), { kind: 'lost' });
  rmSync(`${directory}-away`, { recursive: true });
});

test('files that cannot be a store are told in one line', async (t) => {
  const { directory, file, open } = await makeStoreFile(t);
  writeFileSync(file, 'this is not a database, and it is longer than a header of one hundred bytes '.repeat(20));
  await assert.rejects(open(), (error) => error instanceof UserError && error.message.includes(file) && !error.message.includes('\n'));
  rmSync(file);
  const database = new DatabaseSync(file);
  database.exec('PRAGMA user_version = 99');
  database.close();
  await assert.rejects(open(), (error) => error instanceof UserError && /version 99/.test(error.message));
  await assert.rejects(open({ file: join(file, 'below-a-file') }), UserError);
  mkdirSync(join(directory, 'folder'));
  await assert.rejects(open({ file: join(directory, 'folder') }), UserError);
});

test('network file systems are known by their type, signed or not', () => {
  const rows = [
    [0x6969, 'NFS'],
    [0xff534d42, 'CIFS'],
    [0xff534d42 | 0, 'CIFS'],
    [0x517b, 'SMB'],
    [0x65735546, 'FUSE'],
    [0xef53, undefined],
    [0x01021994, undefined],
    [0x58465342, undefined],
    [0x9123683e, undefined],
    [0x794c7630, undefined],
  ] as const;
  for (const [type, name] of rows) assert.equal(findNetworkFileSystem(type), name, type.toString(16));
});
