import type { LimitRule, Merchant, Period, TotalRule } from '../protocol/merchant.ts';
import type { Operation } from '../protocol/operation.ts';

/** What lint looks at in an operation. */
type Limited = Pick<Operation, 'id' | 'limits' | 'payer'>;
type Finding = { readonly rule: string; readonly message: string };

/**
 * Operations of level A2 that move an amount and that no rule bounds: a total for `totals`, any bound of an amount for `single`.
 * A rule on trial bounds nothing, nor does one that counts by payer where requests name none; the others must leave no moment from now
 * on without any.
 */
export function findUnlimited(
  merchant: Pick<Merchant, 'rules' | 'operations'>,
  operations: readonly Operation[],
  nowMs: number,
): Operation[] {
  return operations.filter((operation) => {
    const { id, limits } = operation;
    if (limits === 'none' || (merchant.operations && !merchant.operations.has(id))) return false;
    const bounding = merchant.rules.filter((rule) => !rule.shadow && isAbout(rule, id) && meets(rule, operation) && bounds(rule, limits));
    return !isWithoutGap(bounding, nowMs);
  });
}

/** Whether at every moment from now on one of the rules counts. */
function isWithoutGap(rules: readonly LimitRule[], nowMs: number): boolean {
  let fromMs = nowMs;
  for (;;) {
    const reached = rules.filter(({ notBeforeMs = -Infinity }) => notBeforeMs <= fromMs);
    const untilMs = Math.max(fromMs, ...reached.map(({ notAfterMs = Infinity }) => notAfterMs));
    if (untilMs === Infinity || untilMs === fromMs) return untilMs === Infinity;
    fromMs = untilMs;
  }
}

const countsByPayer = (rule: LimitRule): boolean => rule.kind !== 'amount' && rule.scope.endsWith('payer');
const meets = (rule: LimitRule, { payer }: Limited): boolean => !countsByPayer(rule) || payer !== undefined;

const lasts = ({ shadow, notAfterMs }: LimitRule): boolean => !shadow && notAfterMs === undefined;
const isAbout = ({ operations }: LimitRule, id: string): boolean => operations.length === 0 || operations.includes(id);
const bounds = (rule: LimitRule, limits: 'totals' | 'single'): boolean =>
  (rule.kind === 'total' && rule.of === 'amount') || (rule.kind === 'amount' && limits === 'single');

/** Rules that cannot mean what they say: used up by less than one request, below a shorter window, without effect, or over. */
export function findOddRules(rules: readonly LimitRule[], operations: readonly Limited[], nowMs: number): Finding[] {
  return rules.flatMap((rule) => [
    ...findEnded(rule, nowMs),
    ...findPointless(rule, operations),
    ...rules.filter((other) => other !== rule && !other.shadow && !rule.shadow).flatMap((other) => compare(rule, other)),
  ]);
}

function findEnded({ name, notAfterMs = Infinity }: LimitRule, nowMs: number): Finding[] {
  if (notAfterMs > nowMs) return [];
  return [{ rule: name, message: `${name} counts no longer since ${new Date(notAfterMs).toISOString()}; delete it` }];
}

/** A rule that no operation it names can meet. */
function findPointless(rule: LimitRule, operations: readonly Limited[]): Finding[] {
  const met = operations.filter(({ id }) => isAbout(rule, id));
  if (met.length === 0) return [];
  if (rule.kind === 'total' && !met.some(({ limits }) => limits === 'totals'))
    return [{ rule: rule.name, message: `${rule.name} never counts: none of its operations has limits: totals` }];
  if (!met.some((operation) => meets(rule, operation)))
    return [{ rule: rule.name, message: `${rule.name} never counts: none of its operations says where the payer stands (x-hufu.payer)` }];
  return [];
}

/** Longer than the one before. */
const PERIODS: readonly Period[] = ['day', 'week', 'month', 'year'];

/** What `rule` says that another one makes void. */
function compare(rule: LimitRule, other: LimitRule): Finding[] {
  if (!overlap(rule, other)) return [];
  const told = (message: string): Finding[] => [{ rule: rule.name, message }];
  if (rule.kind === 'total' && other.kind === 'amount') {
    const isBelow = rule.of === 'amount' && rule.currency === other.currency && rule.max < other.maxFen;
    return isBelow
      ? told(`${rule.name} (${rule.max} fen a ${rule.per}) is below what ${other.name} allows at once (${other.maxFen} fen)`)
      : [];
  }
  if (rule.kind === 'total' && other.kind === 'total' && isSameButPeriod(rule, other)) {
    const isLonger = PERIODS.indexOf(rule.per) > PERIODS.indexOf(other.per);
    if (isLonger && rule.max < other.max)
      return told(`${rule.name} (${rule.max} a ${rule.per}) is below ${other.name} (${other.max} a ${other.per})`);
  }
  return isVoid(rule, other) ? told(`${rule.name} never decides: ${other.name} counts the same and allows less`) : [];
}

const isSameButPeriod = (a: TotalRule, b: TotalRule): boolean => a.of === b.of && a.currency === b.currency && a.scope === b.scope;

/** Whether another rule counts the very same and is stricter, both for as long as there is a contract. */
function isVoid(rule: LimitRule, other: LimitRule): boolean {
  if (!lasts(other) || other.notBeforeMs !== undefined || !isSameSet(rule, other)) return false;
  if (rule.kind === 'total' && other.kind === 'total')
    return isSameButPeriod(rule, other) && rule.per === other.per && other.max < rule.max;
  if (rule.kind === 'concurrency' && other.kind === 'concurrency') return rule.scope === other.scope && other.max < rule.max;
  if (rule.kind === 'amount' && other.kind === 'amount')
    return rule.currency === other.currency && other.maxFen < rule.maxFen && other.minFen >= rule.minFen;
  if (rule.kind === 'rate' && other.kind === 'rate')
    return rule.scope === other.scope && rule.perMs === other.perMs && other.allow < rule.allow && other.burst <= rule.burst;
  return false;
}

const isSameSet = (a: LimitRule, b: LimitRule): boolean => [...a.operations].sort().join() === [...b.operations].sort().join();
const overlap = (a: LimitRule, b: LimitRule): boolean =>
  a.operations.length === 0 || b.operations.length === 0 || a.operations.some((id) => b.operations.includes(id));
