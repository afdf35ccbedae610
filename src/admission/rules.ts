import { isFen } from '../lib/money.ts';
import type { ConcurrencyStep, Decision, RateStep, TotalStep } from '../ports/store.ts';
import type { ErrorCode } from '../protocol/errors.ts';
import type { AmountRule, LimitRule, LimitScope, RateRule } from '../protocol/merchant.ts';
import { type Compiled, type CompiledRules, compiledRules, type Limited } from './compiled-rules.ts';
import { SCOPES, type ScopeFacts } from './scopes.ts';

/** What rules look at. */
export type Request = {
  readonly operation: Limited;
  readonly amountFen?: number;
  readonly currency?: string;
  /** Address of the peer, as text. */
  readonly address: string;
  /** Names who pays by a keyed hash; undefined when the request does not say. Asked only where a rule counts by it. */
  readonly payer: () => string | undefined;
  readonly nowMs: number;
  readonly timeZone: string;
};

/** What bars a request whatever the store says, by the rule that does. */
export type Barred = {
  readonly code: ErrorCode;
  readonly rule?: string;
  readonly detail?: string;
  readonly members?: Readonly<Record<string, unknown>>;
};

/** Names of the rules that refuse, and of those on trial that would. */
export type RuleNames = { readonly rule?: string; readonly shadowRule?: string };

/** What the store is asked to decide. Beside each list of steps stand the names of the rules that made it. */
export type Steps = {
  readonly rates: readonly RateStep[];
  readonly rateRules: readonly RateRule[];
  readonly concurrency: readonly ConcurrencyStep[];
  readonly concurrencyRules: readonly RuleNames[];
  readonly totals: readonly TotalStep[];
  readonly totalRules: readonly RuleNames[];
  readonly barred?: Barred;
  /** Rules about the amount, on trial, that this request breaks. */
  readonly shadowed: readonly string[];
};

/** Turns the rules of a merchant into the steps of one admission. */
export function stepsOf(rules: readonly LimitRule[], request: Request): Steps {
  const { operation, nowMs, timeZone, address, currency } = request;
  const all = compiledRules(rules, operation, nowMs, timeZone);
  const payer = all.needsPayer ? request.payer() : undefined;
  const compiled = all.needsPayer && payer === undefined ? withoutPayers(all) : all;
  const facts = { operationId: operation.id, address, payer };
  const barred = findUnnamedPayer(compiled, payer) ?? findAmountProblem(compiled, request);
  const totals = barred ? [] : compiled.totals.filter((total) => total.currency === currency);
  return {
    rates: stepsFor(compiled.rates, facts),
    rateRules: compiled.rates.map(({ rule, shadowRule }) => (rule ?? shadowRule) as RateRule),
    concurrency: stepsFor(compiled.concurrency, facts),
    concurrencyRules: namesOf(compiled.concurrency),
    totals: totals.map(({ step, counter, of }) => ({
      ...step,
      counter: counter ? counter(facts) : step.counter,
      add: of === 'count' ? 1 : (request.amountFen ?? 0),
    })),
    totalRules: namesOf(totals),
    ...(barred ? { barred } : {}),
    shadowed: brokenAmounts(compiled, request, true).map(({ name }) => name),
  };
}

const stepsFor = <Step extends { readonly counter: string }>(compiled: readonly Compiled<Step, unknown>[], facts: ScopeFacts): Step[] =>
  compiled.map(({ step, counter }) => (counter ? { ...step, counter: counter(facts) } : step));

const namesOf = (compiled: readonly Compiled<unknown, { readonly name: string }>[]): RuleNames[] =>
  compiled.map(({ rule, shadowRule }) => ({ ...(rule && { rule: rule.name }), ...(shadowRule && { shadowRule: shadowRule.name }) }));

/** Nobody is counted whom the request does not name: neither by a rule on trial, nor, where one in force bars the request, all such as one. */
function withoutPayers(compiled: CompiledRules): CompiledRules {
  const isNamed = ({ rule, shadowRule }: Compiled<unknown, { readonly scope: LimitScope }>): boolean =>
    [rule, shadowRule].every((each) => each === undefined || SCOPES[each.scope].needs !== 'payer');
  const { rates, concurrency, totals } = compiled;
  return { ...compiled, rates: rates.filter(isNamed), concurrency: concurrency.filter(isNamed), totals: totals.filter(isNamed) };
}

/** Fails closed: a rule counts by payer, and the request names none where the operation says it would. */
function findUnnamedPayer({ demandsPayer }: CompiledRules, payer: string | undefined): Barred | undefined {
  if (!demandsPayer || payer !== undefined) return undefined;
  return { code: 'LIMIT_SINGLE', detail: 'A limit counts by payer, and the request names none.' };
}

/** The bounds of one request. Fails closed: an amount in a currency that no rule of the merchant speaks of is refused. */
function findAmountProblem(compiled: CompiledRules, request: Request): Barred | undefined {
  const { currencies } = compiled;
  const { amountFen, currency } = request;
  if (!currencies) return undefined;
  if (!isFen(amountFen)) return { code: 'LIMIT_SINGLE', detail: 'The amount must be whole fen.', members: { minFen: 0, limit: 0 } };
  if (currency === undefined || !currencies.has(currency)) {
    const detail = 'The contract has no limit in this currency, so nothing may be moved in it.';
    return { code: 'LIMIT_SINGLE', detail, members: { minFen: 0, limit: 0 } };
  }
  const [broken] = brokenAmounts(compiled, request, false);
  return broken && { code: 'LIMIT_SINGLE', rule: broken.name, members: { minFen: broken.minFen, limit: broken.maxFen } };
}

/** Rules about the amount that a request breaks: those on trial, or the others. */
function brokenAmounts({ amounts }: CompiledRules, { amountFen, currency }: Request, onTrial: boolean): AmountRule[] {
  if (amountFen === undefined) return [];
  const isOutside = ({ minFen, maxFen }: AmountRule) => amountFen < minFen || amountFen > maxFen;
  return amounts.filter((rule) => (rule.shadow === true) === onTrial && rule.currency === currency && isOutside(rule));
}

/** Names of the rules on trial that would have refused an admitted request. */
export function shadowedBy(
  { rates, rateRules, concurrencyRules, totalRules, shadowed }: Steps,
  decision: Extract<Decision, { kind: 'admitted' }>,
) {
  const { exceeded } = decision;
  const named = (rules: readonly RuleNames[], indexes: readonly number[] = []) => indexes.flatMap((i) => rules[i]?.shadowRule ?? []);
  return [
    ...decision.rates.flatMap(({ conforms }, i) => (conforms || !rates[i]?.shadow ? [] : [rateRules[i]?.name ?? ''])),
    ...named(concurrencyRules, exceeded?.concurrency),
    ...named(totalRules, exceeded?.totals),
    ...shadowed,
  ];
}
