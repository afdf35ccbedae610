import type { Compiled, CompiledRules } from '../../admission/compiled-rules.ts';
import { SCOPES, type ScopeFacts } from '../../admission/scopes.ts';
import { businessTime } from '../../admission/windows.ts';
import { describeGcra } from '../../lib/gcra.ts';
import type { RateStep, Store, TotalStep } from '../../ports/store.ts';
import type { LimitRule } from '../../protocol/merchant.ts';
import type { LimitOptions } from './site.ts';

/** A rule at one of its counters; without a counter where the payer or address it counts by was not named. */
export type Counted = {
  readonly rule: LimitRule;
  readonly counter?: string;
  readonly rate?: RateStep;
  readonly total?: TotalStep;
};

/** One limit as it stands. Numbers are fen for amounts, else requests. */
export type Standing = {
  readonly rule: string;
  readonly kind: LimitRule['kind'];
  readonly counts: string;
  readonly shadow: boolean;
  readonly bound: number;
  readonly used?: number;
  readonly reserved?: number;
  readonly left?: number;
  readonly resetsAt?: string;
  /** The option that has to be given to see more. */
  readonly needs?: string;
};

/** The rules for an operation in the order in which admission asks them: rates, amount of one request, concurrency, totals. */
export function countedRules({ rates, amounts, concurrency, totals }: CompiledRules, facts: ScopeFacts, options: LimitOptions): Counted[] {
  return [
    ...rates.flatMap((entry) => counted(entry, facts, options, { rate: entry.step })),
    ...amounts.map((rule) => ({ rule })),
    ...concurrency.flatMap((entry) => counted(entry, facts, options, {})),
    ...totals.flatMap((entry) => counted(entry, facts, options, { total: entry.step })),
  ];
}

function counted<Step extends { readonly counter: string }>(
  { step, counter, rule, shadowRule }: Compiled<Step, LimitRule>,
  facts: ScopeFacts,
  options: LimitOptions,
  steps: Pick<Counted, 'rate' | 'total'>,
): Counted[] {
  const asking = [rule, shadowRule].filter((rule) => rule !== undefined);
  return asking.map((rule) =>
    neededBy(rule, options) ? { rule, ...steps } : { rule, ...steps, counter: counter?.(facts) ?? step.counter },
  );
}

/** What a rule counts by and was not named. */
function neededBy(rule: LimitRule, options: LimitOptions): 'payer' | 'address' | undefined {
  const needs = rule.kind === 'amount' ? undefined : SCOPES[rule.scope].needs;
  return needs !== undefined && options[needs] === undefined ? needs : undefined;
}

/** How rules stand, in their order. Asks the store twice, however many they are. */
export async function standingsOf(
  store: Store,
  merchantNumber: string,
  rules: readonly Counted[],
  { nowMs, timeZone, options }: { readonly nowMs: number; readonly timeZone: string; readonly options: LimitOptions },
): Promise<Standing[]> {
  const countersOf = (kind: LimitRule['kind']) => [
    ...new Set(rules.flatMap(({ rule, counter }) => (rule.kind === kind && counter ? [counter] : []))),
  ];
  const [rates, concurrency] = [countersOf('rate'), countersOf('concurrency')];
  const usage = new Map((await store.usage({ merchantNumber, counters: countersOf('total') })).map((row) => [row.counter, row]));
  const levels = await store.levels({ merchantNumber, rates, concurrency, nowMs });
  return rules.map(({ rule, counter, rate, total }): Standing => {
    const head = headOf(rule);
    if (rule.kind === 'amount') return head;
    if (counter === undefined) return { ...head, needs: `--${neededBy(rule, options)}` };
    if (rate) return { ...head, left: describeGcra(rate, levels.arrivalsUs[rates.indexOf(counter)] ?? 0, nowMs * 1000).remaining };
    if (!total) {
      const used = levels.running[concurrency.indexOf(counter)] ?? 0;
      return { ...head, used, left: Math.max(0, head.bound - used) };
    }
    const { committed: used = 0, reserved = 0 } = usage.get(counter) ?? {};
    const left = Math.max(0, head.bound - used - reserved);
    return { ...head, used, reserved, left, resetsAt: businessTime(total.windowEndsMs, timeZone) };
  });
}

function headOf(rule: LimitRule): Pick<Standing, 'rule' | 'kind' | 'counts' | 'shadow' | 'bound'> {
  const head = { rule: rule.name, kind: rule.kind, shadow: rule.shadow === true };
  const where = [
    ...(rule.kind === 'amount' ? [] : [rule.scope]),
    rule.operations.length === 0 ? 'all operations' : rule.operations.join(' '),
  ];
  const counting = (what: string) => [what, ...where].join(', ');
  switch (rule.kind) {
    case 'rate':
      return { ...head, counts: counting(`requests in ${rule.perMs} ms`), bound: rule.allow };
    case 'concurrency':
      return { ...head, counts: counting('requests at once'), bound: rule.max };
    case 'amount':
      return { ...head, counts: counting(`fen ${rule.currency} in one request`), bound: rule.maxFen };
    case 'total':
      return {
        ...head,
        counts: counting(`${rule.of === 'amount' ? `fen ${rule.currency}` : `requests ${rule.currency}`} a ${rule.per}`),
        bound: rule.max,
      };
  }
}
