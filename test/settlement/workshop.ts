import { randomBytes } from 'node:crypto';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { derivedKeyOf, keyHashOf } from '../../src/admission/key-hash.ts';
import { stepsOf } from '../../src/admission/rules.ts';
import { openJournal } from '../../src/journal/journal.ts';
import { type OpenSegment, openSegment } from '../../src/journal/segment-files.ts';
import { verifyJournal } from '../../src/journal/verify.ts';
import { systemClock } from '../../src/lib/clock.ts';
import { handle } from '../../src/pipeline/handle.ts';
import type { Core } from '../../src/ports/core.ts';
import type { JournalEntry } from '../../src/ports/journal.ts';
import type { ClaimView, Store } from '../../src/ports/store.ts';
import { openDeadJournals } from '../../src/runtime/dead-journals.ts';
import { type Money, wireMoney } from '../../src/runtime/money.ts';
import { joinState, type State } from '../../src/runtime/state.ts';
import { assertionKey, executions, pay } from '../forward/sample.ts';
import { journalPublicKey, journalSigner } from '../journal/support.ts';
import { arrivedPayment, limitedMerchant, type Payment, standInStages, type Told, toldBy } from '../support/front.ts';
import { onlyKey } from '../support/secret-keys.ts';
import { createPlainCore, type PlainCore } from './plain-core.ts';

export const MERCHANT = '800000000000001';
export const LIMIT_FEN = 1_000;
/** Until a claim whose owner died is unknown, its assertion expired, and "not found" is final. */
export const LEASE_OVER_MS = 10_000;
/** Until the nonces of a process that was killed are out of every window. */
export const NONCES_OVER_MS = 700_000;

/** Where a process dies: a call to a port, before it or after it ran. Outcomes are named by who found them. */
export type Point =
  | `${keyof Store}:${'before' | 'after'}`
  | `append ${'admitted' | 'nonce' | 'voided' | 'answered' | 'resolved' | 'answer'}:${'before' | 'after'}`
  | `sync:${'before' | 'after'}`
  | `written ${'admitted' | 'resolved'}`
  | `pay:${'before' | 'after'}`
  | `ask:${'before' | 'after'}`;

export type TestProcess = {
  readonly state: State;
  readonly money: Money;
  /** Pays; undefined when the process dies before it answers. */
  readonly pay: (key: string, changes?: Partial<Payment>) => Promise<Told | undefined>;
  /** Looks at the store until it is open or must wait. */
  readonly open: () => Promise<void>;
  /** Like kill -9: nothing that is not on the disk or on its way to the store remains. */
  readonly kill: () => Promise<void>;
  readonly close: () => Promise<void>;
  readonly isDead: () => boolean;
  /** Runs something until it ends or the process dies. */
  readonly until: (work: Promise<unknown>) => Promise<void>;
  readonly alarms: string[];
  /** The store itself, for trouble-makers and questions of the test. */
  readonly store: Store;
  /** Replaces a method of the store, to make trouble. */
  readonly meddle: (change: Partial<Store>) => void;
};

export type Workshop = {
  readonly clock: { nowMs: number };
  readonly core: PlainCore;
  readonly boot: (point?: Point, instance?: string) => Promise<TestProcess>;
  /** Everything in the store is gone. */
  readonly loseStore: () => Promise<void>;
  readonly claimOf: (process: TestProcess, key: string) => Promise<ClaimView | undefined>;
  /** Committed and reserved, fen. */
  readonly sums: (process: TestProcess) => Promise<readonly [number, number]>;
  readonly movedFen: () => number;
  readonly movedBy: (key: string) => number | undefined;
  /** Problems of all journals. */
  readonly journalProblems: () => Promise<unknown[]>;
};

/** Opens the stores of one installation, one connection for each process, and loses what they hold. */
export type StoreKind = {
  readonly open: (directory: string) => Promise<Store>;
  readonly lose: (directory: string) => Promise<void>;
};

const KEY = { id: '0123456789abcdef', key: Buffer.alloc(32, 7) };
const merchants = [limitedMerchant(MERCHANT, LIMIT_FEN)];

/** Real journals and a real store in a directory of their own, a core in memory, and a clock that stands still. */
export async function openWorkshop(t: TestContext, kind: StoreKind, instances: readonly string[] = ['g1']): Promise<Workshop> {
  const directory = await mkdtemp(join(tmpdir(), 'hufu-money-'));
  const clock = { nowMs: Math.floor(Date.now() / 1000) * 1000 };
  const core = createPlainCore(() => clock.nowMs);
  const processes: TestProcess[] = [];
  t.after(async () => {
    for (const process of processes) await process.kill();
    await rm(directory, { recursive: true, force: true });
  });
  const journals = join(directory, 'journal');
  return {
    clock,
    core,
    boot: async (point, instance = instances[0] as string) => {
      const store = await kind.open(directory);
      const process = await bootProcess({ store, core, clock, journals, instance, instances, ...(point ? { point } : {}) });
      processes.push(process);
      return process;
    },
    loseStore: () => kind.lose(directory),
    claimOf: ({ state }, key) => state.store.findClaim({ merchantNumber: MERCHANT, keyHash: keyHashOf(MERCHANT, key) }),
    sums: async ({ state }) => {
      const who = { address: '127.0.0.1', payer: () => undefined };
      const request = { operation: pay, amountFen: 1, currency: 'CNY', ...who, nowMs: clock.nowMs, timeZone: 'Asia/Shanghai' };
      const counters = stepsOf(merchants[0]?.rules ?? [], request).totals.map(({ counter }) => counter);
      const [use] = await state.store.usage({ merchantNumber: MERCHANT, counters });
      return [use?.committed ?? Number.NaN, use?.reserved ?? Number.NaN];
    },
    movedFen: () => [...core.moved.values()].reduce((sum, fen) => sum + fen, 0),
    movedBy: (key) => core.moved.get(derivedKeyOf(MERCHANT, pay.id, key)),
    journalProblems: async () => {
      const folders = await readdir(journals);
      const checked = folders.map((folder) => verifyJournal(join(journals, folder), { publicKeys: [journalPublicKey] }));
      return (await Promise.all(checked)).flatMap(({ problems }) => problems);
    },
  };
}

type Parts = {
  readonly store: Store;
  readonly core: Core;
  readonly clock: { nowMs: number };
  readonly journals: string;
  readonly instance: string;
  readonly instances: readonly string[];
  readonly point?: Point;
};

/** A mark of death. Whatever a dead process throws, nobody hears it. */
class Killed extends Error {}

type Reaper = {
  dead: boolean;
  readonly whenDead: Promise<undefined>;
  /** Dies if this is the point; throws once dead. */
  readonly pass: (point: Point) => void;
};

function createReaper(point: Point | undefined): Reaper {
  const { promise, resolve } = Promise.withResolvers<undefined>();
  const reaper: Reaper = {
    dead: false,
    whenDead: promise,
    pass: (reached) => {
      if (reached === point) reaper.dead = true;
      if (!reaper.dead) return;
      resolve(undefined);
      throw new Killed();
    },
  };
  return reaper;
}

/** What a dead process calls never comes back, and does nothing. */
const guarded =
  <C, R>(reaper: Reaper, name: string, run: (command: C) => Promise<R>) =>
  async (command: C): Promise<R> => {
    try {
      reaper.pass(`${name}:before` as Point);
      const result = await run(command);
      reaper.pass(`${name}:after` as Point);
      return result;
    } catch (error) {
      if (error instanceof Killed) return new Promise(() => {});
      throw error;
    }
  };

const nameOf = (entry: JournalEntry): string => (entry.type === 'outcome' ? entry.by : entry.type);

/** A disk that a dead process cannot write; at `written X` it dies when the record is in the file and not synced. */
const mortalDisk =
  (reaper: Reaper, point: Point | undefined): OpenSegment =>
  async (path, how) => {
    const file = await openSegment(path, how);
    const target = point?.startsWith('written ') ? WRITTEN[point as keyof typeof WRITTEN] : undefined;
    let reached = false;
    return {
      write: async (data, position) => {
        if (reaper.dead) throw new Killed();
        await file.write(data, position);
        reached ||= target !== undefined && data.includes(target);
      },
      datasync: async () => {
        if (reached) reaper.pass(point as Point);
        if (reaper.dead) throw new Killed();
        await file.datasync();
      },
      truncate: async (bytes) => {
        if (!reaper.dead) await file.truncate(bytes);
      },
      close: file.close,
    };
  };
const WRITTEN = { 'written admitted': '"type":"admitted"', 'written resolved': '"by":"resolved"' } as const;

async function bootProcess(parts: Parts): Promise<TestProcess> {
  const { clock, journals, instance, point } = parts;
  const reaper = createReaper(point);
  const alarms: string[] = [];
  const nowMs = () => clock.nowMs;
  const times = { nowMs, monotonicMs: systemClock.monotonicMs };
  const disk = { openSegment: mortalDisk(reaper, point), groupMsMax: 1, groupRecordsMax: 64, segmentBytesMax: 1_048_576, retryMs: 1 };
  const real = await openJournal({ directory: journals, instance, signer: journalSigner, clock: times, ...disk, onAlarm: () => {} });
  const journal: typeof real = {
    ...real,
    append: (entry) => {
      reaper.pass(`append ${nameOf(entry)}:before` as Point);
      const sequence = real.append(entry);
      reaper.pass(`append ${nameOf(entry)}:after` as Point);
      return sequence;
    },
    synced: guarded(reaper, 'sync', real.synced),
  };
  const meddled: { change: Partial<Store> } = { change: {} };
  const state = joinState({
    journal,
    store: mortalStore(reaper, parts.store, meddled),
    instance,
    instances: parts.instances,
    merchantNumbers: () => [MERCHANT],
    deadJournals: () => openDeadJournals(journals, instance, nowMs),
    nowMs,
    onChange: () => {},
    onFailure: () => {},
    pause: () => new Promise((resolve) => setTimeout(resolve, 5).unref()),
  });
  const money = wireMoney({
    config: {
      instance,
      timeZone: 'Asia/Shanghai',
      idempotency: { answerHours: 24, claimDays: 180 },
      resolve: { scheduleMs: [500, 500, 1_000, 2_000, 4_000, 5_000], clockAllowanceMs: 2_000 },
    },
    keys: {
      fingerprintKeys: onlyKey(KEY),
      answerSealKeys: onlyKey(KEY),
      payerKey: KEY,
      assertion: { writing: () => assertionKey, all: [assertionKey] },
    },
    state,
    core: mortalCore(reaper, parts.core),
    local: {},
    findOperation: (id) => (id === pay.id ? pay : id === executions.id ? executions : undefined),
    merchantNumbers: () => [MERCHANT],
    clock: times,
    onAlarm: (alarm) => alarms.push(alarm),
  });
  const faults: unknown[] = [];
  const stages = standInStages({ money, operation: pay, merchants, nowMs, onFault: (cause) => faults.push(cause) });
  const end = async () => {
    reaper.dead = true;
    await real.close();
    await parts.store.close();
  };
  return {
    state,
    money,
    alarms,
    store: parts.store,
    isDead: () => reaper.dead,
    meddle: (change) => {
      meddled.change = change;
    },
    pay: async (key, changes) => {
      const payment = {
        requestId: freshId(),
        merchantNumber: MERCHANT,
        orderNo: key,
        key,
        nonce: freshId(),
        amountFen: 100,
        createdMs: nowMs(),
      };
      const sealed = await Promise.race([handle(arrivedPayment({ ...payment, ...changes }), stages), reaper.whenDead]);
      if (!sealed || reaper.dead) return undefined;
      if (faults.length > 0) throw faults[0];
      return toldBy(sealed);
    },
    until: async (work) => {
      await Promise.race([work, reaper.whenDead]);
    },
    open: async () => {
      const looks = async () => {
        for (let i = 0; i < 3; i += 1) await state.keeper.look();
      };
      await Promise.race([looks(), reaper.whenDead]);
    },
    kill: end,
    close: async () => {
      if (!reaper.dead) await state.close(1_000);
    },
  };
}

const freshId = (): string => randomBytes(12).toString('base64url');

function mortalStore(reaper: Reaper, store: Store, meddled: { change: Partial<Store> }): Store {
  const names = Object.keys(store).filter((name) => name !== 'kind' && name !== 'close') as (keyof Store)[];
  const present = (name: keyof Store) => (meddled.change[name] ?? store[name]) as unknown as (command: never) => Promise<unknown>;
  const methods = names.map((name) => [name, guarded(reaper, name, (command: never) => present(name)(command))]);
  // The clock of the test stands still while that of a server runs.
  const epoch = guarded(reaper, 'epoch', async () => ({ state: (await store.epoch()).state }));
  return { ...store, ...Object.fromEntries(methods), epoch: () => epoch(undefined) } as Store;
}

const mortalCore = (reaper: Reaper, core: Core): Core => {
  const paid = guarded(reaper, 'pay', core.call);
  const asked = guarded(reaper, 'ask', core.call);
  return { ...core, call: (call) => (call.method === 'GET' ? asked(call) : paid(call)) };
};
