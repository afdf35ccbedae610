import type { Fact, Journal, JournalEntry } from '../../src/ports/journal.ts';
import { Refusal } from '../../src/protocol/errors.ts';
import type { DeadJournals } from '../../src/settlement/rebuild.ts';
import type { Random } from './random.ts';
import type { Life, Scheduler } from './scheduler.ts';

/** What one instance has on its disk; it outlives its processes. */
export type Disk = {
  readonly instance: string;
  readonly facts: Fact[];
  /** Whether anything was ever written; whether the last record is `closed`, and what it carries. */
  used: boolean;
  closed: boolean;
  noncesLostAtMs: number | undefined;
  /** Whoever reads or writes it now. */
  holder: Life | undefined;
};

export const createDisk = (instance: string): Disk => ({
  instance,
  facts: [],
  used: false,
  closed: false,
  noncesLostAtMs: undefined,
  holder: undefined,
});

/** Per sync: how often the disk refuses, and how often it takes its time. */
export type DiskFaults = { readonly refuses: number; readonly slow: number };

export type SimulatedJournal = Journal & {
  readonly boot: string;
  /** The process dies: of what was not synced, the disk keeps a part from the beginning, which may be none. */
  readonly crash: () => void;
};

const FACTS = new Set(['nonce', 'admitted', 'voided', 'outcome']);
const ENDINGS = new Set(['voided', 'outcome', 'answer']);
const isFact = (entry: JournalEntry): entry is Fact => FACTS.has(entry.type);

type Waiter = { readonly seq: number; readonly resolve: () => void; readonly reject: (error: unknown) => void };

/** The journal as its port promises it, over a simulated disk. `seq` counts all records. */
export function openSimulatedJournal(
  scheduler: Scheduler,
  random: Random,
  faults: DiskFaults,
  disk: Disk,
  life: Life,
  boot: string,
): SimulatedJournal {
  const noncesLostAtMs = disk.used && !disk.closed ? scheduler.nowMs() : disk.noncesLostAtMs;
  let waiting: { readonly seq: number; readonly entry: JournalEntry }[] = [];
  let waiters: Waiter[] = [];
  let seq = 0;
  let synced = 0;
  let healthy = true;
  let scheduled = false;
  let closed = false;
  disk.holder = life;
  disk.used = true;
  disk.closed = false;
  disk.noncesLostAtMs = noncesLostAtMs;

  const write = (records: typeof waiting) => disk.facts.push(...records.flatMap(({ entry }) => (isFact(entry) ? [entry] : [])));

  const sync = () => {
    scheduled = false;
    if (random.chance(faults.refuses)) {
      healthy = false;
      scheduler.note(`${life.name}: the disk refuses`);
      const refused = waiters;
      waiters = [];
      for (const { reject } of refused) reject(new Refusal('JOURNAL_UNAVAILABLE'));
      schedule(1_000);
      return;
    }
    healthy = true;
    write(waiting);
    waiting = [];
    synced = seq;
    const due = waiters;
    waiters = [];
    for (const { resolve } of due) resolve();
  };

  const schedule = (delayMs = random.chance(faults.slow) ? random.between(100, 9_000) : 0) => {
    if (scheduled) return;
    scheduled = true;
    scheduler.later(`${life.name}: journal synced`, sync, { life, delayMs });
  };

  return {
    boot,
    noncesLostAtMs,
    append: (entry) => {
      if (closed || !(healthy || ENDINGS.has(entry.type))) throw new Refusal('JOURNAL_UNAVAILABLE');
      seq += 1;
      waiting.push({ seq, entry });
      schedule();
      return seq;
    },
    synced: (wanted) => {
      if (wanted <= synced) return Promise.resolve();
      if (!healthy) return Promise.reject(new Refusal('JOURNAL_UNAVAILABLE'));
      return new Promise((resolve, reject) => void waiters.push({ seq: wanted, resolve, reject }));
    },
    isWritable: () => !closed && healthy,
    facts: () => {
      const facts = [...disk.facts, ...waiting.flatMap(({ entry }) => (isFact(entry) ? [entry] : []))];
      return slowly(scheduler, life, facts);
    },
    close: async (lostAtMs = noncesLostAtMs) => {
      closed = true;
      write(waiting);
      disk.closed = true;
      disk.noncesLostAtMs = lostAtMs;
      disk.holder = undefined;
    },
    crash: () => {
      write(waiting.slice(0, random.between(0, waiting.length)));
      disk.holder = undefined;
    },
  };
}

async function* slowly(scheduler: Scheduler, life: Life, facts: readonly Fact[]): AsyncGenerator<Fact> {
  await scheduler.turn(`${life.name}: reads a journal of ${facts.length} facts`, life);
  yield* facts;
}

/** The journals of this host that nobody holds, held by `life` until it releases them or dies. */
export async function holdDeadJournals(scheduler: Scheduler, disks: readonly Disk[], life: Life): Promise<DeadJournals> {
  const held = disks.filter((disk) => disk.holder === undefined && disk.used);
  for (const disk of held) disk.holder = life;
  return {
    journals: held.map(({ instance, facts, closed, noncesLostAtMs }) => ({
      instance,
      noncesLostAtMs: closed ? noncesLostAtMs : scheduler.nowMs(),
      facts: () => slowly(scheduler, life, [...facts]),
    })),
    release: async () => {
      for (const disk of held) disk.holder = undefined;
    },
  };
}
