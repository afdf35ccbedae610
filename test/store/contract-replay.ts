import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Fact } from '../../src/ports/journal.ts';
import { BARE_CLAIM_MS } from '../../src/ports/store.ts';
import {
  admission,
  admittedFact,
  FIRST,
  NOW,
  nonceFact,
  type OpenStore,
  openEpoch,
  outcomeFact,
  total,
  voidedFact,
  type World,
  worldOf,
} from './world.ts';

const admitted = (id: string, add: number, changes: Parameters<typeof admission>[1] = {}): Fact =>
  admittedFact(admission(id, { totals: [total(add, 1000)], ...changes }));

type Row = {
  readonly why: string;
  /** One list for each journal; the lists are replayed in every order, and then all of them again. */
  readonly journals: readonly (readonly Fact[])[];
  readonly sums: readonly [number, number];
  readonly claim?: { readonly state: string; readonly outcome?: string; readonly fingerprint?: string };
};

const ROWS: readonly Row[] = [
  { why: 'admitted without an answer is unknown and holds', journals: [[admitted('a', 10)]], sums: [0, 10], claim: { state: 'unknown' } },
  {
    why: 'success commits',
    journals: [[admitted('a', 10), outcomeFact('a', 'succeeded')]],
    sums: [10, 0],
    claim: { state: 'final', outcome: 'succeeded', fingerprint: 'print-1' },
  },
  {
    why: 'failure releases',
    journals: [[admitted('a', 10), outcomeFact('a', 'failed')]],
    sums: [0, 0],
    claim: { state: 'final', outcome: 'failed', fingerprint: 'print-1' },
  },
  {
    why: 'the outcome stands in the journal of the process that resolved it',
    journals: [[admitted('a', 10)], [outcomeFact('a', 'succeeded')]],
    sums: [10, 0],
    claim: { state: 'final', outcome: 'succeeded', fingerprint: 'print-1' },
  },
  {
    why: 'two journals know the success, it counts once',
    journals: [[admitted('a', 10), outcomeFact('a', 'succeeded')], [outcomeFact('a', 'succeeded')]],
    sums: [10, 0],
    claim: { state: 'final', outcome: 'succeeded', fingerprint: 'print-1' },
  },
  {
    why: 'success beats failure, whichever comes first',
    journals: [[admitted('a', 10), outcomeFact('a', 'succeeded')], [outcomeFact('a', 'failed')]],
    sums: [10, 0],
    claim: { state: 'final', outcome: 'succeeded' },
  },
  {
    why: 'a failed admission and the next one of another key',
    journals: [[admitted('a', 10), outcomeFact('a', 'failed'), admitted('b', 20), outcomeFact('b', 'succeeded')], [admitted('c', 5)]],
    sums: [20, 5],
    claim: { state: 'final', outcome: 'failed' },
  },
  {
    why: 'two admissions of one key: one reservation counts',
    journals: [[admitted('a', 10)], [admitted('b', 10, { key: 'key-a' })]],
    sums: [0, 10],
    claim: { state: 'unknown' },
  },
  {
    why: 'two admissions of one key, one succeeded: the other is released',
    journals: [[admitted('a', 10)], [admitted('b', 20, { key: 'key-a' }), outcomeFact('b', 'succeeded', 'key-a')]],
    sums: [20, 0],
    claim: { state: 'final', outcome: 'succeeded' },
  },
  {
    why: 'an outcome whose admission is in no journal: nobody can repeat the key',
    journals: [[outcomeFact('a', 'succeeded')]],
    sums: [0, 0],
    claim: { state: 'final', outcome: 'succeeded', fingerprint: '' },
  },
  {
    why: 'what was voided is unknown until it is resolved',
    journals: [[admitted('a', 10), voidedFact('a')]],
    sums: [0, 10],
    claim: { state: 'unknown' },
  },
  { why: 'an admission behind its void holds nothing', journals: [[voidedFact('a'), admitted('a', 10)]], sums: [0, 0] },
  {
    why: 'what a resolver had closed before it was voided stays closed',
    journals: [[outcomeFact('a', 'failed')], [voidedFact('a'), admitted('a', 10)]],
    sums: [0, 0],
    claim: { state: 'final', outcome: 'failed' },
  },
];

const permutations = <T>(list: readonly T[]): T[][] =>
  list.length < 2 ? [[...list]] : list.flatMap((first, i) => permutations(list.toSpliced(i, 1)).map((rest) => [first, ...rest]));

/** Begins a new epoch, replays the journals while it is closed, opens it. */
async function rebuild(world: World, journals: readonly (readonly Fact[])[], epoch: string, previous?: string): Promise<void> {
  assert.equal(await world.store.beginEpoch({ epoch, ...(previous ? { previous } : {}) }), true);
  for (const facts of journals) await world.replay(facts, epoch);
  await world.store.report({ epoch, instance: 'gateway-1', closedUntilMs: 0 });
  assert.equal(await world.store.openEpoch({ epoch, instances: ['gateway-1'], merchantNumbers: [FIRST], nowMs: NOW }), true);
}

async function check(world: World, { sums, claim }: Row): Promise<void> {
  assert.deepEqual(await world.sums(), sums);
  const view = await world.claim('key-a');
  for (const [member, value] of Object.entries(claim ?? {})) assert.equal(view?.[member as 'state'], value, member);
}

export function replayContract(name: string, open: OpenStore): void {
  for (const row of ROWS) {
    test(`${name}: replay: ${row.why}`, async (t) => {
      for (const journals of permutations(row.journals)) {
        const { store, dispose } = await open();
        t.after(dispose);
        const world = worldOf(store);
        await rebuild(world, journals, 'e1');
        await check(world, row);
        for (const facts of journals) await world.replay(facts);
        await check(world, row);
        await rebuild(world, journals, 'e2', 'e1');
        await check(world, row);
      }
    });
  }

  test(`${name}: replayed nonces are seen, whoever asks`, async (t) => {
    const { store, dispose } = await open();
    t.after(dispose);
    const world = worldOf(store);
    await rebuild(world, [[nonceFact('a'), admitted('b', 1)]], 'e1');
    assert.equal((await world.admit('x', { nonce: 'nonce-a' })).kind, 'nonce');
    assert.equal((await world.admit('y', { nonce: 'nonce-b' })).kind, 'nonce');
    assert.equal((await world.admit('a')).kind, 'nonce', 'what the lost store had decided is not known');
  });

  test(`${name}: a store that lost nothing takes a replay without a change`, async (t) => {
    const { store, dispose } = await open();
    t.after(dispose);
    await openEpoch(store, 'e1', [FIRST]);
    const world = worldOf(store);
    for (const id of ['a', 'b', 'c']) await world.admit(id, { totals: [total(10, 100)] });
    await world.settle('a', 'succeeded');
    await world.settle('b', 'failed');
    await world.void('c');
    await world.replay([
      admitted('a', 10),
      outcomeFact('a', 'succeeded'),
      admitted('b', 10),
      outcomeFact('b', 'failed'),
      admitted('c', 10),
    ]);
    assert.deepEqual(await world.sums(), [10, 0]);
    assert.equal(await world.claim('key-c'), undefined, 'the tombstone stands');
  });

  test(`${name}: admitted in the store, journalled, not answered: unknown after the replay, and due`, async (t) => {
    const { store, dispose } = await open();
    t.after(dispose);
    await openEpoch(store, 'e1', [FIRST]);
    const world = worldOf(store);
    await world.admit('a', { totals: [total(10, 100)] });
    await world.replay([admitted('a', 10)]);
    assert.equal((await world.claim('key-a'))?.state, 'unknown');
    assert.deepEqual(await world.sums(), [0, 10]);
    assert.deepEqual(await store.findDue({ merchantNumber: FIRST, nowMs: NOW, limit: 10 }), ['key-a']);
    assert.equal((await world.admit('b', { key: 'key-a' })).kind, 'unknown');
  });

  test(`${name}: joined admissions are all named, with the latest expiry and the journalled fingerprint`, async (t) => {
    const { store, dispose } = await open();
    t.after(dispose);
    await openEpoch(store, 'e1', [FIRST]);
    const world = worldOf(store);
    await world.admit('a', { totals: [total(10, 100)], nowMs: NOW + 5000 });
    await world.replay([admitted('b', 20, { key: 'key-a', fingerprint: 'print-2' })]);
    const claim = await world.claim('key-a');
    assert.deepEqual([...(claim?.admissionIds ?? [])].sort(), ['a', 'b']);
    assert.deepEqual([claim?.admissionId, claim?.fingerprint, claim?.state], ['b', 'print-2', 'unknown']);
    assert.equal(claim?.expiresAtMs, NOW + 25_000, 'not found counts only after the latest');
    assert.equal(claim?.reservation[0]?.add, 20);
    assert.equal((await world.admit('c', { key: 'key-a' })).kind, 'mismatch');
  });

  test(`${name}: the request of a voided admission is known where a resolver had closed its key`, async (t) => {
    const { store, dispose } = await open();
    t.after(dispose);
    const world = worldOf(store);
    await rebuild(world, [[outcomeFact('a', 'failed')], [voidedFact('a'), admitted('a', 10)]], 'e1');
    assert.equal((await world.admit('b', { key: 'key-a' })).kind, 'final');
  });

  test(`${name}: nobody repeats a key of which only the outcome is known`, async (t) => {
    const { store, dispose } = await open();
    t.after(dispose);
    const world = worldOf(store);
    await rebuild(world, [[outcomeFact('a', 'failed')]], 'e1');
    assert.equal((await world.admit('b', { key: 'key-a' })).kind, 'mismatch');
    const claim = await world.claim('key-a');
    assert.deepEqual([claim?.expiresAtMs, claim?.deadlineMs, claim?.resolve.operationId, claim?.reservation], [0, 0, '', []]);
    assert.ok(BARE_CLAIM_MS > 0);
  });
}
