import { checkShape, describe } from '../config/check-shape.ts';
import { TEMPORARY } from '../config/merchant-schema.ts';
import { PLANS, type Plan, type PlanRule, RULE } from '../config/plan-schema.ts';
import type { Report } from '../config/problems.ts';
import { hint } from '../config/suggest.ts';
import { readYamlFile, type YamlFile, type YamlPath } from '../config/yaml-file.ts';
import type { LimitRule } from '../protocol/merchant.ts';
import { readValidity } from './validity.ts';

/** A plan: its rules as they are compiled, and as they are written for overrides to change. */
export type CompiledPlan = { readonly written: Plan; readonly rules: readonly LimitRule[] };
export type Plans = ReadonlyMap<string, CompiledPlan>;
export type LoadedPlans = {
  readonly plans: Plans;
  readonly source: YamlFile;
  /** Where a plan's rule is written. */
  readonly placeOf: (plan: string, rule: string) => YamlPath;
};

/** GCRA counts microseconds as whole numbers: a longer time than this could not be counted exactly (about 11 days). */
const TOLERANCE_US_MAX = 1e12;

/** Reads plans.yaml; undefined after its problems were reported. `operations` are the known ids, undefined when they are not known. */
export function loadPlans(file: string, operations: ReadonlySet<string> | undefined, report: Report): LoadedPlans | undefined {
  const source = readYamlFile(file, report);
  const written = source && checkShape(source, PLANS, report);
  if (!source || !written) return undefined;
  const plans = new Map<string, CompiledPlan>();
  const read = (rules: Readonly<Record<string, PlanRule>>, path: YamlPath) =>
    Object.entries(rules).map(([name, rule]) => {
      checkRule(source, [...path, name], rule, operations, report);
      return compileRule(name, rule, source, [...path, name], report);
    });
  const common = read(written.common, ['common']);
  for (const [name, plan] of Object.entries(written.plans)) {
    const own = read(plan.rules, ['plans', name, 'rules']);
    const rules = [...common.filter((rule) => !Object.hasOwn(plan.rules, rule.name)), ...own];
    plans.set(name, { written: { ...plan, rules: { ...written.common, ...plan.rules } }, rules });
  }
  const isOwn = (plan: string, rule: string) => Object.hasOwn(written.plans[plan]?.rules ?? {}, rule);
  return { plans, source, placeOf: (plan, rule) => (isOwn(plan, rule) ? ['plans', plan, 'rules', rule] : ['common', rule]) };
}

/**
 * A plan's rules with the changes of one merchant. Without changes it is the plan's own list, shared by all its merchants.
 * A change with `until` stands beside the plan's rule, which counts again from then on.
 */
export function overriddenRules(
  plan: CompiledPlan,
  overrides: Readonly<Record<string, unknown>>,
  source: YamlFile,
  operations: ReadonlySet<string> | undefined,
  report: Report,
): readonly LimitRule[] {
  if (Object.keys(overrides).length === 0) return plan.rules;
  const rules = new Map<string, readonly LimitRule[]>(plan.rules.map((rule) => [rule.name, [rule]]));
  for (const [name, change] of Object.entries(overrides)) {
    const path = ['overrides', name];
    const base = Object.hasOwn(plan.written.rules, name) ? plan.written.rules[name] : undefined;
    const { until, author, reason, ...terms } = change as Record<string, unknown>;
    const merged = checkShape(source, RULE, report, path, { ...base, ...terms });
    const temporary = readTemporary({ until, author, reason }, source, path, report);
    if (!merged || !temporary) continue;
    checkRule(source, path, merged, operations, report);
    const changed = compileRule(name, merged, source, path, report);
    rules.set(name, temporary.untilMs === undefined ? [changed] : untilThen(changed, rules.get(name)?.[0], temporary.untilMs));
  }
  return [...rules.values()].flat();
}

/** When a change ends, undefined for one that stays; undefined as a whole after its problems were reported. */
function readTemporary(
  written: Readonly<Record<string, unknown>>,
  source: YamlFile,
  path: YamlPath,
  report: Report,
): { readonly untilMs?: number } | undefined {
  const given = Object.fromEntries(Object.entries(written).filter(([, value]) => value !== undefined));
  const checked = checkShape(source, TEMPORARY, report, path, given);
  if (!checked) return undefined;
  if (checked.until === undefined) return {};
  if (checked.author === undefined) report(source.problem([...path, 'until'], 'a change that ends needs `author`: who allowed it', 'key'));
  const untilMs = Date.parse(checked.until);
  if (!Number.isNaN(untilMs)) return { untilMs };
  report(source.problem([...path, 'until'], 'until: there is no such day or time'));
  return undefined;
}

/** The change until a moment, and from then on what the plan says. */
function untilThen(changed: LimitRule, base: LimitRule | undefined, untilMs: number): readonly LimitRule[] {
  const first = { ...changed, notAfterMs: Math.min(changed.notAfterMs ?? Infinity, untilMs) };
  return base ? [first, { ...base, notBeforeMs: Math.max(base.notBeforeMs ?? 0, untilMs) }] : [first];
}

function compileRule(name: string, rule: PlanRule, source: YamlFile, path: YamlPath, report: Report): LimitRule {
  const { shadow, notBefore, notAfter, ...terms } = rule;
  const validity = readValidity({ notBefore, notAfter }, source, path, report);
  const dates = {
    ...(notBefore !== undefined && validity && { notBeforeMs: validity.notBeforeMs }),
    ...(notAfter !== undefined && validity && { notAfterMs: validity.notAfterMs }),
  };
  const common = { name, ...(shadow && { shadow: true as const }), ...dates };
  if (terms.kind !== 'rate') return { ...terms, ...common };
  const { costs, burst, ...rate } = terms;
  return { ...rate, ...common, burst: burst ?? rate.allow, ...(costs && { costs }) };
}

function checkRule(source: YamlFile, path: YamlPath, rule: PlanRule, operations: ReadonlySet<string> | undefined, report: Report): void {
  for (const [index, id] of rule.operations.entries()) {
    if (operations && !operations.has(id)) report(source.problem([...path, 'operations', index], unknownOperation(id, operations)));
  }
  if (rule.kind === 'amount' && rule.minFen > rule.maxFen)
    report(source.problem([...path, 'minFen'], `minFen ${rule.minFen} is above maxFen ${rule.maxFen}, so nothing would pass`));
  if (rule.kind === 'rate' && Math.ceil((rule.perMs * 1000) / rule.allow) * (rule.burst ?? rule.allow) > TOLERANCE_US_MAX)
    report(source.problem([...path, 'burst'], 'burst is worth more than 11 days of this rate; choose a smaller one'));
  if (rule.kind === 'rate') checkCosts(source, path, rule, operations, report);
}

/** What costs more than may be owed at once would never pass. */
function checkCosts(
  source: YamlFile,
  path: YamlPath,
  { costs = {}, burst, allow }: Extract<PlanRule, { kind: 'rate' }>,
  operations: ReadonlySet<string> | undefined,
  report: Report,
): void {
  for (const [id, cost] of Object.entries(costs)) {
    const at = [...path, 'costs', id];
    if (operations && !operations.has(id)) report(source.problem(at, unknownOperation(id, operations), 'key'));
    if (cost > (burst ?? allow))
      report(source.problem(at, `a cost of ${cost} is above burst ${burst ?? allow}, so ${id} would never pass`));
  }
}

/** `there is no operation "x"; did you mean "y"?` */
export function unknownOperation(id: string, operations: ReadonlySet<string>): string {
  return `there is no operation ${describe(id)}${hint(id, [...operations])}`;
}
