import { isFen } from '../lib/money.ts';
import type { ConcurrencyStep, RateStep, TotalStep } from '../ports/store.ts';
import type { ErrorCode } from '../protocol/errors.ts';
import type { AmountRule, ConcurrencyRule, LimitRule, LimitScope, RateRule, TotalRule } from '../protocol/merchant.ts';
import type { Operation } from '../protocol/operation.ts';
import { type Period, windowOf } from './windows.ts';

/** What rules look at. */
export type Request = {
  readonly operation: Pick<Operation, 'id' | 'limits'>;
  readonly amountFen?: number;
  readonly currency?: string;
  readonly nowMs: number;
  readonly timeZone: string;
};

/** A request outside the bounds of one amount; `limit` 0 where the contract has no limit in its currency. */
export type AmountProblem = { readonly minFen: number; readonly limit: number; readonly detail?: string };

/** What the store is asked to decide. Each list of steps stands beside the rules that made it. */
export type Steps = {
  readonly rates: readonly RateStep[];
  readonly rateRules: readonly RateRule[];
  readonly concurrency: readonly ConcurrencyStep[];
  readonly totals: readonly TotalStep[];
  readonly amountProblem?: AmountProblem;
};

/** Which refusal a total gives. */
const TOTAL_CODES: Readonly<Record<TotalRule['of'], Readonly<Record<Period, ErrorCode>>>> = {
  amount: { day: 'LIMIT_DAILY_AMOUNT', month: 'LIMIT_MONTHLY_AMOUNT' },
  count: { day: 'LIMIT_DAILY_COUNT', month: 'LIMIT_MONTHLY_COUNT' },
};

/** Turns the rules of a merchant into the steps of one admission. */
export function stepsOf(rules: readonly LimitRule[], request: Request): Steps {
  const { id, limits } = request.operation;
  const applying = rules.filter(({ operations }) => operations.length === 0 || operations.includes(id));
  const rates = onePerCounter(
    pick(applying, 'rate').map((rule): RateEntry => [rateStep(rule, id), rule]),
    ([{ counter }]) => counter,
    stricterRate,
  );
  const problem = limits === 'none' ? undefined : findAmountProblem(applying, request);
  return {
    rates: rates.map(([step]) => step),
    rateRules: rates.map(([, rule]) => rule),
    concurrency: smallest(pick(applying, 'concurrency').map((rule) => concurrencyStep(rule, id))),
    totals: limits === 'totals' && !problem ? smallest(totalSteps(pick(applying, 'total'), request)) : [],
    ...(problem ? { amountProblem: problem } : {}),
  };
}

const pick = <Kind extends LimitRule['kind']>(rules: readonly LimitRule[], kind: Kind): Extract<LimitRule, { kind: Kind }>[] =>
  rules.filter((rule): rule is Extract<LimitRule, { kind: Kind }> => rule.kind === kind);

/**
 * Names a counter by what it counts, never by the rule's name: a renamed rule must not begin at 0 (contract.md section 5).
 * Two rules that count the same share the counter, and only the stricter is asked.
 */
function counterOf(parts: readonly string[], scope: LimitScope, operations: readonly string[], operationId: string): string {
  const set = operations.length === 0 ? '*' : [...operations].sort().join(',');
  return [...parts, scope === 'merchant' ? 'merchant' : `operation=${operationId}`, set].join(':');
}

function rateStep(rule: RateRule, operationId: string): RateStep {
  const incrementUs = Math.ceil((rule.perMs * 1000) / rule.allow);
  const counter = counterOf(['rate', String(rule.perMs)], rule.scope, rule.operations, operationId);
  return { counter, incrementUs, toleranceUs: incrementUs * rule.burst };
}

const concurrencyStep = (rule: ConcurrencyRule, operationId: string): ConcurrencyStep => ({
  counter: counterOf(['concurrency'], rule.scope, rule.operations, operationId),
  max: rule.max,
});

function totalSteps(rules: readonly TotalRule[], request: Request): TotalStep[] {
  const { operation, amountFen, currency, nowMs, timeZone } = request;
  return rules
    .filter((rule) => rule.currency === currency)
    .map((rule) => {
      const window = windowOf(rule.per, nowMs, timeZone);
      return {
        counter: counterOf(['total', rule.of, rule.per, window.label, rule.currency], rule.scope, rule.operations, operation.id),
        add: rule.of === 'count' ? 1 : (amountFen ?? 0),
        windowEndsMs: window.endsMs,
        max: rule.max,
        code: TOTAL_CODES[rule.of][rule.per],
      };
    });
}

/** The bounds of one request. Fails closed: an amount in a currency that no rule of the merchant speaks of is refused. */
function findAmountProblem(rules: readonly LimitRule[], { amountFen, currency }: Request): AmountProblem | undefined {
  const money = rules.filter((rule): rule is AmountRule | TotalRule => rule.kind === 'amount' || rule.kind === 'total');
  if (money.length === 0) return undefined;
  if (!isFen(amountFen)) return { minFen: 0, limit: 0, detail: 'The amount must be whole fen.' };
  if (!money.some((rule) => rule.currency === currency)) {
    return { minFen: 0, limit: 0, detail: 'The contract has no limit in this currency, so nothing may be moved in it.' };
  }
  const broken = pick(rules, 'amount').find((rule) => rule.currency === currency && (amountFen < rule.minFen || amountFen > rule.maxFen));
  return broken && { minFen: broken.minFen, limit: broken.maxFen };
}

type RateEntry = readonly [RateStep, RateRule];

/** One entry for each counter, in the order of first mention. */
function onePerCounter<Entry>(
  entries: readonly Entry[],
  counterOf: (entry: Entry) => string,
  stricter: (a: Entry, b: Entry) => Entry,
): Entry[] {
  const kept = new Map<string, Entry>();
  for (const entry of entries) {
    const other = kept.get(counterOf(entry));
    kept.set(counterOf(entry), other === undefined ? entry : stricter(other, entry));
  }
  return [...kept.values()];
}

const smallest = <Step extends { readonly counter: string; readonly max: number }>(steps: readonly Step[]): Step[] =>
  onePerCounter(
    steps,
    ({ counter }) => counter,
    (a, b) => (b.max < a.max ? b : a),
  );

/** The slower rate, with the smaller of the two bursts. */
function stricterRate(a: RateEntry, b: RateEntry): RateEntry {
  const [step, rule] = b[0].incrementUs > a[0].incrementUs ? b : a;
  return [{ ...step, toleranceUs: Math.max(step.incrementUs, Math.min(a[0].toleranceUs, b[0].toleranceUs)) }, rule];
}
