import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { StoreUnavailable } from '../../src/ports/store.ts';
import { startRedis } from '../support/redis.ts';
import { redisKind, sqliteKind } from './stores.ts';
import {
  LEASE_OVER_MS,
  MERCHANT,
  NONCES_OVER_MS,
  openWorkshop,
  type Point,
  type StoreKind,
  type TestProcess,
  type Workshop,
} from './workshop.ts';

const redis = await startRedis();
after(redis.dispose);
const KINDS: readonly (readonly [string, StoreKind])[] = [
  ['SQLite', sqliteKind],
  ['redis', redisKind(redis)],
];

/** A new process on what the dead left behind, once its leases, assertions and nonces are over and it has asked about everything. */
async function recover(workshop: Workshop, storeLost: boolean): Promise<TestProcess> {
  if (storeLost) await workshop.loseStore();
  const process = await workshop.boot();
  await process.open();
  if (storeLost) {
    workshop.clock.nowMs += NONCES_OVER_MS;
    await process.open();
  }
  assert.equal(process.state.keeper.standing().kind, 'open');
  for (let i = 0; i < 3; i += 1) {
    workshop.clock.nowMs += LEASE_OVER_MS;
    await process.open();
    await process.money.sweep.round();
  }
  return process;
}

/** The sums are the core's, claims agree with it, every journal is whole, and each key gets its final answer without running again. */
async function assertWhole(workshop: Workshop, process: TestProcess, keys: readonly string[]): Promise<void> {
  assert.deepEqual(await workshop.sums(process), [workshop.movedFen(), 0], 'the sums are the ledger, nothing is reserved');
  for (const key of keys) {
    const claim = await workshop.claimOf(process, key);
    const moved = workshop.movedBy(key) !== undefined;
    if (claim) assert.deepEqual([claim.state, claim.outcome], ['final', moved ? 'succeeded' : 'failed'], key);
    else assert.equal(moved, false, `${key} ran and has no claim`);
    const told = await process.pay(key);
    if (claim?.outcome === 'failed') assert.deepEqual([told?.code, told?.outcome, told?.retry], ['NOT_EXECUTED', 'failed', 'new_key']);
    else assert.deepEqual([told?.status, told?.replayed], [201, moved], JSON.stringify(told));
  }
  assert.deepEqual(await workshop.sums(process), [workshop.movedFen(), 0]);
  assert.deepEqual(process.alarms, []);
  await process.close();
  assert.deepEqual(await workshop.journalProblems(), []);
}

/** Contract.md section 12, the points on the way of a payment. `moved`: whether the core has executed by then. */
const ON_THE_WAY: readonly (readonly [Point, boolean, string])[] = [
  ['admit:before', false, 'nothing was sent'],
  ['admit:after', false, 'after store admit, before journal'],
  ['append admitted:after', false, 'after append, before sync; the record is lost'],
  ['written admitted', false, 'after append, before sync; the record is on the disk'],
  ['sync:after', false, 'after sync, before send'],
  ['pay:before', false, 'after sync, before send, the call begun'],
  ['pay:after', true, 'after send: the core has executed, nobody hears of it'],
  ['settle:before', true, "after the core's answer, before anything"],
  ['append answered:before', true, 'after settle, before `answered`'],
  ['append answered:after', true, 'after `answered`, not synced'],
  ['append answer:before', true, 'after settle, before bytes'],
  ['append answer:after', true, 'bytes all but out'],
];

for (const [name, kind] of KINDS) {
  for (const storeLost of [false, true]) {
    for (const [point, moved, why] of ON_THE_WAY) {
      test(`${name}: killed at ${point} (${why})${storeLost ? ', and the store is lost' : ''}`, async (t) => {
        const workshop = await openWorkshop(t, kind);
        const process = await workshop.boot(point);
        await process.open();
        assert.equal(await process.pay('k1'), undefined, 'no answer left');
        assert.ok(process.isDead());
        await process.kill();
        assert.equal(workshop.movedBy('k1') !== undefined, moved);
        await assertWhole(workshop, await recover(workshop, storeLost), ['k1']);
      });
    }
  }

  test(`${name}: killed after \`answered\`, before a settle that the store had refused`, async (t) => {
    for (const storeLost of [false, true]) {
      const workshop = await openWorkshop(t, kind);
      const process = await workshop.boot();
      await process.open();
      process.meddle({ settle: async () => 'rebuilding' });
      assert.equal((await process.pay('k1'))?.status, 201, 'the merchant has its answer');
      await process.state.journal.synced(process.state.journal.append({ type: 'operator', data: {} }));
      await process.kill();
      await assertWhole(workshop, await recover(workshop, storeLost), ['k1']);
    }
  });

  /** The resolver, about a payment that ran and one that never began. */
  const RESOLVER: readonly (readonly [Point, string])[] = [
    ['lease:after', 'leased, nothing asked'],
    ['ask:after', 'between query and settle'],
    ['append resolved:after', 'after append, before sync; the record is lost'],
    ['written resolved', 'after append, before sync; the record is on the disk'],
    ['sync:after', 'after sync, before settle'],
    ['settle:after', 'after settle'],
  ];
  for (const storeLost of [false, true]) {
    for (const [point, why] of RESOLVER) {
      test(`${name}: the resolver is killed at ${point} (${why})${storeLost ? ', and the store is lost' : ''}`, async (t) => {
        const workshop = await openWorkshop(t, kind);
        const owner = await workshop.boot();
        await owner.open();
        workshop.core.answer = 'lost';
        assert.equal((await owner.pay('ran'))?.code, 'OUTCOME_UNKNOWN');
        workshop.core.answer = 'given';
        const never = await workshop.boot('pay:before', 'g2');
        await never.open();
        await never.pay('never');
        await never.kill();
        await owner.kill();
        workshop.clock.nowMs += LEASE_OVER_MS;
        const resolver = await workshop.boot(point);
        await resolver.open();
        await resolver.until(resolver.money.sweep.round());
        assert.ok(resolver.isDead());
        await resolver.kill();
        await assertWhole(workshop, await recover(workshop, storeLost), ['ran', 'never']);
      });
    }
  }

  const REBUILD: readonly Point[] = [
    'beginEpoch:before',
    'beginEpoch:after',
    'replay:before',
    'replay:after',
    'report:before',
    'report:after',
    'openEpoch:before',
    'openEpoch:after',
  ];
  test(`${name}: killed during the rebuild, at every step of it one after the other`, async (t) => {
    const workshop = await openWorkshop(t, kind);
    const owner = await workshop.boot();
    await owner.open();
    assert.equal((await owner.pay('k1'))?.status, 201);
    workshop.core.answer = 'lost';
    assert.equal((await owner.pay('k2'))?.code, 'OUTCOME_UNKNOWN');
    workshop.core.answer = 'given';
    await owner.kill();
    await workshop.loseStore();
    for (const point of REBUILD) {
      const process = await workshop.boot(point);
      await process.open();
      workshop.clock.nowMs += NONCES_OVER_MS;
      await process.open();
      assert.ok(process.isDead() || point.startsWith('beginEpoch'), point);
      assert.notEqual((await process.pay('k1'))?.status, 200, 'nothing is answered from a store that is being rebuilt');
      await process.kill();
    }
    await assertWhole(workshop, await recover(workshop, false), ['k1', 'k2']);
  });

  test(`${name}: the store is lost a second time in the middle of its rebuild`, async (t) => {
    const workshop = await openWorkshop(t, kind);
    const owner = await workshop.boot();
    await owner.open();
    for (const key of ['k1', 'k2']) assert.equal((await owner.pay(key))?.status, 201);
    await owner.close();
    await workshop.loseStore();
    const first = await workshop.boot('report:before');
    await first.open();
    assert.ok(first.isDead());
    await first.kill();
    await assertWhole(workshop, await recover(workshop, true), ['k1', 'k2']);
  });

  test(`${name}: killed during the replay of a start whose store lost nothing`, async (t) => {
    const workshop = await openWorkshop(t, kind);
    const owner = await workshop.boot();
    await owner.open();
    assert.equal((await owner.pay('k1'))?.status, 201);
    workshop.core.answer = 'lost';
    assert.equal((await owner.pay('k2'))?.code, 'OUTCOME_UNKNOWN');
    workshop.core.answer = 'given';
    await owner.kill();
    for (const point of ['replay:before', 'replay:after', 'report:after'] as const) {
      const process = await workshop.boot(point);
      await process.open();
      assert.ok(process.isDead());
      await process.kill();
    }
    await assertWhole(workshop, await recover(workshop, false), ['k1', 'k2']);
  });

  test(`${name}: the reply of an admission comes after a report to a new epoch: never forwarded, its nonce spent`, async (t) => {
    const workshop = await openWorkshop(t, kind);
    const process = await workshop.boot();
    await process.open();
    const { admit } = process.store;
    process.meddle({
      admit: async (command) => {
        process.meddle({});
        const decision = await admit(command);
        assert.equal(decision.kind, 'admitted');
        await workshop.loseStore();
        await process.open();
        return decision;
      },
    });
    const told = await process.pay('k1', { nonce: 'captured-nonce' });
    assert.deepEqual([told?.status, told?.code, told?.outcome, told?.retry], [503, 'REBUILDING', 'unknown', 'same_key_later']);
    assert.equal(workshop.core.calls.payments, 0);
    assert.equal(process.state.keeper.standing().kind, 'open', 'in the new epoch');
    assert.equal((await process.pay('k1', { nonce: 'captured-nonce' }))?.code, 'NONCE_REPLAYED');
    assert.equal((await process.pay('k1'))?.status, 201, 'the key is free');
    await assertWhole(workshop, process, ['k1']);
  });

  test(`${name}: a process killed with a nonce in flight closes the slots until that nonce is worthless`, async (t) => {
    const workshop = await openWorkshop(t, kind);
    const killed = await workshop.boot('admit:after');
    await killed.open();
    const createdMs = workshop.clock.nowMs;
    await killed.pay('k1', { nonce: 'captured-nonce' });
    await killed.kill();
    // Started and stopped in order meanwhile: the unclean end is not forgotten.
    const between = await workshop.boot();
    await between.open();
    await between.close();
    await workshop.loseStore();
    const process = await workshop.boot();
    await process.open();
    for (const laterMs of [0, 1_000, 299_000, 300_000]) {
      workshop.clock.nowMs += laterMs;
      await process.open();
      const told = await process.pay('k1', { nonce: 'captured-nonce', createdMs });
      assert.ok(told?.code === 'REBUILDING' || told?.code === 'TIMESTAMP_SKEW', `${laterMs}: ${told?.code}`);
    }
    workshop.clock.nowMs += 60_000;
    await process.open();
    assert.equal(process.state.keeper.standing().kind, 'open');
    assert.equal((await process.pay('k1', { nonce: 'captured-nonce', createdMs }))?.code, 'TIMESTAMP_SKEW');
    await assertWhole(workshop, process, ['k1']);
  });

  test(`${name}: a process that is stopped while an admission has no reply leaves its nonce behind`, async (t) => {
    const workshop = await openWorkshop(t, kind);
    const process = await workshop.boot();
    await process.open();
    const { admit } = process.store;
    const ran = Promise.withResolvers<void>();
    process.meddle({
      admit: async (command) => {
        await admit(command);
        ran.resolve();
        return new Promise(() => {});
      },
    });
    void process.pay('k1', { nonce: 'captured-nonce' });
    await ran.promise;
    await process.close();
    await workshop.loseStore();
    const next = await workshop.boot();
    await next.open();
    assert.equal(next.state.keeper.standing().kind, 'open', 'closed in order: no nonce is lost');
    assert.equal((await next.pay('k1', { nonce: 'captured-nonce' }))?.code, 'NONCE_REPLAYED');
    await assertWhole(workshop, next, ['k1']);
  });

  test(`${name}: an unclean end long ago closes nothing`, async (t) => {
    const workshop = await openWorkshop(t, kind);
    const killed = await workshop.boot('admit:after');
    await killed.open();
    await killed.pay('k1');
    await killed.kill();
    const process = await workshop.boot();
    await process.open();
    workshop.clock.nowMs += NONCES_OVER_MS;
    await workshop.loseStore();
    await process.open();
    assert.equal(process.state.keeper.standing().kind, 'open');
    await assertWhole(workshop, process, ['k1']);
  });

  test(`${name}: a void against a lease: what has become unknown stays, and is resolved`, async (t) => {
    const workshop = await openWorkshop(t, kind);
    const process = await workshop.boot();
    await process.open();
    const { admit, void: voids } = process.store;
    const released = Promise.withResolvers<void>();
    process.meddle({
      admit: async (command) => {
        await admit(command);
        throw new StoreUnavailable('no answer in time');
      },
      void: async (command) => {
        await released.promise;
        return voids(command);
      },
    });
    assert.deepEqual([(await process.pay('k1'))?.code, workshop.core.calls.payments], ['STORE_UNAVAILABLE', 0]);
    process.meddle({});
    workshop.clock.nowMs += LEASE_OVER_MS;
    const epoch = process.state.keeper.epoch();
    const keyHash = (await workshop.claimOf(process, 'k1'))?.keyHash as string;
    const leased = await process.state.store.lease({
      merchantNumber: MERCHANT,
      keyHash,
      epoch,
      nowMs: workshop.clock.nowMs,
      untilMs: workshop.clock.nowMs + 5_000,
    });
    assert.ok(leased);
    released.resolve();
    assert.equal(await process.state.until.drain(1_000), 0);
    assert.equal((await workshop.claimOf(process, 'k1'))?.state, 'unknown');
    workshop.clock.nowMs += LEASE_OVER_MS;
    await process.money.sweep.round();
    await assertWhole(workshop, process, ['k1']);
  });
}
