import { createSimulatedCore } from './core.ts';
import { CLOCK_ALLOWANCE_MS, type GatewayWorld, type Plant, type SimulatedGateway, startSimulatedGateway } from './gateway.ts';
import { createDisk } from './journal.ts';
import { runMerchants } from './merchants.ts';
import { planNews } from './news.ts';
import { type Misfortune, PROFILES, type Profile } from './profiles.ts';
import { createRandom, type Random } from './random.ts';
import { pickMerchants, pickStart } from './rules.ts';
import { createScheduler } from './scheduler.ts';
import { createSimulatedStore } from './store.ts';
import { createWitness } from './witness.ts';

export type Simulated = {
  /** The first broken invariant, with the number of the step. */
  readonly violation: string | undefined;
  /** What happened, step by step. */
  readonly story: () => readonly string[];
  readonly steps: number;
  readonly counts: ReadonlyMap<string, number>;
};

/** Steps before which no world comes to rest, unless it is told otherwise. */
export const STEPS = 200;
/** No round of orders is still busy after so many steps; one that is has a dead end. */
const STEPS_MAX = 20_000;
const INSTANCES = ['g1', 'g2'] as const;

/** What is no fault, and stays when everything works again. */
const CHARACTER: ReadonlySet<string> = new Set(['recordsFailures', 'tellsOriginal', 'fails', 'timeoutMs', 'takesMsMax']);

/** Half of the worlds are without a kind of fault, so that each kind is also seen alone. */
const maybe = (random: Random, probability: number): number => (random.chance(0.5) ? 0 : probability * random.next());

function createWorld(seed: number, plant: Plant | undefined) {
  const random = createRandom(seed);
  const profile = PROFILES[seed % PROFILES.length] as Profile;
  const witness = createWitness();
  const scheduler = createScheduler(random, pickStart(random), { timeChance: 0.05 * random.next(), leapChance: 0.1 * random.next() });
  const storeFaults = {
    replyLost: maybe(random, 0.1),
    scriptLost: maybe(random, 0.1),
    delayed: maybe(random, 0.2),
    replyDelayed: maybe(random, 0.4),
    replySurvives: maybe(random, 1),
    replayCut: maybe(random, 0.6),
    timeoutMs: random.pick([500, 500, 3_000]),
    ...profile.store,
  };
  const coreFaults = {
    notSent: maybe(random, 0.3),
    requestLost: maybe(random, 0.3),
    reset: maybe(random, 0.4),
    answerLost: maybe(random, 0.4),
    answerSpoilt: maybe(random, 0.2),
    delayed: maybe(random, 0.4),
    fails: maybe(random, 0.5),
    takesTime: maybe(random, 0.4),
    takesMsMax: 8_000,
    recordsFailures: random.chance(0.8),
    tellsOriginal: random.chance(0.6),
    ...profile.core,
  };
  const diskFaults = { refuses: maybe(random, 0.1), slow: maybe(random, 0.8), ...profile.disk };
  const store = createSimulatedStore(scheduler, random, storeFaults, witness);
  const skewMsMax = random.pick([0, 900]);
  // The core's clock may be behind ours by less than the allowance, or ahead by more.
  const core = createSimulatedCore(scheduler, random, coreFaults, random.between(-CLOCK_ALLOWANCE_MS + skewMsMax + 1, 2_500), witness);
  const merchants = pickMerchants(random);
  const disks = INSTANCES.map(createDisk);
  const timeoutMs = random.pick([2_000, 2_000, 12_000]);
  const oneHost = random.chance(0.5);
  const slowness = profile.name === 'mixed' && random.chance(0.3) ? 10 : 1;
  const world: GatewayWorld = {
    scheduler,
    random,
    store,
    core,
    witness,
    disks,
    diskFaults,
    merchants,
    timeoutMs,
    oneHost,
    slowness,
    plant,
    skewMsMax,
  };
  const heal = () => {
    for (const faults of [storeFaults, coreFaults, diskFaults]) {
      for (const name of Object.keys(faults)) if (!CHARACTER.has(name)) Object.assign(faults, { [name]: 0 });
    }
    store.setAway(false);
    core.setAway(false);
    scheduler.onLine(() => {});
    scheduler.calm();
  };
  return { ...world, profile, heal };
}

type World = ReturnType<typeof createWorld>;

/** The processes: started, crashed, stopped in order and started again. */
function createFleet(world: GatewayWorld) {
  const running: (SimulatedGateway | undefined)[] = [];
  const boots: number[] = [];
  const start = (instance: number): void => {
    const disk = world.disks[instance] as (typeof world.disks)[number];
    if (running[instance]) return;
    if (disk.holder?.alive) {
      world.scheduler.later('', () => start(instance), { delayMs: 100 });
      return;
    }
    boots[instance] = (boots[instance] ?? 0) + 1;
    running[instance] = startSimulatedGateway(world, disk, `b${boots[instance]}`);
  };
  const restart = (instance: number) => {
    running[instance] = undefined;
    world.scheduler.later(`instance ${instance + 1} is started again`, () => start(instance), { delayMs: world.random.between(0, 6_000) });
  };
  return {
    start,
    running: (instance: number) => running[instance],
    crash: (instance: number) => {
      if (!running[instance]) return;
      world.witness.counts.set('crash', (world.witness.counts.get('crash') ?? 0) + 1);
      running[instance].crash();
      restart(instance);
    },
    stop: async (instance: number) => {
      if (await running[instance]?.stop()) restart(instance);
    },
  };
}

/** What befalls the world beside lost messages: at seeded moments, most of them right after a critical step. */
function planMisfortunes(world: World, fleet: ReturnType<typeof createFleet>, captured: readonly (() => void)[]): void {
  const { scheduler, random, store, core, profile } = world;
  const either = () => random.between(0, INSTANCES.length - 1);
  const away = (name: string, setAway: (away: boolean) => void) => () => {
    setAway(true);
    scheduler.later(`${name}: back`, () => setAway(false), { delayMs: random.between(100, 5_000) });
  };
  const acts: Readonly<Record<Misfortune, (label: string) => void>> = {
    'that process crashes': (label) =>
      fleet.crash(
        Math.max(
          0,
          INSTANCES.findIndex((name) => label.includes(name)),
        ),
      ),
    'a process crashes': () => fleet.crash(either()),
    'a process is stopped': () => void fleet.stop(either()),
    'store: loses everything': store.lose,
    'store: its replica stops following': store.detachReplica,
    'store: fails over to its replica': () => void store.failOver(),
    'store: away': away('store', store.setAway),
    'core: away': away('core', core.setAway),
  };
  const strike = (misfortune: Misfortune, label: string) => {
    scheduler.note(`*** ${misfortune}`);
    acts[misfortune](label);
    // Whoever captured requests tries the newest again.
    for (const replay of captured.slice(-2)) {
      if (random.chance(0.4)) scheduler.later('somebody replays', replay, { delayMs: random.pick([0, 1_000, 3_000, 10_000]) });
    }
  };
  const dangers = profile.dangers.map((danger) => ({ ...danger, chance: random.pick(danger.chances) }));
  let left = random.between(1, profile.misfortunesMax);
  scheduler.onLine((label) => {
    const danger = dangers.find(({ after }) => after.test(label));
    if (left === 0 || !danger || !random.chance(danger.chance)) return;
    left -= 1;
    strike(random.pick(danger.misfortunes), label);
    // Misfortunes come together.
    if (left === 0 || !random.chance(danger.companionChance)) return;
    left -= 1;
    scheduler.later('', () => strike(random.pick(danger.companions), ''), { delayMs: random.pick([0, 0, 1_000, 8_000]) });
  });
}

async function runTraffic(world: World, fleet: ReturnType<typeof createFleet>, captured: (() => void)[], stepsMin: number): Promise<void> {
  const { random, scheduler, witness, merchants, store } = world;
  let done = false;
  const traffic = {
    orders: random.between(1, 6),
    deliveriesMax: random.between(2, 6),
    amountsFen: [100, 100, 150, 300],
    pausesMs: world.slowness > 1 ? [100, 12_000, 300_000] : [0, 100, 1_000, 4_000, 12_000],
    twice: maybe(random, 0.4),
    otherBody: maybe(random, 0.3),
    replayed: maybe(random, 0.5),
    abandoned: maybe(random, 0.5),
  };
  const serial = { orders: 0, requests: 0 };
  const merchantWorld = { scheduler, random, witness, merchants, instances: INSTANCES.length, running: fleet.running, captured, serial };
  const round = async (): Promise<void> => {
    await runMerchants(merchantWorld, traffic);
    if (scheduler.steps() < stepsMin) return round();
    done = true;
  };
  void round();
  while (!done && scheduler.steps() < STEPS_MAX + stepsMin && (await scheduler.step())) {
    witness.check(store.memory(), scheduler.nowMs());
    if (witness.violation()) return;
  }
  if (!done) witness.wrong('(7) the merchants were never done');
}

/** The last nonces are out of every window after this long, and everything can be resolved. */
const QUIET_MS = 2_000_000;

async function runQuiet(world: World, fleet: ReturnType<typeof createFleet>): Promise<void> {
  const { scheduler, witness, store } = world;
  scheduler.note('--- from here on nothing goes wrong');
  world.heal();
  const untilMs = scheduler.nowMs() + QUIET_MS;
  const isQuiet = () => store.memory().epoch?.open === true && witness.isResolved(store.memory());
  // The replays that are still to come, and the misfortunes that were planned, belong to the story.
  const restMs = scheduler.nowMs() + 260_000;
  while (scheduler.nowMs() < untilMs && (scheduler.nowMs() < restMs || !isQuiet())) {
    for (const instance of INSTANCES.keys()) fleet.start(instance);
    await scheduler.step();
    witness.check(store.memory(), scheduler.nowMs());
    if (witness.violation()) return;
  }
  if (!isQuiet()) witness.wrong('(7) everything works again, and something is never resolved');
  else {
    const broken = witness.whenQuiet(store.memory());
    if (broken) witness.wrong(broken);
  }
}

export type SimulateOptions = {
  /** Merchants go on until the world is so many steps old; default STEPS. */
  readonly steps?: number;
  readonly plant?: Plant;
};

/** Runs one world to its end. The same seed, steps and plant give the same story. */
export async function simulate(seed: number, { steps: stepsMin = STEPS, plant }: SimulateOptions = {}): Promise<Simulated> {
  const world = createWorld(seed, plant);
  const { scheduler, witness } = world;
  const fleet = createFleet(world);
  for (const instance of INSTANCES.keys()) fleet.start(instance);
  const captured: (() => void)[] = [];
  planMisfortunes(world, fleet, captured);
  planNews({ ...world, impatience: world.profile.impatience ?? 0, instances: INSTANCES.length, running: fleet.running });
  await runTraffic(world, fleet, captured, stepsMin);
  if (!witness.violation()) await runQuiet(world, fleet);
  const violation = witness.violation();
  if (violation) scheduler.note(`VIOLATION: ${violation}`);
  return { violation, story: scheduler.story, steps: scheduler.steps(), counts: witness.counts };
}
