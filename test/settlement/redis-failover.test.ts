import assert from 'node:assert/strict';
import { basename } from 'node:path';
import { type TestContext, test } from 'node:test';
import { openRedisStore } from '../../src/store/redis/store.ts';
import { eventually } from '../support/eventually.ts';
import { startRedisCluster } from '../support/redis-cluster.ts';
import { startSentinels } from '../support/redis-sentinel.ts';
import { openWorkshop, type TestProcess, type Workshop } from './workshop.ts';

/** Two processes, each with a journal, on one store that fails over, and 700 of 1,000 fen spent before. */
async function openPair(t: TestContext, url: string, production: boolean) {
  const kind = {
    open: (directory: string) => openRedisStore({ url, prefix: `${basename(directory)}:`, commandTimeoutMs: 1_500, production }),
    lose: async () => undefined,
  };
  const workshop = await openWorkshop(t, kind, ['g1', 'g2']);
  const pair = [await workshop.boot(undefined, 'g1'), await workshop.boot(undefined, 'g2')] as const;
  await openBoth(workshop, pair);
  assert.equal((await pair[0].pay('before-1', { amountFen: 300 }))?.status, 201);
  assert.equal((await pair[1].pay('before-2', { amountFen: 400 }))?.status, 201);
  return { workshop, pair };
}

/** As their timers would, until both are open in the same epoch. */
async function openBoth(workshop: Workshop, pair: readonly TestProcess[]): Promise<void> {
  await eventually(async () => {
    workshop.clock.nowMs = Math.max(workshop.clock.nowMs, Date.now());
    for (const { state } of pair) await state.keeper.look();
    for (const { state } of pair) assert.equal(state.keeper.standing().kind, 'open');
    assert.equal(pair[0]?.state.keeper.epoch(), pair[1]?.state.keeper.epoch());
  }, 30_000);
}

/** Whatever the new master has, or has not: nothing ran twice, no limit was passed, no key was forgotten. */
async function assertWhole(workshop: Workshop, pair: readonly [TestProcess, TestProcess], before: string): Promise<void> {
  assert.notEqual(pair[0].state.keeper.epoch(), before, 'a new run is a new epoch');
  assert.deepEqual(await workshop.sums(pair[1]), [700, 0]);
  assert.equal((await pair[1].pay('before-1', { amountFen: 300 }))?.status, 201, 'the key is known to the other process too');
  assert.equal(workshop.movedFen(), 700);
  assert.equal((await pair[0].pay('too-much', { amountFen: 301 }))?.status, 403);
  assert.equal((await pair[0].pay('after', { amountFen: 300 }))?.status, 201);
  assert.deepEqual([workshop.movedFen(), await workshop.sums(pair[0])], [1_000, [1_000, 0]]);
  assert.deepEqual(await workshop.journalProblems(), []);
}

test('Sentinel: the master is killed, another takes over, and both processes find it and rebuild by themselves', async (t) => {
  const sentinels = await startSentinels({ password: 'pass-word', sentinelPassword: 'watch-word' });
  t.after(sentinels.dispose);
  const { workshop, pair } = await openPair(t, sentinels.url, true);
  const [before, old] = [pair[0].state.keeper.epoch(), await sentinels.masterPort()];
  const killedAtMs = performance.now();
  await sentinels.master.kill();
  const during = await pair[0].pay('during', { amountFen: 1 });
  assert.deepEqual([during?.status, during?.outcome], [503, 'unknown'], 'nothing is decided without a master');
  await eventually(async () => assert.notEqual(await sentinels.masterPort(), old), 30_000);
  const promotedAtMs = performance.now();
  await openBoth(workshop, pair);
  const openAtMs = performance.now();
  t.diagnostic(
    `Sentinel: ${Math.round(promotedAtMs - killedAtMs)} ms until another master was named, open again ${Math.round(openAtMs - promotedAtMs)} ms later`,
  );
  await assertWhole(workshop, pair, before);
});

test('Cluster: a replica takes over from its master, and both processes find it and rebuild by themselves', async (t) => {
  const cluster = await startRedisCluster({ replica: true });
  t.after(cluster.dispose);
  const { workshop, pair } = await openPair(t, cluster.url, false);
  const before = pair[0].state.keeper.epoch();
  const startedAtMs = performance.now();
  await cluster.failOver();
  const promotedAtMs = performance.now();
  await eventually(async () => {
    workshop.clock.nowMs = Math.max(workshop.clock.nowMs, Date.now());
    for (const { state } of pair) await state.keeper.look();
    assert.notEqual(pair[0].state.keeper.epoch(), before);
  }, 30_000);
  await openBoth(workshop, pair);
  const openAtMs = performance.now();
  t.diagnostic(
    `Cluster: ${Math.round(promotedAtMs - startedAtMs)} ms to take over, open again ${Math.round(openAtMs - promotedAtMs)} ms later`,
  );
  await assertWhole(workshop, pair, before);
});
