// Random changes of one byte of signed requests and answers, held against the real verification: `npm run mutations -- --count 100000 [--seed 1]`.
// A change that is accepted must mean the same by a rule that has a name; any other ends the run with status 1.
import { parseArgs } from 'node:util';
import { mutate, subjects } from './vectors/mutate.ts';

const { values } = parseArgs({ options: { count: { type: 'string', default: '100000' }, seed: { type: 'string', default: '1' } } });
const [count, seed] = [Number(values.count), Number(values.seed)];
if (!Number.isSafeInteger(count) || count < 1 || !Number.isSafeInteger(seed)) {
  console.error('mutations: --count and --seed are whole numbers');
  process.exit(2);
}

const all = subjects();
const wrong: string[] = [];
const startedMs = performance.now();
for (const [i, subject] of all.entries()) {
  const share = Math.ceil(count / all.length);
  const tally = mutate(subject, share, seed + i);
  const same = Object.entries(tally.same).map(([rule, times]) => `${rule} ${times}`);
  console.log(
    `${i + 1}/${all.length} ${tally.subject}: ${tally.count} changed, ${tally.refused} refused, ${tally.notHttp} no HTTP, ` +
      `the same ${same.length === 0 ? '0' : `(${same.join(', ')})`}, WRONG ${tally.wrong.length}`,
  );
  wrong.push(...tally.wrong.map((line) => `${tally.subject} ${line}`));
}
console.log(`seed ${seed}, ${((performance.now() - startedMs) / 1000).toFixed(1)} s, accepted wrongly: ${wrong.length}`);
for (const line of wrong.slice(0, 20)) console.error(line);
process.exitCode = wrong.length === 0 ? 0 : 1;
