import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Store } from '../../src/ports/store.ts';
import { admission, admittedFact, FIRST, NOW, type OpenStore, openEpoch, SECOND, total, worldOf } from './world.ts';

const stateOf = async (store: Store) => {
  const { state } = await store.epoch();
  return state.kind === 'lost' ? state : { ...state, reported: [...state.reported].sort() };
};
const opening = { instances: ['g1', 'g2'], merchantNumbers: [FIRST], nowMs: NOW };

export function epochContract(name: string, open: OpenStore): void {
  test(`${name}: a fresh store is lost, and opens when every instance has reported`, async (t) => {
    const { store, dispose } = await open();
    t.after(dispose);
    assert.deepEqual(await stateOf(store), { kind: 'lost' });
    assert.equal(await store.beginEpoch({ epoch: 'e1', previous: 'e0' }), false, 'there is no e0');
    assert.equal(await store.beginEpoch({ epoch: 'e1' }), true);
    assert.equal(await store.beginEpoch({ epoch: 'e2' }), false, 'another was first');
    assert.deepEqual(await stateOf(store), { kind: 'rebuilding', epoch: 'e1', reported: [], slotsClosedUntilMs: 0 });
    await store.report({ epoch: 'e1', instance: 'g1', closedUntilMs: 0 });
    assert.equal(await store.openEpoch({ epoch: 'e1', ...opening }), false, 'g2 has not');
    await store.report({ epoch: 'e1', instance: 'g2', closedUntilMs: 0 });
    assert.equal(await store.openEpoch({ epoch: 'e0', ...opening }), false, 'another epoch');
    assert.equal(await store.openEpoch({ epoch: 'e1', ...opening }), true);
    assert.equal(await store.openEpoch({ epoch: 'e1', ...opening }), true, 'and again');
    assert.deepEqual(await stateOf(store), { kind: 'open', epoch: 'e1', reported: ['g1', 'g2'], slotsClosedUntilMs: 0 });
  });

  test(`${name}: an unclean end keeps the slots closed until its nonces are out of their window`, async (t) => {
    const { store, dispose } = await open();
    t.after(dispose);
    await store.beginEpoch({ epoch: 'e1' });
    await store.report({ epoch: 'e1', instance: 'g1', closedUntilMs: NOW + 600_000 });
    await store.report({ epoch: 'e1', instance: 'g2', closedUntilMs: NOW + 1000 });
    assert.equal(await store.openEpoch({ epoch: 'e1', ...opening, nowMs: NOW + 599_999 }), false);
    assert.equal((await store.admit(admission('a'))).kind, 'rebuilding');
    const state = await stateOf(store);
    assert.ok(state.kind === 'rebuilding' && state.slotsClosedUntilMs === NOW + 600_000);
    assert.equal(await store.openEpoch({ epoch: 'e1', ...opening, nowMs: NOW + 600_000 }), true);
    assert.equal((await store.admit(admission('a'))).kind, 'admitted');
  });

  test(`${name}: a new epoch closes every slot and keeps what the store still has`, async (t) => {
    const { store, dispose } = await open();
    t.after(dispose);
    await openEpoch(store, 'e1', [FIRST, SECOND]);
    const world = worldOf(store);
    await world.admit('a', { totals: [total(10, 100)] });
    assert.equal(await store.beginEpoch({ epoch: 'e2', previous: 'e1' }), true);
    assert.equal(await store.beginEpoch({ epoch: 'e3', previous: 'e1' }), false);
    for (const epoch of ['e1', 'e2']) {
      assert.equal((await world.admit(`b${epoch}`, { epoch })).kind, 'rebuilding');
      assert.equal(await world.settle('a', 'succeeded', { epoch }), 'rebuilding');
      assert.equal(await world.void('a', { epoch }), false);
      assert.equal(await world.hold('a', { epoch }), false);
      assert.equal(await store.release({ merchantNumber: FIRST, admissionId: 'a', epoch }), false);
    }
    assert.deepEqual(await world.sums(), [0, 10]);
    await store.report({ epoch: 'e1', instance: 'gateway-1', closedUntilMs: NOW + 600_000 });
    assert.deepEqual(
      await stateOf(store),
      { kind: 'rebuilding', epoch: 'e2', reported: [], slotsClosedUntilMs: 0 },
      'a report to the old epoch',
    );
    await store.report({ epoch: 'e2', instance: 'gateway-1', closedUntilMs: 0 });
    assert.equal(await store.openEpoch({ epoch: 'e2', instances: ['gateway-1'], merchantNumbers: [FIRST], nowMs: NOW }), true);
    assert.equal(await world.settle('a', 'succeeded', { epoch: 'e2' }), 'settled');
    assert.equal((await world.admit('c', { epoch: 'e2', merchantNumber: SECOND })).kind, 'rebuilding', 'a slot that was not opened');
  });

  test(`${name}: a replay to another epoch changes nothing`, async (t) => {
    const { store, dispose } = await open();
    t.after(dispose);
    await openEpoch(store, 'e1', [FIRST]);
    const world = worldOf(store);
    await world.replay([admittedFact(admission('a', { totals: [total(10, 100)] }))], 'e0');
    assert.equal(await world.claim('key-a'), undefined);
    assert.deepEqual(await world.sums(), [0, 0]);
  });

  test(`${name}: the slot of a new merchant opens in an open epoch only`, async (t) => {
    const { store, dispose } = await open();
    t.after(dispose);
    await store.beginEpoch({ epoch: 'e1' });
    await store.openSlot({ merchantNumber: SECOND, epoch: 'e1' });
    await store.report({ epoch: 'e1', instance: 'gateway-1', closedUntilMs: 0 });
    await store.openEpoch({ epoch: 'e1', instances: ['gateway-1'], merchantNumbers: [FIRST], nowMs: NOW });
    const admit = (id: string) => store.admit(admission(id, { merchantNumber: SECOND }));
    assert.equal((await admit('a')).kind, 'rebuilding', 'asked for while closed');
    await store.openSlot({ merchantNumber: SECOND, epoch: 'e0' });
    assert.equal((await admit('b')).kind, 'rebuilding', 'asked for in another epoch');
    await store.openSlot({ merchantNumber: SECOND, epoch: 'e1' });
    assert.equal((await admit('c')).kind, 'admitted');
    assert.deepEqual([...(await store.merchants())].sort(), [FIRST, SECOND]);
  });

  test(`${name}: merchants known only from a replay are listed`, async (t) => {
    const { store, dispose } = await open();
    t.after(dispose);
    assert.deepEqual(await store.merchants(), []);
    await store.beginEpoch({ epoch: 'e1' });
    await worldOf(store).replay([admittedFact(admission('a'))]);
    assert.deepEqual(await store.merchants(), [FIRST]);
    assert.equal((await store.findClaim({ merchantNumber: FIRST, keyHash: 'key-a' }))?.state, 'unknown', 'readable while closed');
  });
}
