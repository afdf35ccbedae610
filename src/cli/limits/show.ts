import { formatTable } from '../../lib/table.ts';
import { withStore } from '../with-store.ts';
import { type LimitOptions, readSite } from './site.ts';
import { countedRules, type Standing, standingsOf } from './standing.ts';

const COLUMNS = [
  { title: 'limit' },
  { title: 'counts' },
  ...['bound', 'used', 'reserved', 'left'].map((title) => ({ title, align: 'right' as const })),
  { title: 'resets' },
];

/** `hufu limits show`: each limit once for each counter it has, whichever operations share it. */
export async function show(number: string, options: LimitOptions): Promise<void> {
  const site = readSite(number, options);
  const all = site.operations.flatMap((operation) => countedRules(site.rulesOf(operation), site.factsOf(operation), options));
  const rules = [...new Map(all.map((counted) => [`${counted.rule.name} ${counted.counter}`, counted])).values()];
  const { nowMs, config } = site;
  const limits = await withStore(config, (store) => standingsOf(store, number, rules, { nowMs, timeZone: config.timeZone, options }));
  if (options.json) console.log(JSON.stringify({ merchant: number, at: new Date(nowMs).toISOString(), limits }));
  else console.log(formatTable(COLUMNS, limits.map(rowOf)).join('\n'));
}

function rowOf({ rule, shadow, counts, bound, used, reserved, left, resetsAt, needs }: Standing): string[] {
  const numbers = [bound, used, reserved, left].map((number) => (number === undefined ? '' : String(number)));
  return [shadow ? `${rule} (shadow)` : rule, counts, ...numbers, resetsAt ?? (needs === undefined ? '' : `see with ${needs}`)];
}
