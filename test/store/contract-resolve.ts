import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DAY, FIRST, NOW, type OpenStore, openEpoch, openWorld, SECOND, total, type World } from './world.ts';

const DEADLINE = NOW + 25_000;
const due = async ({ store }: World, nowMs: number, limit = 10) =>
  [...(await store.findDue({ merchantNumber: FIRST, nowMs, limit }))].sort();
const lease = ({ store }: World, nowMs: number, untilMs: number, keyHash = 'key-a', epoch = 'e1') =>
  store.lease({ merchantNumber: FIRST, keyHash, epoch, nowMs, untilMs });

export function resolveContract(name: string, open: OpenStore): void {
  test(`${name}: what is due: past its deadline, or unknown and its next question has come`, async (t) => {
    const world = await openWorld(t, open);
    for (const id of ['a', 'b', 'c', 'd']) await world.admit(id);
    await world.hold('b', { nextAskMs: NOW + 1000 });
    await world.hold('c', { nextAskMs: NOW + 60_000 });
    await world.settle('d', 'succeeded');
    assert.deepEqual(await due(world, NOW + 999), []);
    assert.deepEqual(await due(world, NOW + 1000), ['key-b']);
    assert.deepEqual(await due(world, DEADLINE - 1), ['key-b']);
    assert.deepEqual(await due(world, DEADLINE), ['key-a', 'key-b']);
    assert.deepEqual(await due(world, NOW + 60_000), ['key-a', 'key-b', 'key-c']);
    assert.equal((await due(world, NOW + 60_000, 2)).length, 2);
    assert.deepEqual(await world.store.findDue({ merchantNumber: SECOND, nowMs: NOW + DAY, limit: 10 }), []);
  });

  test(`${name}: a lease is given to one, with a fence that grows`, async (t) => {
    const world = await openWorld(t, open);
    await world.admit('a', { totals: [total(5, 10)] });
    assert.equal(await lease(world, DEADLINE - 1, DEADLINE + 10_000), undefined, 'in flight');
    const first = await lease(world, DEADLINE, DEADLINE + 10_000);
    assert.ok(first);
    assert.deepEqual([first.state, first.fence, first.reservation.length, first.resolve.requestId], ['unknown', 1, 1, 'request-a']);
    assert.equal(await lease(world, DEADLINE + 9999, DEADLINE + 20_000), undefined, 'held by another');
    assert.deepEqual(await due(world, DEADLINE + 9999), [], 'what is leased is not due');
    assert.deepEqual(await due(world, DEADLINE + 10_000), ['key-a']);
    assert.equal((await lease(world, DEADLINE + 10_000, DEADLINE + 20_000))?.fence, 2);
    assert.equal(await world.settle('a', 'failed', { fence: 1 }), 'fenced');
    assert.deepEqual(await world.sums(), [0, 5]);
    assert.equal(await world.settle('a', 'failed', { fence: 2 }), 'settled');
    assert.equal(await lease(world, DEADLINE + DAY, DEADLINE + DAY + 1), undefined, 'final');
    assert.equal(await lease(world, NOW, NOW + 1, 'key-nobody'), undefined, 'absent');
  });

  test(`${name}: a claim is not leased while its slot is closed, nor in another epoch`, async (t) => {
    const world = await openWorld(t, open);
    await world.admit('a');
    assert.equal(await lease(world, DEADLINE, DEADLINE + 10_000, 'key-a', 'e0'), undefined, 'another epoch');
    assert.equal(await lease(world, DEADLINE, DEADLINE + 10_000, 'key-a', ''), undefined, 'a process that is joining');
    await world.store.beginEpoch({ epoch: 'e2', previous: 'e1' });
    for (const epoch of ['e1', 'e2']) assert.equal(await lease(world, DEADLINE, DEADLINE + 10_000, 'key-a', epoch), undefined, epoch);
    await openEpoch(world.store, 'e3', [FIRST], 'e2');
    assert.equal((await lease(world, DEADLINE, DEADLINE + 10_000, 'key-a', 'e3'))?.fence, 1, 'what was refused left no fence');
  });

  test(`${name}: an unknown claim may be leased before its next question`, async (t) => {
    const world = await openWorld(t, open);
    await world.admit('a');
    await world.hold('a', { nextAskMs: NOW + DAY });
    assert.equal((await lease(world, NOW, NOW + 10_000))?.fence, 1);
  });

  test(`${name}: the owner needs no fence`, async (t) => {
    const world = await openWorld(t, open);
    await world.admit('a');
    await lease(world, DEADLINE, DEADLINE + 10_000);
    assert.equal(await world.settle('a', 'succeeded'), 'settled');
    assert.equal(await world.settle('a', 'succeeded', { fence: 1 }), 'already');
  });

  test(`${name}: postpone gives the lease back and sets the next question`, async (t) => {
    const world = await openWorld(t, open);
    const postpone = (fence: number, nextAskMs: number) =>
      world.store.postpone({ merchantNumber: FIRST, keyHash: 'key-a', fence, nextAskMs });
    await world.admit('a');
    await postpone(0, NOW);
    assert.equal((await world.claim('key-a'))?.state, 'inFlight', 'in flight is nothing to postpone');
    assert.deepEqual(await due(world, NOW), []);
    await lease(world, DEADLINE, DEADLINE + 10_000);
    await postpone(7, DEADLINE);
    assert.equal(await lease(world, DEADLINE, DEADLINE + 1), undefined, 'another fence changes nothing');
    await postpone(1, DEADLINE + 5000);
    assert.deepEqual(await due(world, DEADLINE + 4999), []);
    assert.deepEqual(await due(world, DEADLINE + 5000), ['key-a']);
    assert.equal((await lease(world, DEADLINE, DEADLINE + 1))?.fence, 2);
    await world.settle('a', 'failed');
    await postpone(2, NOW);
    assert.deepEqual(await due(world, DEADLINE + DAY), []);
  });

  test(`${name}: void against a lease: what is unknown stays and is resolved`, async (t) => {
    const world = await openWorld(t, open);
    await world.admit('a', { totals: [total(5, 10)] });
    const leased = await lease(world, DEADLINE, DEADLINE + 10_000);
    await world.void('a');
    assert.deepEqual(await world.sums(), [0, 5]);
    assert.equal(await world.settle('a', 'failed', { fence: leased?.fence as number }), 'settled');
    assert.deepEqual(await world.sums(), [0, 0]);
  });

  test(`${name}: leases at the same instant: one wins`, async (t) => {
    const world = await openWorld(t, open);
    await world.admit('a');
    await world.hold('a');
    const all = await Promise.all(Array.from({ length: 20 }, () => lease(world, NOW, NOW + 10_000)));
    assert.equal(all.filter((view) => view !== undefined).length, 1);
  });
}
