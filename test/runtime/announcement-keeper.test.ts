import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import type { Announced } from '../../src/ports/announcements.ts';
import type { JournalEntry } from '../../src/ports/journal.ts';
import { createAnnouncementKeeper } from '../../src/runtime/announcement-keeper.ts';
import { openSqliteStore } from '../../src/store/sqlite/store.ts';

const MERCHANT = '800000000000001';
const change = (more: Partial<Announced> = {}): Announced => ({
  kind: 'suspend',
  subject: MERCHANT,
  actor: 'op',
  reason: 'case 17',
  atMs: 1000,
  before: 'active',
  after: 'suspended',
  ...more,
});

/** A real store, and keepers on it whose clock, epoch and journal the test holds. */
async function prepare(t: TestContext) {
  const directory = await mkdtemp(join(tmpdir(), 'hufu-keeper-'));
  let number = 0;
  const openStore = () => openSqliteStore({ file: join(directory, `store-${++number}.db`) });
  let store = await openStore();
  const closing = [store.close];
  t.after(async () => {
    for (const close of closing) await close();
    await rm(directory, { recursive: true });
  });
  const world = { monotonicMs: 0, epoch: 'e1', diskIsFull: false, problem: '' };
  const journal: JournalEntry[] = [];
  const alarms: string[] = [];
  const fresh: string[] = [];
  let reloads = 0;
  const keeper = (instance = 'gateway-1', written: readonly Announced[] = []) =>
    createAnnouncementKeeper({
      onFresh: (changes) => void fresh.push(...changes.map(({ subject }) => subject)),
      // Whatever store there is now, as behind one name.
      announcements: {
        announce: (row) => store.announcements.announce(row),
        since: (version) => store.announcements.since(version),
        restore: (rows) => store.announcements.restore(rows),
        acknowledge: (row) => store.announcements.acknowledge(row),
        acknowledgements: () => store.announcements.acknowledgements(),
      },
      journal: {
        append: (entry) => {
          if (world.diskIsFull) throw new Error('JOURNAL_UNAVAILABLE');
          return journal.push(entry);
        },
        synced: async () => {},
      },
      instance,
      epoch: () => world.epoch,
      written: () => written,
      onChanges: async () => {
        reloads += 1;
        return world.problem;
      },
      onAlarm: (line) => void alarms.push(line),
      onBans: () => {},
      monotonicMs: () => world.monotonicMs,
    });
  return {
    world,
    journal,
    alarms,
    fresh,
    keeper,
    reloads: () => reloads,
    announcements: () => store.announcements,
    close: () => store.close(),
    loseStore: async () => {
      await store.close();
      store = await openStore();
      closing.push(store.close);
    },
  };
}

test('a change is applied, read with the files, journalled once and only then acknowledged', async (t) => {
  const { journal, keeper, announcements, reloads } = await prepare(t);
  const one = keeper();
  await one.look();
  assert.equal(one.bans().isSuspended(MERCHANT), false);
  await announcements().announce(change());
  await one.look();
  await one.look();
  assert.equal(one.bans().isSuspended(MERCHANT), true);
  assert.equal(reloads(), 1);
  assert.deepEqual(journal, [{ type: 'operator', data: { ...change(), version: 1, restored: false } }]);
  assert.deepEqual(await announcements().acknowledgements(), [{ instance: 'gateway-1', version: 1, problem: '' }]);
  await announcements().announce(change({ kind: 'resume', atMs: 2000 }));
  await one.look();
  assert.equal(one.bans().isSuspended(MERCHANT), false);
});

test('a journal that cannot be written: the change is in force, and acknowledged when it is in the journal', async (t) => {
  const { world, journal, alarms, keeper, announcements } = await prepare(t);
  const one = keeper();
  await one.look();
  world.diskIsFull = true;
  await announcements().announce(change());
  await one.look();
  assert.equal(one.bans().isSuspended(MERCHANT), true);
  assert.equal((await announcements().acknowledgements())[0]?.version, 0);
  assert.match(alarms.join(), /not acknowledged/);
  world.diskIsFull = false;
  await one.look();
  assert.equal((await announcements().acknowledgements())[0]?.version, 1);
  assert.equal(journal.length, 1);
});

test('files that are wrong do not keep a change out of force; the acknowledgement says it', async (t) => {
  const { world, keeper, announcements } = await prepare(t);
  const one = keeper();
  await one.look();
  world.problem = 'plans.yaml:1:1: is empty';
  await announcements().announce(change());
  await one.look();
  assert.equal(one.bans().isSuspended(MERCHANT), true);
  assert.deepEqual(await announcements().acknowledgements(), [{ instance: 'gateway-1', version: 1, problem: 'plans.yaml:1:1: is empty' }]);
});

test('2 s without the store end the confidence, not the bans', async (t) => {
  const { world, keeper, announcements, close } = await prepare(t);
  const one = keeper();
  assert.equal(one.isConfirmed(), false, 'before the first look');
  await announcements().announce(change());
  world.monotonicMs = 10_000;
  await one.look();
  await close();
  world.monotonicMs = 11_999;
  await one.look();
  assert.equal(one.isConfirmed(), true);
  world.monotonicMs = 12_000;
  assert.equal(one.isConfirmed(), false);
  assert.equal(one.bans().isSuspended(MERCHANT), true);
});

test('a process that starts anew knows every change, and journals only those that it had not acknowledged', async (t) => {
  const { journal, keeper, announcements } = await prepare(t);
  await announcements().announce(change());
  await keeper().look();
  await announcements().announce(change({ subject: '800000000000002' }));
  const again = keeper();
  await again.look();
  assert.deepEqual([again.bans().isSuspended(MERCHANT), again.bans().isSuspended('800000000000002')], [true, true]);
  assert.equal(journal.length, 2);
});

test('what the store lost is given back by whoever knows it, in the new epoch; the journal has it once', async (t) => {
  const { world, journal, keeper, announcements, loseStore } = await prepare(t);
  const [one, two] = [keeper(), keeper('gateway-2')];
  await one.look();
  await announcements().announce(change());
  await one.look();
  await loseStore();
  world.epoch = 'e2';
  // Decided in the new store before anybody gave anything back, about another: same version as the one that was lost.
  await announcements().announce(change({ kind: 'block', subject: 'x', atMs: 3000 }));
  await two.look();
  assert.equal(two.bans().isSuspended(MERCHANT), false, 'it cannot know yet');
  await one.look();
  await two.look();
  for (const each of [one, two]) assert.deepEqual([each.bans().isSuspended(MERCHANT), each.bans().isBlocked('x')], [true, true]);
  assert.deepEqual(
    journal.map((entry) => ('data' in entry ? entry.data.kind : entry.type)),
    ['suspend', 'block', 'block', 'suspend'],
    'gateway-1: suspend, block; gateway-2: block, suspend',
  );
});

test('a decision that was taken after a loss is not undone by what is given back', async (t) => {
  const { world, keeper, announcements, loseStore } = await prepare(t);
  const one = keeper();
  await announcements().announce(change());
  await one.look();
  await loseStore();
  world.epoch = 'e2';
  await announcements().announce(change({ kind: 'resume', atMs: 2000 }));
  await one.look();
  assert.equal(one.bans().isSuspended(MERCHANT), false);
});

test('a store that knows nothing is told what the files say; one that knows something is not', async (t) => {
  const { keeper, announcements } = await prepare(t);
  const written = [change({ actor: 'configuration' })];
  await keeper('gateway-1', written).look();
  assert.equal((await announcements().since(0)).version, 1);
  await announcements().announce(change({ kind: 'resume', atMs: 2000 }));
  const again = keeper('gateway-1', [change({ actor: 'configuration', atMs: 3000 })]);
  await again.look();
  assert.equal((await announcements().since(0)).version, 2);
  assert.equal(again.bans().isSuspended(MERCHANT), false);
});
