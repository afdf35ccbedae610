import type { ConcurrencyStep, RateStep, TotalStep } from '../ports/store.ts';
import type { ErrorCode } from '../protocol/errors.ts';
import type { AmountRule, ConcurrencyRule, LimitRule, LimitScope, Period, RateRule, TotalRule } from '../protocol/merchant.ts';
import type { Operation } from '../protocol/operation.ts';
import { counterOf, SCOPES, type ScopeFacts } from './scopes.ts';
import { windowOf } from './windows.ts';

/** What rules look at in an operation. */
export type Limited = Pick<Operation, 'id' | 'limits' | 'payer'>;

/** One counter, with the rules that ask about it: the strictest that refuses, and the strictest on trial. */
export type Compiled<Step, Rule> = {
  readonly step: Step;
  /** Makes the counter's name where it depends on the request. */
  readonly counter?: (facts: ScopeFacts) => string;
  readonly rule?: Rule;
  readonly shadowRule?: Rule;
};

/** The rules of a merchant for one operation, as they stand from `fromMs` until `untilMs`. */
export type CompiledRules = {
  readonly fromMs: number;
  readonly untilMs: number;
  readonly timeZone: string;
  readonly rates: readonly Compiled<RateStep, RateRule>[];
  readonly concurrency: readonly Compiled<ConcurrencyStep, ConcurrencyRule>[];
  readonly totals: readonly (Compiled<TotalStep, TotalRule> & { readonly of: TotalRule['of']; readonly currency: string })[];
  readonly amounts: readonly AmountRule[];
  /** Currencies in which the contract bounds something; undefined where it bounds no money at all. */
  readonly currencies?: ReadonlySet<string>;
  /** Whether some counter depends on who pays, and whether it is one of a rule in force. */
  readonly needsPayer: boolean;
  readonly demandsPayer: boolean;
};

/** No bound: a counter that only rules on trial ask about refuses nothing. */
const UNBOUNDED = Number.MAX_SAFE_INTEGER;

/** Which refusal a total gives. */
const TOTAL_CODES: Readonly<Record<TotalRule['of'], Readonly<Record<Period, ErrorCode>>>> = {
  amount: { day: 'LIMIT_DAILY_AMOUNT', week: 'LIMIT_WEEKLY_AMOUNT', month: 'LIMIT_MONTHLY_AMOUNT', year: 'LIMIT_YEARLY_AMOUNT' },
  count: { day: 'LIMIT_DAILY_COUNT', week: 'LIMIT_WEEKLY_COUNT', month: 'LIMIT_MONTHLY_COUNT', year: 'LIMIT_YEARLY_COUNT' },
};

const cache = new WeakMap<readonly LimitRule[], WeakMap<object, CompiledRules>>();

/**
 * The rules for an operation, made once for each list of rules and window: merchants of one plan share a list, and a request costs no
 * more with more rules that do not apply to it.
 */
export function compiledRules(rules: readonly LimitRule[], operation: Limited, nowMs: number, timeZone: string): CompiledRules {
  let ofRules = cache.get(rules);
  if (!ofRules) {
    ofRules = new WeakMap();
    cache.set(rules, ofRules);
  }
  const known = ofRules.get(operation);
  if (known && known.timeZone === timeZone && known.fromMs <= nowMs && nowMs < known.untilMs) return known;
  const compiled = compile(rules, operation, nowMs, timeZone);
  ofRules.set(operation, compiled);
  return compiled;
}

function compile(rules: readonly LimitRule[], operation: Limited, nowMs: number, timeZone: string): CompiledRules {
  const named = rules.filter(({ operations }) => operations.length === 0 || operations.includes(operation.id));
  const applying = named.filter((rule) => isValid(rule, nowMs) && (!needs(rule, 'payer') || operation.payer !== undefined));
  const totals = operation.limits === 'totals' ? pick(applying, 'total') : [];
  const money = applying.filter((rule): rule is AmountRule | TotalRule => rule.kind === 'amount' || rule.kind === 'total');
  const bounding = operation.limits === 'none' ? [] : money.filter(({ shadow }) => !shadow);
  return {
    ...stretch(named, totals, nowMs, timeZone),
    timeZone,
    rates: compileRates(pick(applying, 'rate'), operation),
    concurrency: compileConcurrency(pick(applying, 'concurrency'), operation),
    totals: compileTotals(totals, operation, nowMs, timeZone),
    amounts: operation.limits === 'none' ? [] : pick(applying, 'amount'),
    ...(bounding.length > 0 && { currencies: new Set(bounding.map(({ currency }) => currency)) }),
    needsPayer: applying.some((rule) => needs(rule, 'payer')),
    demandsPayer: applying.some((rule) => needs(rule, 'payer') && !rule.shadow),
  };
}

/** From when until when nothing changes: no rule begins or ends, and no window does. */
function stretch(named: readonly LimitRule[], totals: readonly TotalRule[], nowMs: number, timeZone: string) {
  const windows = totals.map(({ per }) => windowOf(per, nowMs, timeZone)).flatMap(({ startsMs, endsMs }) => [startsMs, endsMs]);
  const dates = named.flatMap(({ notBeforeMs = -Infinity, notAfterMs = Infinity }) => [notBeforeMs, notAfterMs]);
  const moments = [...windows, ...dates];
  return {
    fromMs: Math.max(-Infinity, ...moments.filter((moment) => moment <= nowMs)),
    untilMs: Math.min(Infinity, ...moments.filter((moment) => moment > nowMs)),
  };
}

/** Whether a rule counts at a moment. */
export const isValid = ({ notBeforeMs = -Infinity, notAfterMs = Infinity }: LimitRule, nowMs: number): boolean =>
  notBeforeMs <= nowMs && nowMs < notAfterMs;

const needs = (rule: LimitRule, fact: 'payer' | 'address'): boolean => rule.kind !== 'amount' && SCOPES[rule.scope].needs === fact;

const pick = <Kind extends LimitRule['kind']>(rules: readonly LimitRule[], kind: Kind): Extract<LimitRule, { kind: Kind }>[] =>
  rules.filter((rule): rule is Extract<LimitRule, { kind: Kind }> => rule.kind === kind);

type Scoped = { readonly scope: LimitScope; readonly operations: readonly string[] };

/** The counter's name; where it depends on the request, `step` holds its pattern, which no two counters share. */
function counting(parts: readonly string[], { scope, operations }: Scoped, { id }: Limited) {
  const facts = { operationId: id, payer: '*', address: '*' };
  const pattern = counterOf(parts, scope, operations, facts);
  if (SCOPES[scope].needs === undefined) return { pattern };
  return { pattern, counter: (asked: ScopeFacts) => counterOf(parts, scope, operations, asked) };
}

/** Rates on trial have counters of their own: what they take must not be owed by the others. */
function compileRates(rules: readonly RateRule[], operation: Limited): Compiled<RateStep, RateRule>[] {
  const entries = rules.map((rule): Compiled<RateStep, RateRule> => {
    const { pattern, counter } = counting([rule.shadow ? 'trial' : 'rate', String(rule.perMs)], rule, operation);
    const unitUs = Math.ceil((rule.perMs * 1000) / rule.allow);
    const cost = rule.costs?.[operation.id] ?? 1;
    const step = {
      counter: pattern,
      incrementUs: unitUs * cost,
      toleranceUs: unitUs * rule.burst,
      ...(rule.shadow && { shadow: true as const }),
    };
    return { step, ...(counter && { counter }), ...(rule.shadow ? { shadowRule: rule } : { rule }) };
  });
  return onePerCounter(entries, stricterRate);
}

/** The slower rate, with the smaller of the two bursts. */
function stricterRate(a: Compiled<RateStep, RateRule>, b: Compiled<RateStep, RateRule>): Compiled<RateStep, RateRule> {
  const slower = b.step.incrementUs > a.step.incrementUs ? b : a;
  const toleranceUs = Math.max(slower.step.incrementUs, Math.min(a.step.toleranceUs, b.step.toleranceUs));
  return { ...slower, step: { ...slower.step, toleranceUs } };
}

function compileConcurrency(rules: readonly ConcurrencyRule[], operation: Limited): Compiled<ConcurrencyStep, ConcurrencyRule>[] {
  const entries = rules.map((rule) => bounded(rule, rule.max, counting(['concurrency'], rule, operation), {}));
  return onePerCounter(entries, strictest);
}

function compileTotals(rules: readonly TotalRule[], operation: Limited, nowMs: number, timeZone: string): CompiledRules['totals'] {
  const entries = rules.map((rule) => {
    const { of, per, currency } = rule;
    const window = windowOf(per, nowMs, timeZone);
    const counted = counting(['total', of, per, window.label, currency], rule, operation);
    const rest = { add: of === 'count' ? 1 : 0, windowEndsMs: window.endsMs, code: TOTAL_CODES[of][per] };
    return { ...bounded(rule, rule.max, counted, rest), of, currency };
  });
  return onePerCounter(entries, strictest);
}

/** A step with its bound: the rule's, or none where the rule is on trial. */
function bounded<Rule extends LimitRule, Rest extends object>(rule: Rule, max: number, counted: ReturnType<typeof counting>, rest: Rest) {
  const { pattern, counter } = counted;
  const step = { counter: pattern, ...rest, max: rule.shadow ? UNBOUNDED : max, ...(rule.shadow && { shadowMax: max }) };
  return { step, ...(counter && { counter }), ...(rule.shadow ? { shadowRule: rule } : { rule }) };
}

type Bounded = Compiled<{ readonly counter: string; readonly max: number; readonly shadowMax?: number }, LimitRule>;

/** Of two rules about one counter the smaller bound refuses, and the smaller one on trial reports. */
function strictest<Entry extends Bounded>(a: Entry, b: Entry): Entry {
  const { rule } = b.step.max < a.step.max ? b : a;
  const { shadowRule, step } = (b.step.shadowMax ?? UNBOUNDED) < (a.step.shadowMax ?? UNBOUNDED) ? b : a;
  const { shadowMax } = step;
  return {
    ...a,
    step: { ...a.step, max: Math.min(a.step.max, b.step.max), ...(shadowMax !== undefined && { shadowMax }) },
    ...(rule && { rule }),
    ...(shadowRule && { shadowRule }),
  };
}

/** One entry for each counter, in the order of first mention. */
function onePerCounter<Entry extends { readonly step: { readonly counter: string } }>(
  entries: readonly Entry[],
  merge: (a: Entry, b: Entry) => Entry,
): Entry[] {
  const kept = new Map<string, Entry>();
  for (const entry of entries) {
    const other = kept.get(entry.step.counter);
    kept.set(entry.step.counter, other === undefined ? entry : merge(other, entry));
  }
  return [...kept.values()];
}
