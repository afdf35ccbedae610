import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { Redis } from 'ioredis';
import { StoreUnavailable } from '../../src/ports/store.ts';
import { openRedisStore } from '../../src/store/redis/store.ts';
import { eventually } from '../support/eventually.ts';
import { startRedis } from '../support/redis.ts';
import { admission, FIRST, openEpoch, total, worldOf } from './world.ts';

/** A server that saves, and a store on it in which something is reserved already. */
async function openSaving(t: TestContext, ...settings: string[]) {
  const redis = await startRedis({ own: true, settings: ['--save', '3600 1', '--enable-protected-configs', 'yes', ...settings] });
  t.after(redis.dispose);
  const store = await openRedisStore({ connectTimeoutMs: 300, url: redis.url });
  t.after(store.close);
  await openEpoch(store, 'e1', [FIRST]);
  await store.admit(admission('a', { totals: [total(1, 9)] }));
  return { redis, store };
}

test('redis: MISCONF, it cannot save to its disk: refused, nothing written by halves, and it goes on without a restart', async (t) => {
  const { redis, store } = await openSaving(t);
  // A folder in which nobody can make a file.
  const [, directory] = (await redis.client.config('GET', 'dir')) as [string, string];
  await redis.client.config('SET', 'dir', '/proc');
  await redis.client.call('BGSAVE');
  await eventually(async () => assert.match(await redis.client.info('persistence'), /rdb_last_bgsave_status:err/));
  await assert.rejects(store.admit(admission('b', { totals: [total(1, 9)] })), /MISCONF: it cannot save to its disk/);
  await redis.client.config('SET', 'dir', directory);
  await redis.client.call('SAVE');
  assert.deepEqual(await worldOf(store).sums(), [0, 1]);
  assert.equal((await store.admit(admission('c', { totals: [total(1, 9)] }))).kind, 'admitted');
});

test('redis: LOADING, it reads its data at its start: unavailable until it is done, then a loss of its last writes', async (t) => {
  const slow = ['--key-load-delay', '500', '--loading-process-events-interval-bytes', '1024'];
  const { redis, store } = await openSaving(t, ...slow);
  await redis.client.mset(Object.fromEntries(Array.from({ length: 2_000 }, (_, i) => [`filler:${i}`, 'x'])));
  await redis.client.call('SAVE');
  await redis.kill();
  const ready = redis.start();
  // A client that does not wait for the server to be ready sees it as a connection finds it.
  const impatient = new Redis(Number(new URL(redis.url).port), '127.0.0.1', { enableReadyCheck: false, retryStrategy: () => 5 });
  t.after(() => impatient.disconnect());
  impatient.on('error', () => {});
  await eventually(async () => assert.match(await impatient.info('persistence'), /loading:1/), 10_000, 1);
  await assert.rejects(store.admit(admission('b')), StoreUnavailable);
  await assert.rejects(openEpoch(store, 'e2', [FIRST]), StoreUnavailable);
  await ready;
  await eventually(async () => assert.equal((await store.epoch()).state.kind, 'lost'));
  assert.equal((await store.admit(admission('b'))).kind, 'rebuilding');
});

test('redis: NOSCRIPT, its scripts were flushed: sent again with their text, decided once', async (t) => {
  const { redis, store } = await openSaving(t);
  for (let i = 0; i < 3; i += 1) {
    await redis.client.script('FLUSH');
    assert.equal((await store.admit(admission(`b${i}`, { totals: [total(1, 9)] }))).kind, 'admitted');
    await redis.client.script('FLUSH');
    assert.equal(await worldOf(store).settle(`b${i}`, 'succeeded'), 'settled');
  }
  assert.deepEqual(await worldOf(store).sums(), [3, 1]);
  await redis.client.script('FLUSH');
  const batch = await Promise.allSettled(Array.from({ length: 20 }, (_, i) => store.admit(admission(`c${i}`, { totals: [total(1, 9)] }))));
  const kinds = batch.map((each) => (each.status === 'fulfilled' ? each.value.kind : each.reason instanceof StoreUnavailable));
  assert.equal(kinds.filter((kind) => kind === 'admitted').length, 5, String(kinds));
  assert.deepEqual(await worldOf(store).sums(), [3, 6]);
});
