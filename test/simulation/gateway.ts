import { derivedKeyOf } from '../../src/admission/key-hash.ts';
import { handle } from '../../src/pipeline/handle.ts';
import { createJournalStage } from '../../src/pipeline/journal.ts';
import type { Stages } from '../../src/pipeline/stages.ts';
import type { Announcement } from '../../src/ports/announcements.ts';
import type { Journal } from '../../src/ports/journal.ts';
import { isShared, type Store } from '../../src/ports/store.ts';
import { claimMark } from '../../src/protocol/marks.ts';
import type { Merchant } from '../../src/protocol/merchant.ts';
import type { Arrived, Sealed } from '../../src/protocol/messages.ts';
import type { Operation } from '../../src/protocol/operation.ts';
import type { FinalOutcome } from '../../src/protocol/outcome.ts';
import { applyDecisions } from '../../src/runtime/decisions.ts';
import { type Money, wireMoney } from '../../src/runtime/money.ts';
import { joinState, type State } from '../../src/runtime/state.ts';
import { assertionKey, executions, pay } from '../forward/sample.ts';
import { standInStages } from '../support/front.ts';
import { onlyKey } from '../support/secret-keys.ts';
import type { SimulatedCore } from './core.ts';
import { type Disk, type DiskFaults, holdDeadJournals, openSimulatedJournal, type SimulatedJournal } from './journal.ts';
import type { Random } from './random.ts';
import type { Life, Scheduler } from './scheduler.ts';
import type { SimulatedStore } from './store.ts';
import type { Witness } from './witness.ts';

/**
 * Faults that are planted into the real code, at its ports or in its wiring. The simulation must find each, or it proves
 * nothing. The first three are those of the executable specification.
 */
export const PLANTS = {
  forwardBeforeSync: 'the request goes to the core before its record is synced',
  resolverSettlesFirst: 'the resolver settles, and journals some time later',
  nonceNotReported: 'a report does not append the nonces of admissions still in memory',
  oldEpochForwarded: 'an admission of an older epoch is journalled and forwarded',
  lostNoncesForgotten: 'the unclean end of a process is forgotten with its next start',
  notFoundBeforeExpiry: '"not found" is final although an assertion of the key is still good',
  pushBelieved: 'what somebody pushes as the core is settled without asking the core',
  sharedForgotten: 'a replay leaves out what counts over all merchants',
} as const;
export type Plant = keyof typeof PLANTS;

export type GatewayWorld = {
  readonly scheduler: Scheduler;
  readonly random: Random;
  readonly store: SimulatedStore;
  readonly core: SimulatedCore;
  readonly witness: Witness;
  readonly disks: readonly Disk[];
  readonly diskFaults: DiskFaults;
  readonly merchants: readonly Merchant[];
  /** How long the core may take; an assertion lives as long, at most 30 s. */
  readonly timeoutMs: number;
  /** Whether instances share a host: then the living replay the journals of the dead. */
  readonly oneHost: boolean;
  /** How much rarer than in truth the processes look about: for worlds in which merchants wait for minutes. */
  readonly slowness: number;
  readonly plant: Plant | undefined;
  /** How far the clock of a process may be off, either way, ms. */
  readonly skewMsMax: number;
};

export type SimulatedGateway = {
  readonly life: Life;
  readonly handle: (arrived: Arrived) => Promise<Sealed>;
  readonly crash: () => void;
  /** Ends in order, when nothing is under way; false when something is. */
  readonly stop: () => Promise<boolean>;
  /** The core says by itself what became of a key. */
  readonly hear: (merchantNumber: string, keyHash: string, outcome: FinalOutcome) => Promise<unknown>;
  /** An operator's word reaches this process. */
  readonly decide: (merchantNumber: string, keyHash: string, outcome: FinalOutcome, saidAtMs: number) => void;
};

const LOOK_MS = 500;
const SWEEP_MS = 1_000;
export const CLOCK_ALLOWANCE_MS = 2_000;
const KEY = { id: '0123456789abcdef', key: Buffer.alloc(32, 7) };

/** One gateway process: everything from admission to settlement is the real code, wired as the gateway wires it. */
export function startSimulatedGateway(fleet: GatewayWorld, disk: Disk, boot: string): SimulatedGateway {
  const world = withOwnClock(fleet);
  const { scheduler, random, plant } = world;
  const life: Life = { name: `${disk.instance}.${boot}`, alive: true, mourners: new Set() };
  if (plant === 'lostNoncesForgotten') Object.assign(disk, { closed: true, noncesLostAtMs: undefined });
  const journal = openSimulatedJournal(scheduler, random, world.diskFaults, disk, life, boot);
  const busy: Busy = { requests: 0, commands: 0, pauses: 0 };
  const state = joinGateway(world, disk, life, journal, busy);
  const money = wireGateway(world, disk, life, state);
  const stages = stagesOf(world, money, state);
  tick(scheduler, life, LOOK_MS * world.slowness, state.keeper.look);
  tick(scheduler, life, SWEEP_MS * world.slowness, money.sweep.round);

  const end = () => {
    life.alive = false;
    for (const each of world.disks) if (each.holder === life) each.holder = undefined;
    for (const mourn of life.mourners) mourn();
  };
  return {
    life,
    handle: async (arrived) => {
      busy.requests += 1;
      return handle(arrived, stages).finally(() => {
        busy.requests -= 1;
      });
    },
    crash: () => {
      journal.crash();
      end();
    },
    stop: async () => {
      if (busy.requests + busy.commands + busy.pauses > 0) return false;
      life.alive = false;
      await state.close(0);
      end();
      return true;
    },
    hear: (merchantNumber, keyHash, outcome) =>
      plant === 'pushBelieved'
        ? believe(state, money, merchantNumber, keyHash, outcome)
        : money.resolver.hear(merchantNumber, keyHash, outcome),
    decide: (merchantNumber, keyHash, outcome, saidAtMs) =>
      applyDecisions([decisionOf(merchantNumber, keyHash, outcome, saidAtMs)], money.resolver, state.until),
  };
}

/** A process lives by its own clock, which is off by as much as clocks may be. */
function withOwnClock(fleet: GatewayWorld): GatewayWorld {
  const { scheduler, random, skewMsMax } = fleet;
  const skewMs = random.between(-skewMsMax, skewMsMax);
  return { ...fleet, scheduler: { ...scheduler, nowMs: () => scheduler.nowMs() + skewMs } };
}

function tick(scheduler: Scheduler, life: Life, everyMs: number, act: () => Promise<void>): void {
  const again = () => {
    void act();
    scheduler.later('', again, { life, delayMs: everyMs });
  };
  scheduler.later(`${life.name}: starts`, again, { life });
}

async function believe(
  { store }: State,
  { resolver }: Money,
  merchantNumber: string,
  keyHash: string,
  outcome: FinalOutcome,
): Promise<void> {
  const claim = await store.findClaim({ merchantNumber, keyHash });
  if (claim) await resolver.learn(merchantNumber, claim, { outcome });
}

const decisionOf = (merchantNumber: string, keyHash: string, after: FinalOutcome, atMs: number): Announcement => ({
  kind: 'settle',
  subject: claimMark(merchantNumber, keyHash),
  actor: 'Wang Fang',
  reason: 'asked the core',
  atMs,
  before: 'unknown',
  after,
  version: 1,
  restored: false,
});

/** What is under way in a process. */
type Busy = { requests: number; commands: number; pauses: number };

function counted(store: Store, busy: Busy, plant: Plant | undefined): Store {
  const count =
    <C, R>(run: (command: C) => Promise<R>) =>
    (command: C): Promise<R> => {
      busy.commands += 1;
      return run(command).finally(() => {
        busy.commands -= 1;
      });
    };
  const { settle, hold, void: voids, release } = store;
  const replay = plant === 'sharedForgotten' ? replayOwn(store) : store.replay;
  return { ...store, replay, settle: count(settle), hold: count(hold), void: count(voids), release: count(release) };
}

const replayOwn =
  (store: Store): Store['replay'] =>
  (command) => {
    const facts = command.facts.map((fact) =>
      fact.type === 'admitted' ? { ...fact, reservation: fact.reservation.filter(({ counter }) => !isShared(counter)) } : fact,
    );
    return store.replay({ ...command, facts });
  };

function joinGateway(world: GatewayWorld, disk: Disk, life: Life, journal: SimulatedJournal, busy: Busy): State {
  const { scheduler, disks } = world;
  const state: State = joinState({
    journal: plantJournal(world, life, journal, () => state.keeper.epoch()),
    store: counted(world.store.connect(life), busy, world.plant),
    instance: disk.instance,
    instances: disks.map(({ instance }) => instance),
    merchantNumbers: () => world.merchants.map(({ number }) => number),
    deadJournals: () =>
      world.oneHost ? holdDeadJournals(scheduler, disks, life) : Promise.resolve({ journals: [], release: async () => {} }),
    nowMs: scheduler.nowMs,
    onChange: (line) => scheduler.note(`${life.name}: ${line}`),
    onFailure: () => {},
    pause: async (ms) => {
      busy.pauses += 1;
      await scheduler.turn('', life, ms);
      busy.pauses -= 1;
    },
  });
  return state;
}

function plantJournal({ scheduler, plant }: GatewayWorld, life: Life, journal: SimulatedJournal, epoch: () => string): SimulatedJournal {
  if (plant === 'forwardBeforeSync') return { ...journal, synced: async () => {} };
  if (plant === 'nonceNotReported') {
    return { ...journal, append: (entry) => (entry.type === 'nonce' && epoch() === '' ? 0 : journal.append(entry)) };
  }
  if (plant !== 'resolverSettlesFirst') return journal;
  const append: Journal['append'] = (entry) => {
    if (entry.type !== 'outcome' || entry.by !== 'resolved') return journal.append(entry);
    scheduler.later(`${life.name}: journals what was resolved`, () => void journal.append(entry), { life, delayMs: 5_000 });
    return 0;
  };
  return { ...journal, append };
}

function wireGateway(world: GatewayWorld, disk: Disk, life: Life, state: State): Money {
  const { scheduler, witness, plant } = world;
  return wireMoney({
    config: {
      instance: disk.instance,
      timeZone: 'Asia/Shanghai',
      idempotency: { answerHours: 24, claimDays: 180 },
      resolve: {
        scheduleMs: [500, 500, 1_000, 2_000, 4_000, 8_000, 10_000],
        clockAllowanceMs: plant === 'notFoundBeforeExpiry' ? -60_000 : CLOCK_ALLOWANCE_MS,
      },
    },
    keys: {
      fingerprintKeys: onlyKey(KEY),
      answerSealKeys: onlyKey(KEY),
      payerKey: KEY,
      assertion: { writing: () => assertionKey, all: [assertionKey] },
    },
    state,
    core: world.core.connect(life),
    local: {},
    findOperation: (id) => (id === pay.id ? operationOf(world) : id === executions.id ? executions : undefined),
    merchantNumbers: () => world.merchants.map(({ number }) => number),
    clock: { nowMs: scheduler.nowMs, monotonicMs: scheduler.nowMs },
    onAlarm: (alarm, facts) => witness.alarm(alarm, facts),
  });
}

const operationOf = ({ timeoutMs }: GatewayWorld): Operation => ({ ...pay, timeoutMs, payer: '/payer/accountNo' });

/** The stages of a request; a planted fault replaces the one that it is about. */
function stagesOf(world: GatewayWorld, money: Money, state: State): Stages {
  const { scheduler, witness, merchants, plant } = world;
  const onFault = (cause: unknown) => witness.wrong(`a fault of ours: ${(cause as Error)?.stack ?? cause}`);
  const stages = standInStages({ money, operation: operationOf(world), merchants, nowMs: scheduler.nowMs, onFault });
  return plant === 'oldEpochForwarded' ? { ...stages, journal: journalOfAnyEpoch(state, money) } : stages;
}

const journalOfAnyEpoch =
  ({ journal, unforwarded }: State, { evidence }: Money): Stages['journal'] =>
  (admitted) => {
    const standing = () => ({ kind: 'open', epoch: admitted.epoch }) as const;
    return createJournalStage({ journal, standing, unforwarded, withdraw: async () => {}, evidence })(admitted);
  };

export const derivedKeyFor = (merchantNumber: string, idempotencyKey: string): string =>
  derivedKeyOf(merchantNumber, pay.id, idempotencyKey);
