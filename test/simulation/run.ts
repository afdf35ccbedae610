// Runs the simulation: `node test/simulation/run.ts --seeds 2000`, or one seed with its story: `--seed 17 --story`.
import { parseArgs } from 'node:util';
import { PLANTS, type Plant } from './gateway.ts';
import { simulate } from './simulate.ts';

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '300' },
    from: { type: 'string', default: '1' },
    seed: { type: 'string' },
    story: { type: 'boolean', default: false },
    plant: { type: 'string' },
  },
});
const plant = values.plant as Plant | undefined;
if (plant !== undefined && !(plant in PLANTS)) throw new Error(`no such plant; there are ${Object.keys(PLANTS).join(', ')}`);

const first = Number(values.seed ?? values.from);
const last = values.seed === undefined ? first + Number(values.seeds) - 1 : first;
const totals = new Map<string, number>();
const startedMs = performance.now();
let steps = 0;
for (let seed = first; seed <= last; seed += 1) {
  const result = await simulate(seed, plant);
  steps += result.steps;
  for (const [what, count] of result.counts) totals.set(what, (totals.get(what) ?? 0) + count);
  if (values.story || result.violation) console.log(result.story().join('\n'));
  if (result.violation) {
    console.log(`seed ${seed}: ${result.violation}`);
    process.exitCode = 1;
    break;
  }
}
for (const [what, count] of [...totals].sort()) console.log(`${String(count).padStart(8)}  ${what}`);
console.log(`${last - first + 1} seeds, ${steps} steps, ${((performance.now() - startedMs) / 1000).toFixed(1)} s`);
