import assert from 'node:assert/strict';
import { after, before, type TestContext, test } from 'node:test';
import type { Store } from '../../src/ports/store.ts';
import { openRedisStore } from '../../src/store/redis/store.ts';
import { eventually } from '../support/eventually.ts';
import { startRedis, type TestRedis } from '../support/redis.ts';
import { admission, admittedFact, DAY, FIRST, openEpoch, total, worldOf } from './world.ts';

let redis: TestRedis;
before(async () => {
  redis = await startRedis({ own: true });
});
after(() => redis.dispose());

async function openOn(t: TestContext, { url }: TestRedis = redis): Promise<Store> {
  const store = await openRedisStore({ url, commandTimeoutMs: 5000 });
  t.after(store.close);
  return store;
}

/** No command of the old epoch may decide or change anything. */
async function everythingIsClosed(store: Store): Promise<void> {
  const world = worldOf(store);
  assert.deepEqual(await world.admit('z'), { kind: 'rebuilding' });
  assert.equal(await world.settle('a', 'succeeded'), 'rebuilding');
  assert.equal(await world.void('a'), false);
  assert.equal(await world.hold('a'), false);
  assert.equal(await store.release({ merchantNumber: FIRST, admissionId: 'a', epoch: 'e1' }), false);
  await world.replay([admittedFact(admission('a', { totals: [total(1, 9)] }))]);
  await store.report({ epoch: 'e1', instance: 'gateway-1', closedUntilMs: 0 });
  await store.openSlot({ merchantNumber: FIRST, epoch: 'e1' });
  assert.deepEqual(await world.admit('z'), { kind: 'rebuilding' });
}

test('redis: FLUSHALL is a loss, though the server is the same run', async (t) => {
  await redis.client.flushall();
  const store = await openOn(t);
  await openEpoch(store, 'e1', [FIRST]);
  const command = admission('a', { totals: [total(5, 9)] });
  await store.admit(command);
  await redis.client.flushall();
  await everythingIsClosed(store);
  assert.deepEqual((await store.epoch()).state, { kind: 'lost' });
  assert.equal(await store.beginEpoch({ epoch: 'e2', previous: 'e1' }), false, 'the record is gone: there is no previous one');
  assert.equal(await store.beginEpoch({ epoch: 'e2' }), true);
  await worldOf(store).replay([admittedFact(command)], 'e2');
  await store.report({ epoch: 'e2', instance: 'gateway-1', closedUntilMs: 0 });
  assert.equal(await store.openEpoch({ epoch: 'e2', instances: ['gateway-1'], merchantNumbers: [FIRST], nowMs: command.nowMs }), true);
  assert.deepEqual(await worldOf(store).sums(), [0, 5]);
  assert.equal((await store.admit(admission('b', { epoch: 'e2', totals: [total(5, 9)] }))).kind, 'total');
});

test('redis: a restart that lost everything is a loss', async (t) => {
  await redis.client.flushall();
  const store = await openOn(t);
  await openEpoch(store, 'e1', [FIRST]);
  await redis.stop();
  await redis.start();
  await eventually(() => store.epoch());
  await everythingIsClosed(store);
  assert.deepEqual((await store.epoch()).state, { kind: 'lost' });
});

test('redis: a restart that kept its data is a loss too, of its last writes, and keeps what it has', async (t) => {
  const lasting = await startRedis({ own: true, settings: ['--appendonly', 'yes', '--appendfsync', 'always'] });
  t.after(lasting.dispose);
  const store = await openOn(t, lasting);
  const world = worldOf(store);
  await openEpoch(store, 'e1', [FIRST]);
  await world.admit('a', { totals: [total(5, 9)] });
  await lasting.stop();
  await lasting.start();
  await eventually(() => store.epoch());
  assert.equal(await lasting.client.get(`${lasting.prefix}{${FIRST}}:epoch`), 'e1', 'the slot still looks open');
  await everythingIsClosed(store);
  assert.deepEqual((await store.epoch()).state, { kind: 'lost', previous: 'e1' });
  await openEpoch(store, 'e2', [FIRST], 'e1');
  assert.deepEqual(await world.sums(), [0, 5]);
  assert.equal(await world.settle('a', 'succeeded', { epoch: 'e2' }), 'settled');
  assert.deepEqual(await world.sums(), [5, 0]);
});

test('redis: the record of another run is a loss, also on a connection that was never broken', async (t) => {
  await redis.client.flushall();
  const store = await openOn(t);
  await openEpoch(store, 'e1', [FIRST]);
  await redis.client.hset(`${redis.prefix}epoch`, 'runId', '0'.repeat(40));
  assert.deepEqual((await store.epoch()).state, { kind: 'lost', previous: 'e1' });
  await everythingIsClosed(store);
});

test('redis: a process works in an epoch that another one began, and leaves one that another one ended', async (t) => {
  await redis.client.flushall();
  const [one, two] = [await openOn(t), await openOn(t)];
  await openEpoch(one, 'e1', [FIRST]);
  assert.equal((await two.admit(admission('a'))).kind, 'admitted');
  await openEpoch(two, 'e2', [FIRST], 'e1');
  assert.deepEqual(await one.admit(admission('b')), { kind: 'rebuilding' });
  assert.equal((await one.admit(admission('b', { epoch: 'e2' }))).kind, 'admitted');
  assert.deepEqual(await one.merchants(), [FIRST]);
});

test('redis: of several processes that begin an epoch at once, one does', async (t) => {
  await redis.client.flushall();
  const stores = await Promise.all(Array.from({ length: 4 }, () => openOn(t)));
  const begun = await Promise.all(stores.map((store, i) => store.beginEpoch({ epoch: `e${i}` })));
  assert.equal(begun.filter(Boolean).length, 1);
});

test('redis: 200 payments at once through two processes against a total of 100: exactly 100', async (t) => {
  await redis.client.flushall();
  const stores = [await openOn(t), await openOn(t)];
  await openEpoch(stores[0] as Store, 'e1', [FIRST]);
  const decisions = await Promise.all(
    Array.from({ length: 200 }, (_, i) => (stores[i % 2] as Store).admit(admission(`p${i}`, { totals: [total(100, 10_000)] }))),
  );
  const admitted = decisions.flatMap((decision, i) => (decision.kind === 'admitted' ? [i] : []));
  assert.equal(admitted.length, 100);
  assert.equal(decisions.filter(({ kind }) => kind === 'total').length, 100);
  await Promise.all(admitted.map((i) => worldOf(stores[(i + 1) % 2] as Store).settle(`p${i}`, 'succeeded')));
  assert.deepEqual(await worldOf(stores[0] as Store).sums(), [10_000, 0]);
});

test("redis: tells the server's clock", async (t) => {
  const store = await openOn(t);
  const { storeNowMs } = await store.epoch();
  assert.ok(Number.isInteger(storeNowMs) && Math.abs((storeNowMs as number) - Date.now()) < DAY);
});
