import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { SettleResult } from '../../src/ports/store.ts';
import { admission, admittedFact, type OpenStore, openWorld, total, type World } from './world.ts';

type Act = (world: World) => Promise<unknown>;

/** After `admit(a)` of 10: what happened, then one settle with its result, what the counter holds, and the claim's outcome. */
const ROWS: readonly (readonly [string, Act, Act, SettleResult, readonly [number, number], 'succeeded' | 'failed' | undefined])[] = [
  ['success of what is in flight commits', async () => {}, (w) => w.settle('a', 'succeeded'), 'settled', [10, 0], 'succeeded'],
  ['failure of what is in flight releases', async () => {}, (w) => w.settle('a', 'failed'), 'settled', [0, 0], 'failed'],
  ['success of what is unknown commits', (w) => w.hold('a'), (w) => w.settle('a', 'succeeded'), 'settled', [10, 0], 'succeeded'],
  ['failure of what is unknown releases', (w) => w.hold('a'), (w) => w.settle('a', 'failed'), 'settled', [0, 0], 'failed'],
  ['success told twice', (w) => w.settle('a', 'succeeded'), (w) => w.settle('a', 'succeeded'), 'already', [10, 0], 'succeeded'],
  ['failure told twice', (w) => w.settle('a', 'failed'), (w) => w.settle('a', 'failed'), 'already', [0, 0], 'failed'],
  [
    'success after failure commits and alarms',
    (w) => w.settle('a', 'failed'),
    (w) => w.settle('a', 'succeeded'),
    'late',
    [10, 0],
    'succeeded',
  ],
  [
    'failure after success is ignored',
    (w) => w.settle('a', 'succeeded'),
    (w) => w.settle('a', 'failed'),
    'contradicted',
    [10, 0],
    'succeeded',
  ],
  ['failure of a stranger', async () => {}, (w) => w.settle('x', 'failed', { key: 'key-a' }), 'foreign', [0, 10], undefined],
  [
    'failure of a stranger after success',
    (w) => w.settle('a', 'succeeded'),
    (w) => w.settle('x', 'failed', { key: 'key-a' }),
    'foreign',
    [10, 0],
    'succeeded',
  ],
  [
    'success of a stranger settles the key; its own amount is not known',
    async () => {},
    (w) => w.settle('x', 'succeeded', { key: 'key-a' }),
    'settled',
    [0, 0],
    'succeeded',
  ],
  [
    'success of what was voided commits after all',
    async (w) => {
      await w.void('a');
      await w.admit('b', { key: 'key-a', totals: [total(10, 1000)] });
    },
    (w) => w.settle('a', 'succeeded'),
    'settled',
    [10, 0],
    'succeeded',
  ],
  [
    'failure of what was voided leaves the next admission alone',
    async (w) => {
      await w.void('a');
      await w.admit('b', { key: 'key-a', totals: [total(10, 1000)] });
    },
    (w) => w.settle('a', 'failed'),
    'foreign',
    [0, 10],
    undefined,
  ],
  ['a key without a claim gets a final one', (w) => w.void('a'), (w) => w.settle('a', 'failed'), 'settled', [0, 0], 'failed'],
  ['another epoch changes nothing', async () => {}, (w) => w.settle('a', 'succeeded', { epoch: 'e0' }), 'rebuilding', [0, 10], undefined],
  ['a fence of nobody changes nothing', async () => {}, (w) => w.settle('a', 'succeeded', { fence: 7 }), 'fenced', [0, 10], undefined],
];

export function settleContract(name: string, open: OpenStore): void {
  for (const [why, before, settle, result, sums, outcome] of ROWS) {
    test(`${name}: settle: ${why}`, async (t) => {
      const world = await openWorld(t, open);
      await world.admit('a', { totals: [total(10, 1000)] });
      await before(world);
      assert.equal(await settle(world), result);
      assert.deepEqual(await world.sums(), sums);
      const claim = await world.claim('key-a');
      assert.equal(claim?.outcome, outcome);
      assert.equal(claim?.state === 'final', outcome !== undefined);
    });
  }

  test(`${name}: after a failure the room is there again, 50 times`, async (t) => {
    const world = await openWorld(t, open);
    for (let i = 0; i < 50; i += 1) {
      assert.equal((await world.admit(`a${i}`, { totals: [total(100, 100)] })).kind, 'admitted');
      assert.equal(await world.settle(`a${i}`, 'failed'), 'settled');
    }
    assert.deepEqual(await world.sums(), [0, 0]);
  });

  test(`${name}: answers are stored with the outcome they belong to`, async (t) => {
    const world = await openWorld(t, open);
    const [pending, failed, fuller] = ['pending', 'failed', 'fuller'].map((text) => Buffer.from(text));
    const answer = async () => (await world.claim('key-a'))?.answer?.toString();
    await world.admit('a');
    await world.hold('a', { answer: pending as Buffer });
    assert.equal(await answer(), 'pending');
    await world.settle('a', 'failed', { answer: failed as Buffer });
    assert.equal(await answer(), 'failed');
    await world.settle('a', 'failed', { answer: fuller as Buffer });
    assert.equal(await answer(), 'failed', 'one final answer');
    await world.settle('a', 'succeeded');
    assert.equal(await answer(), undefined, 'a success never replays the answer of the failure');
    await world.settle('a', 'succeeded', { answer: fuller as Buffer });
    assert.equal(await answer(), 'fuller', 'the answer that was missing');
  });

  test(`${name}: a pending answer does not outlive its outcome`, async (t) => {
    const world = await openWorld(t, open);
    await world.admit('a');
    await world.hold('a', { answer: Buffer.from('pending') });
    await world.settle('a', 'succeeded');
    assert.equal((await world.claim('key-a'))?.answer, undefined);
  });

  test(`${name}: hold speaks only of its own admission, and only while it is in flight`, async (t) => {
    const world = await openWorld(t, open);
    await world.admit('a', { totals: [total(10, 100)] });
    assert.equal(await world.hold('x', { key: 'key-a' }), true);
    assert.equal((await world.claim('key-a'))?.state, 'inFlight');
    assert.equal(await world.hold('a', { epoch: 'e0' }), false);
    assert.equal((await world.claim('key-a'))?.state, 'inFlight');
    assert.equal(await world.hold('a'), true);
    assert.equal((await world.claim('key-a'))?.state, 'unknown');
    assert.deepEqual(await world.sums(), [0, 10], 'an unknown outcome holds');
    await world.settle('a', 'succeeded');
    assert.equal(await world.hold('a'), true);
    assert.equal((await world.claim('key-a'))?.state, 'final');
    assert.equal(await world.hold('b'), true, 'of an admission nobody knows');
    assert.equal(await world.claim('key-b'), undefined);
  });

  test(`${name}: void frees key and amount of what is in flight, and leaves a tombstone`, async (t) => {
    const world = await openWorld(t, open);
    await world.admit('a', { totals: [total(10, 100)] });
    assert.equal(await world.void('a', { epoch: 'e0' }), false);
    assert.equal(await world.void('x', { key: 'key-a' }), true);
    assert.deepEqual(await world.sums(), [0, 10], 'neither another epoch nor another admission frees it');
    assert.equal(await world.void('a'), true);
    assert.equal(await world.void('a'), true);
    assert.deepEqual(await world.sums(), [0, 0]);
    assert.equal(await world.claim('key-a'), undefined);
    assert.equal((await world.admit('a', { totals: [total(10, 100)] })).kind, 'voided', 'a late script meets the tombstone');
    assert.equal((await world.admit('b', { key: 'key-a', fingerprint: 'print-2' })).kind, 'admitted');
  });

  test(`${name}: a void before its admission keeps it out, without a key too`, async (t) => {
    const world = await openWorld(t, open);
    await world.void('a');
    await world.store.void({ merchantNumber: '800000000000001', admissionId: 'b', epoch: 'e1', nowMs: admission('b').nowMs });
    assert.equal((await world.admit('a')).kind, 'voided');
    assert.equal((await world.admit('b', { claimless: true })).kind, 'voided');
    assert.equal((await world.admit('c', { nonce: 'nonce-a', key: 'key-a' })).kind, 'admitted', 'a tombstone blocks neither nonce nor key');
  });

  test(`${name}: void leaves unknown and final claims as they are`, async (t) => {
    const world = await openWorld(t, open);
    for (const id of ['a', 'b']) await world.admit(id, { totals: [total(10, 100)] });
    await world.hold('a');
    await world.settle('b', 'succeeded');
    await world.void('a');
    await world.void('b');
    assert.deepEqual(await world.sums(), [10, 10]);
    assert.equal((await world.claim('key-a'))?.state, 'unknown');
    assert.equal((await world.claim('key-b'))?.outcome, 'succeeded');
  });

  test(`${name}: of two admissions of one key the successful one counts`, async (t) => {
    const world = await openWorld(t, open);
    await world.admit('a', { totals: [total(10, 100)] });
    await world.replay([admittedFact(admission('b', { key: 'key-a', totals: [total(25, 100)] }))]);
    assert.deepEqual(await world.sums(), [0, 25], 'the journalled one replaces the other');
    assert.equal(await world.settle('a', 'succeeded'), 'settled');
    assert.deepEqual(await world.sums(), [10, 0]);
    assert.equal(await world.settle('b', 'succeeded', { key: 'key-a' }), 'already');
    assert.deepEqual(await world.sums(), [10, 0]);
    assert.equal((await world.claim('key-a'))?.admissionId, 'a');
  });
}
