// `npm run simulate -- --seeds 100000`: the real protocol code in seeded worlds where everything dies, see test/simulation. `--help` tells the rest.
import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { PLANTS, type Plant } from '../test/simulation/gateway.ts';
import { STEPS, simulate } from '../test/simulation/simulate.ts';

const HELP = `Usage: npm run simulate -- [options]

Runs the decision, settlement, resolution and rebuild code in seeded worlds, against a simulated store, core, disk and clock, with
crashes at every step. Ends with status 1 at the first world that breaks an invariant, and prints its story.

  --seeds N    how many worlds (default 10000)
  --from N     the first seed (default 1)
  --steps N    a world has new orders until it is so many steps old (default ${STEPS}); all worlds then run until everything is resolved
  --seed N     one world, with its story: the same seed and steps are the same world
  --plant NAME a fault put into the code, to see it found: ${Object.keys(PLANTS).join(', ')}
  --threads N  worlds at once (default: one for each processor, at most 8)
`;

type Job = { readonly first: number; readonly seeds: number; readonly stride: number; readonly steps: number; readonly plant?: Plant };
type Message = {
  readonly worlds: number;
  readonly steps: number;
  readonly counts: readonly (readonly [string, number])[];
  readonly broken?: { readonly seed: number; readonly violation: string };
};

/** Worlds between two messages. */
const BATCH = 20;

/** One thread: every `stride`th seed. Stops at the first world that is broken. */
async function work({ first, seeds, stride, steps, plant }: Job): Promise<void> {
  // Refusals are made by the hundred thousand; the broken world is told again with its stacks.
  Error.stackTraceLimit = 0;
  let message: Message & { worlds: number; steps: number; counts: [string, number][] } = { worlds: 0, steps: 0, counts: [] };
  const send = () => {
    parentPort?.postMessage(message);
    message = { worlds: 0, steps: 0, counts: [] };
  };
  for (let i = 0; i < seeds; i += stride) {
    const seed = first + i;
    const result = await simulate(seed, { steps, ...(plant ? { plant } : {}) });
    message.worlds += 1;
    message.steps += result.steps;
    message.counts.push(...result.counts);
    if (result.violation !== undefined) {
      parentPort?.postMessage({ ...message, broken: { seed, violation: result.violation } });
      return;
    }
    if (message.worlds >= BATCH) send();
  }
  send();
}

function read() {
  const text = { type: 'string' } as const;
  const { values } = parseArgs({
    options: {
      seeds: { ...text, default: '10000' },
      from: { ...text, default: '1' },
      steps: { ...text, default: String(STEPS) },
      threads: { ...text, default: String(Math.min(8, availableParallelism())) },
      seed: text,
      plant: text,
      help: { type: 'boolean', default: false },
    },
  });
  const whole = (name: 'seeds' | 'from' | 'steps' | 'threads' | 'seed', min: number): number => {
    const number = Number(values[name]);
    if (!Number.isSafeInteger(number) || number < min)
      throw new Error(`--${name}: expected a whole number from ${min} on, found "${values[name]}"`);
    return number;
  };
  if (values.plant !== undefined && !(values.plant in PLANTS))
    throw new Error(`--plant: no such fault; there are ${Object.keys(PLANTS).join(', ')}`);
  return {
    help: values.help,
    seeds: whole('seeds', 1),
    from: whole('from', 0),
    steps: whole('steps', 1),
    threads: whole('threads', 1),
    ...(values.seed === undefined ? {} : { seed: whole('seed', 0) }),
    ...(values.plant === undefined ? {} : { plant: values.plant as Plant }),
  };
}

type Options = ReturnType<typeof read>;

async function tellOne(seed: number, { steps, plant }: Options): Promise<number> {
  const result = await simulate(seed, { steps, ...(plant ? { plant } : {}) });
  console.log(result.story().join('\n'));
  console.log(`seed ${seed}: ${result.violation ?? `whole, ${result.steps} steps`}`);
  return result.violation === undefined ? 0 : 1;
}

/** A line of progress at least so often. */
const TELL_MS = 10_000;

async function runAll(options: Options): Promise<number> {
  const { seeds, from, steps, threads, plant } = options;
  const startedMs = performance.now();
  const seconds = () => ((performance.now() - startedMs) / 1000).toFixed(0);
  const sums = { worlds: 0, steps: 0, counts: new Map<string, number>() };
  let broken: Message['broken'];
  const timer = setInterval(() => console.log(`${sums.worlds} of ${seeds} worlds, ${sums.steps} steps, ${seconds()} s`), TELL_MS);
  const workers = Array.from({ length: Math.min(threads, seeds) }, (_, i) => {
    const job: Job = { first: from + i, seeds: seeds - i, stride: Math.min(threads, seeds), steps, ...(plant ? { plant } : {}) };
    return new Worker(new URL(import.meta.url), { workerData: job });
  });
  const ended = workers.map(
    (worker) =>
      new Promise<void>((resolve, reject) => {
        worker.once('error', reject).once('exit', () => resolve());
        worker.on('message', (message: Message) => {
          sums.worlds += message.worlds;
          sums.steps += message.steps;
          for (const [what, count] of message.counts) sums.counts.set(what, (sums.counts.get(what) ?? 0) + count);
          if (!message.broken) return;
          broken ??= message.broken;
          for (const each of workers) void each.terminate();
        });
      }),
  );
  await Promise.all(ended).finally(() => clearInterval(timer));
  for (const [what, count] of [...sums.counts].sort()) console.log(`${String(count).padStart(8)}  ${what}`);
  if (broken) await tellOne(broken.seed, options);
  console.log(
    `${sums.worlds} worlds (seeds ${from} to ${from + seeds - 1}), ${sums.steps} steps, ${seconds()} s: ${broken ? 'BROKEN' : 'whole'}`,
  );
  if (broken) console.log(`again: npm run simulate -- --seed ${broken.seed} --steps ${steps}${plant ? ` --plant ${plant}` : ''}`);
  return broken ? 1 : 0;
}

async function main(): Promise<number> {
  let options: Options;
  try {
    options = read();
  } catch (error) {
    console.error(`simulate: ${(error as Error).message}`);
    return 2;
  }
  if (options.help) {
    console.log(HELP);
    return 0;
  }
  return options.seed === undefined ? runAll(options) : tellOne(options.seed, options);
}

if (isMainThread) process.exitCode = await main();
else await work(workerData as Job);
