import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createModelStore } from '../../src/admission/model.ts';
import type { NonceFact } from '../../src/ports/journal.ts';
import type { EpochState, Store } from '../../src/ports/store.ts';
import { createEpochKeeper, type KeeperOptions } from '../../src/settlement/epoch-keeper.ts';
import { trackUnforwarded } from '../../src/settlement/unforwarded.ts';
import { admission, admittedFact, FIRST, NOW, openEpoch, SECOND } from '../store/world.ts';
import { createTestJournal, type TestJournal } from './parts.ts';

type Opened = { readonly store: Store; readonly journal: TestJournal; readonly lines: string[]; readonly clock: { nowMs: number } };

function openKeeper(store: Store, changes: Partial<KeeperOptions> = {}, journal = createTestJournal()) {
  const lines: string[] = [];
  const clock = { nowMs: NOW };
  const unforwarded = trackUnforwarded(store);
  const keeper = createEpochKeeper({
    store: unforwarded.store,
    journal,
    unforwarded,
    instance: 'g1',
    instances: ['g1'],
    merchantNumbers: () => [FIRST],
    deadJournals: async () => ({ journals: [], release: async () => {} }),
    nowMs: () => clock.nowMs,
    onChange: (line) => lines.push(line),
    ...changes,
  });
  const opened: Opened = { store, journal, lines, clock };
  return { ...opened, keeper, unforwarded };
}

const codeOf = (keeper: ReturnType<typeof createEpochKeeper>): string => {
  const standing = keeper.standing();
  return standing.kind === 'open' ? 'open' : standing.code;
};

test('a new store: one look writes an epoch, replays, reports and opens', async () => {
  const { keeper, store, journal } = openKeeper(createModelStore());
  assert.deepEqual([codeOf(keeper), keeper.epoch()], ['REBUILDING', '']);
  journal.append(admittedFact(admission('a')));
  await keeper.look();
  assert.deepEqual([codeOf(keeper), (await store.epoch()).state.kind], ['open', 'open']);
  const standing = keeper.standing();
  assert.equal(standing.kind === 'open' && standing.epoch, keeper.epoch());
  assert.equal((await store.findClaim({ merchantNumber: FIRST, keyHash: 'key-a' }))?.state, 'unknown');
});

test('an open epoch of another process is joined: replayed and reported, nothing begun', async () => {
  const store = createModelStore();
  await openEpoch(store, 'e7', [FIRST]);
  const { keeper } = openKeeper(store);
  await keeper.look();
  assert.deepEqual([codeOf(keeper), keeper.epoch()], ['open', 'e7']);
  const { state } = await store.epoch();
  assert.ok(state.kind === 'open' && state.reported.includes('g1'));
});

test('it opens when every configured instance has reported, and names those that have not', async () => {
  const { keeper, store, lines } = openKeeper(createModelStore(), { instances: ['g1', 'g2', 'g3'] });
  await keeper.look();
  assert.equal(codeOf(keeper), 'REBUILDING');
  assert.match(lines.at(-1) ?? '', /waiting for the reports of g2, g3/);
  const epoch = keeper.epoch();
  await store.report({ epoch, instance: 'g2', closedUntilMs: 0 });
  await store.report({ epoch, instance: 'g3', closedUntilMs: 0 });
  await keeper.look();
  assert.equal(codeOf(keeper), 'open');
});

test('slots stay closed until the nonces that somebody lost are worthless', async () => {
  const { keeper, store, clock, lines } = openKeeper(createModelStore(), { instances: ['g1', 'g2'] });
  await keeper.look();
  await store.report({ epoch: keeper.epoch(), instance: 'g2', closedUntilMs: NOW + 10_000 });
  await keeper.look();
  assert.match(lines.at(-1) ?? '', /closed until .*: nonces may be lost/);
  clock.nowMs = NOW + 9_999;
  await keeper.look();
  assert.equal(codeOf(keeper), 'REBUILDING');
  clock.nowMs = NOW + 10_000;
  await keeper.look();
  assert.equal(codeOf(keeper), 'open');
});

const CLOCKS: readonly (readonly [string, number | undefined, number, string])[] = [
  // why                                                     store's clock   answered after  standing
  ['a store without a clock', undefined, 0, 'open'],
  ['two seconds behind', -2_000, 0, 'open'],
  ['more than two seconds behind', -2_001, 0, 'CLOCK_SKEW'],
  ['more than two seconds ahead', 2_001, 0, 'CLOCK_SKEW'],
  ['ahead, and the answer took so long', 7_000, 5_000, 'open'],
  ['a slow answer is no skew', 0, 5_000, 'open'],
];
for (const [why, offsetMs, slowMs, expected] of CLOCKS) {
  test(`clocks: ${why}`, async () => {
    const model = createModelStore();
    const store: Store = {
      ...model,
      epoch: async () => {
        opened.clock.nowMs += slowMs;
        return { ...(await model.epoch()), ...(offsetMs === undefined ? {} : { storeNowMs: opened.clock.nowMs - slowMs + offsetMs }) };
      },
    };
    const opened = openKeeper(store);
    await opened.keeper.look();
    assert.equal(codeOf(opened.keeper), expected);
  });
}

test('a store that fails closes money at once, and opens it again as it was', async () => {
  const model = createModelStore();
  let away = false;
  const { keeper, lines } = openKeeper({ ...model, epoch: () => (away ? Promise.reject(new Error('away')) : model.epoch()) });
  await keeper.look();
  const epoch = keeper.epoch();
  away = true;
  await keeper.look();
  await keeper.look();
  assert.equal(codeOf(keeper), 'STORE_UNAVAILABLE');
  assert.equal(lines.filter((line) => line.includes('away')).length, 1, 'said once');
  away = false;
  await keeper.look();
  assert.deepEqual([codeOf(keeper), keeper.epoch()], ['open', epoch]);
});

test('a report that fails half way is made again, whole', async () => {
  const model = createModelStore();
  let failing = true;
  const { keeper, journal, store } = openKeeper({
    ...model,
    replay: (command) => (failing ? Promise.reject(new Error('away')) : model.replay(command)),
  });
  journal.append(admittedFact(admission('a')));
  await keeper.look();
  assert.deepEqual([codeOf(keeper), keeper.epoch()], ['STORE_UNAVAILABLE', ''], 'it belongs to no epoch');
  failing = false;
  await keeper.look();
  assert.equal(codeOf(keeper), 'open');
  assert.ok(await store.findClaim({ merchantNumber: FIRST, keyHash: 'key-a' }));
});

test('another process is first with its epoch: that one is joined', async () => {
  const model = createModelStore();
  const store: Store = {
    ...model,
    beginEpoch: async (command) => {
      await model.beginEpoch({ epoch: 'theirs' });
      return model.beginEpoch(command);
    },
  };
  const { keeper } = openKeeper(store);
  await keeper.look();
  assert.deepEqual([codeOf(keeper), keeper.epoch()], ['open', 'theirs']);
});

test('a store that is lost again and again is looked at once each time', async () => {
  const model = createModelStore();
  let looks = 0;
  const store: Store = {
    ...model,
    epoch: async () => {
      looks += 1;
      return { state: { kind: 'lost', previous: 'e0' } };
    },
    beginEpoch: async ({ previous }) => {
      assert.equal(previous, 'e0');
      return true;
    },
  };
  const { keeper } = openKeeper(store);
  await keeper.look();
  assert.deepEqual([codeOf(keeper), keeper.epoch(), looks], ['REBUILDING', '', 2]);
});

test('leaving an epoch: nothing belongs to it any more before the first fact is replayed, and nonces in memory are in the journal', async () => {
  const first = createModelStore();
  const opened = openKeeper(first);
  await opened.keeper.look();
  const old = opened.keeper.epoch();
  const pending = { ...admission('pending'), epoch: old };
  await opened.unforwarded.store.admit(pending);
  const seen: unknown[] = [];
  const lost: EpochState = { kind: 'rebuilding', epoch: 'e2', reported: [], slotsClosedUntilMs: 0 };
  Object.assign(opened.unforwarded.store, {
    epoch: async () => ({ state: lost }),
    replay: async ({ facts }: { facts: readonly NonceFact[] }) => {
      seen.push(
        opened.keeper.standing(),
        opened.keeper.epoch(),
        facts.map(({ nonce }) => nonce),
      );
    },
    report: async () => {},
    openEpoch: async () => false,
  });
  await opened.keeper.look();
  assert.deepEqual(seen, [{ kind: 'closed', code: 'REBUILDING' }, '', ['nonce-pending']]);
});

test('a merchant that was configured later gets its slot; one that a journal knows and the store does not stays closed', async () => {
  const store = createModelStore();
  await openEpoch(store, 'e1', []);
  const journal = createTestJournal();
  journal.append({ ...admittedFact(admission('a')), merchantNumber: SECOND });
  const { keeper, lines } = openKeeper(store, { merchantNumbers: () => [FIRST, SECOND] }, journal);
  await keeper.look();
  assert.equal((await store.admit({ ...admission('x') })).kind, 'admitted');
  assert.equal((await store.admit({ ...admission('y'), merchantNumber: SECOND })).kind, 'rebuilding');
  await keeper.look();
  assert.equal(lines.filter((line) => line.includes(`merchant ${SECOND} has records in a journal but had no slot`)).length, 1);
});

test('an epoch opens with the slots of all that were replayed, also of merchants nobody configures any more', async () => {
  const { keeper, store } = openKeeper(createModelStore(), { instances: ['g1', 'g2'] });
  await keeper.look();
  const epoch = keeper.epoch();
  // The journal of g2 knows a merchant that g1 has never heard of.
  await store.replay({ merchantNumber: SECOND, epoch, nowMs: NOW, facts: [{ ...admittedFact(admission('a')), merchantNumber: SECOND }] });
  await store.report({ epoch, instance: 'g2', closedUntilMs: 0 });
  await keeper.look();
  assert.equal(codeOf(keeper), 'open');
  const settled = { merchantNumber: SECOND, keyHash: 'key-a', admissionId: 'a', epoch, nowMs: NOW, outcome: 'failed' } as const;
  assert.equal(await store.settle(settled), 'settled', 'its open claims can come to their end');
});

test('a merchant that only this instance knows gets its slot although another opened the epoch', async () => {
  const { keeper, store } = openKeeper(createModelStore(), { instances: ['g1', 'g2'], merchantNumbers: () => [FIRST, SECOND] });
  await keeper.look();
  const epoch = keeper.epoch();
  await store.report({ epoch, instance: 'g2', closedUntilMs: 0 });
  assert.equal(await store.openEpoch({ epoch, instances: ['g1', 'g2'], merchantNumbers: [FIRST], nowMs: NOW }), true);
  await keeper.look();
  assert.equal((await store.admit({ ...admission('x'), merchantNumber: SECOND, epoch })).kind, 'admitted');
});
