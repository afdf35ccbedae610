import type { FinalOutcome } from '../../src/protocol/outcome.ts';
import type { GatewayWorld, SimulatedGateway } from './gateway.ts';

export type NewsWorld = Pick<GatewayWorld, 'scheduler' | 'random' | 'store' | 'core' | 'witness'> & {
  readonly instances: number;
  /** How probable an operator is who calls failed what the core is still about. */
  readonly impatience: number;
  readonly running: (instance: number) => SimulatedGateway | undefined;
};

const outcomeOf = (status: 'SUCCEEDED' | 'FAILED'): FinalOutcome => (status === 'SUCCEEDED' ? 'succeeded' : 'failed');
const other = (outcome: FinalOutcome): FinalOutcome => (outcome === 'succeeded' ? 'failed' : 'succeeded');

/** What comes in beside requests and questions: the core tells of outcomes by itself, operators decide about unknown ones. */
export function planNews(world: NewsWorld): void {
  if (world.random.chance(0.5)) planPushes(world);
  if (world.impatience > 0 || world.random.chance(0.4)) planOperator(world, world.random.chance(1 - world.impatience));
}

/** Early, late, twice, to any process; and now and then somebody says the opposite. */
function planPushes({ scheduler, random, witness, core, instances, running }: NewsWorld): void {
  const lies = random.chance(0.5) ? 0.2 : 0;
  core.onConcluded((derivedKey, status) => {
    for (let times = random.pick([1, 1, 2]); times > 0; times -= 1) {
      const { merchantNumber, keyHash, name } = witness.find(derivedKey);
      const outcome = random.chance(lies) ? other(outcomeOf(status)) : outcomeOf(status);
      const instance = random.between(0, instances - 1);
      const push = () => {
        witness.count(`pushed: ${outcome}`);
        running(instance)
          ?.hear(merchantNumber, keyHash, outcome)
          .catch(() => {});
      };
      scheduler.later(`core: pushes ${outcome} of ${name} to instance ${instance + 1}`, push, {
        delayMs: random.pick([0, 0, 500, 5_000, 60_000]),
      });
    }
  });
}

const DECISIONS_MAX = 4;
const LOOKS_MAX = 30;

/** Looks for unknown outcomes, asks the people at the core, and decides; every process hears of it. Now and then he does not wait for the core. */
function planOperator(world: NewsWorld, patient: boolean): void {
  const { scheduler, random } = world;
  let left = random.between(1, DECISIONS_MAX);
  let looks = LOOKS_MAX;
  const look = () => {
    looks -= 1;
    left -= decideOne(world, patient) ? 1 : 0;
    if (left > 0 && looks > 0) scheduler.later('', look, { delayMs: random.pick([500, 3_000, 15_000]) });
  };
  scheduler.later('', look, { delayMs: random.between(0, 10_000) });
}

function decideOne({ scheduler, random, witness, store, core, instances, running }: NewsWorld, patient: boolean): boolean {
  const open = [...store.memory().slots].flatMap(([merchantNumber, { claims }]) =>
    [...claims].flatMap(([keyHash, { state }]) => (state === 'unknown' ? [{ merchantNumber, keyHash }] : [])),
  );
  if (open.length === 0) return false;
  const { merchantNumber, keyHash } = random.pick(open);
  const key = witness.keyOf(merchantNumber, keyHash);
  if (!key) return false;
  const status = core.look(key.derivedKey);
  if (status === 'PROCESSING' && patient) return false;
  if (status === 'PROCESSING') witness.misjudged(key.derivedKey);
  const outcome = status === 'SUCCEEDED' ? 'succeeded' : 'failed';
  witness.count(`operator: ${outcome} of ${status ?? 'nothing'}`);
  scheduler.note(`*** an operator says ${outcome} of ${key.name}, which the core has as ${status ?? 'nothing'}`);
  const saidAtMs = scheduler.nowMs();
  for (let instance = 0; instance < instances; instance += 1) {
    const tell = () => running(instance)?.decide(merchantNumber, keyHash, outcome, saidAtMs);
    scheduler.later('', tell, { delayMs: random.between(0, 2_000) });
  }
  return true;
}
