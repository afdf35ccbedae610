// `npm run torture`: real gateways, core, Redis and merchants, and everything dies. `--help` tells the rest.
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { ensureRedisServer } from './redis-server.ts';
import { KILLS, REDIS_FAULTS } from './torture/faults.ts';
import { type PointsResult, runKillPoints } from './torture/kill-points.ts';
import { type RoundResult, runRound } from './torture/round.ts';
import { type Done, isWhole, summaryOf } from './torture/summary.ts';

const HELP = `Usage: npm run torture -- [options]

Kills gateways with kill -9, and kills, empties, pauses and hangs their Redis, while merchants pay through the SDK; and kills at every
point of a payment. After each job the books are compared: what merchants were told, what limits count, what the journals hold and what
the core really did. At most 60 minutes on 2 processors. A job that is done is kept in the state file, so that a run can be ended at any
time and goes on where it was. Ends with status 1 when anything is wrong.

  --quick        a few minutes' worth of it
  --only TEXT    only the jobs whose name contains it
  --state FILE   default: ${join(tmpdir(), 'hufu-torture.json')}, and hufu-torture-quick.json
  --fresh        forget what is done
`;

/** How much is done: jobs of each kind, and faults in each. */
const FULL = { kills: { jobs: 10, cycles: 10 }, redis: { jobs: 5, cycles: 10 }, points: 20 };
const QUICK = { kills: { jobs: 1, cycles: 6 }, redis: { jobs: 1, cycles: 8 }, points: 1 };

type Result = RoundResult | PointsResult;
type Job = { readonly name: string; readonly run: (onCycle: (name: string, ms: number) => void) => Promise<Result> };

/** \`count\` jobs of one kind. */
const jobs = (count: number, name: string, run: Job['run']): Job[] =>
  Array.from({ length: count }, (_, i) => ({ name: `${name} ${i + 1} of ${count}`, run }));

function planOf({ kills, redis, points }: typeof FULL): Job[] {
  return [
    ...(['sqlite', 'redis'] as const).flatMap((store) =>
      jobs(kills.jobs, `kill -9, ${store}`, (onCycle) => runRound({ store, faults: KILLS, cycles: kills.cycles }, onCycle)),
    ),
    ...jobs(redis.jobs, 'Redis faults', (onCycle) => runRound({ store: 'redis', faults: REDIS_FAULTS, cycles: redis.cycles }, onCycle)),
    ...jobs(points, 'kill points', runKillPoints),
  ];
}

/** A line at least so often. */
const TELL_MS = 10_000;

async function runJobs(plan: readonly Job[], done: Record<string, Result>, save: () => void): Promise<void> {
  const startedMs = performance.now();
  let now = '';
  const seconds = () => `${((performance.now() - startedMs) / 1000).toFixed(0)} s`;
  const timer = setInterval(() => console.log(`  ${seconds()}  ${now}`), TELL_MS);
  try {
    for (const [i, { name, run }] of plan.entries()) {
      if (done[name]) continue;
      let cycles = 0;
      now = name;
      const result = await run((fault, ms) => {
        cycles += 1;
        now = `${name}: ${cycles} faults, the last ${fault}, served again after ${ms} ms`;
      });
      done[name] = result;
      save();
      console.log(`${i + 1}/${plan.length}  ${seconds()}  ${name}: ${isWhole(result) ? 'whole' : 'BROKEN'}`);
    }
  } finally {
    clearInterval(timer);
  }
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      quick: { type: 'boolean', default: false },
      only: { type: 'string', default: '' },
      state: { type: 'string' },
      fresh: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) {
    console.log(HELP);
    return 0;
  }
  ensureRedisServer();
  const file = values.state ?? join(tmpdir(), `hufu-torture${values.quick ? '-quick' : ''}.json`);
  if (values.fresh) rmSync(file, { force: true });
  const done: Record<string, Result> = existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as Done) : {};
  const plan = planOf(values.quick ? QUICK : FULL).filter(({ name }) => name.includes(values.only));
  await runJobs(plan, done, () => writeFileSync(file, JSON.stringify(done)));
  const ran = Object.fromEntries(plan.flatMap(({ name }) => (done[name] ? [[name, done[name]]] : [])));
  console.log(summaryOf(ran).join('\n'));
  const whole = Object.values(ran).every(isWhole);
  console.log(`${plan.length} jobs: ${whole ? 'whole' : 'BROKEN'} (${file})`);
  return whole ? 0 : 1;
}

process.exitCode = await main().catch((error: Error) => {
  console.error(`torture: a job could not be done, and nothing of it is kept: ${error.message}\nThe next run begins with it.`);
  return 1;
});
