import { checkShape, describe } from '../config/check-shape.ts';
import { PLANS, type Plan, type PlanRule, RULE } from '../config/plan-schema.ts';
import type { Report } from '../config/problems.ts';
import { hint } from '../config/suggest.ts';
import { readYamlFile, type YamlFile, type YamlPath } from '../config/yaml-file.ts';
import type { LimitRule } from '../protocol/merchant.ts';

/** A plan: its rules as they are compiled, and as they are written for overrides to change. */
export type CompiledPlan = { readonly written: Plan; readonly rules: readonly LimitRule[] };
export type Plans = ReadonlyMap<string, CompiledPlan>;

/** GCRA counts microseconds as whole numbers: a longer time than this could not be counted exactly (about 11 days). */
const TOLERANCE_US_MAX = 1e12;

/** Reads plans.yaml; undefined after its problems were reported. `operations` are the known ids, undefined when they are not known. */
export function loadPlans(
  file: string,
  operations: ReadonlySet<string> | undefined,
  report: Report,
): { plans: Plans; source: YamlFile } | undefined {
  const source = readYamlFile(file, report);
  const written = source && checkShape(source, PLANS, report);
  if (!source || !written) return undefined;
  const plans = new Map<string, CompiledPlan>();
  for (const [name, plan] of Object.entries(written.plans)) {
    const path = ['plans', name, 'rules'];
    for (const [ruleName, rule] of Object.entries(plan.rules)) checkRule(source, [...path, ruleName], rule, operations, report);
    plans.set(name, { written: plan, rules: Object.entries(plan.rules).map(([ruleName, rule]) => compileRule(ruleName, rule)) });
  }
  return { plans, source };
}

/** A plan's rules with the changes of one merchant. Without changes it is the plan's own list, shared by all its merchants. */
export function overriddenRules(
  plan: CompiledPlan,
  overrides: Readonly<Record<string, unknown>>,
  source: YamlFile,
  operations: ReadonlySet<string> | undefined,
  report: Report,
): readonly LimitRule[] {
  if (Object.keys(overrides).length === 0) return plan.rules;
  const rules = new Map(plan.rules.map((rule) => [rule.name, rule]));
  for (const [name, change] of Object.entries(overrides)) {
    const base = Object.hasOwn(plan.written.rules, name) ? plan.written.rules[name] : undefined;
    const merged = checkShape(source, RULE, report, ['overrides', name], { ...base, ...(change as object) });
    if (!merged) continue;
    checkRule(source, ['overrides', name], merged, operations, report);
    rules.set(name, compileRule(name, merged));
  }
  return [...rules.values()];
}

function compileRule(name: string, rule: PlanRule): LimitRule {
  return rule.kind === 'rate' ? { ...rule, name, burst: rule.burst ?? rule.allow } : { ...rule, name };
}

function checkRule(source: YamlFile, path: YamlPath, rule: PlanRule, operations: ReadonlySet<string> | undefined, report: Report): void {
  for (const [index, id] of rule.operations.entries()) {
    if (operations && !operations.has(id)) report(source.problem([...path, 'operations', index], unknownOperation(id, operations)));
  }
  if (rule.kind === 'amount' && rule.minFen > rule.maxFen)
    report(source.problem([...path, 'minFen'], `minFen ${rule.minFen} is above maxFen ${rule.maxFen}, so nothing would pass`));
  if (rule.kind === 'rate' && Math.ceil((rule.perMs * 1000) / rule.allow) * (rule.burst ?? rule.allow) > TOLERANCE_US_MAX)
    report(source.problem([...path, 'burst'], 'burst is worth more than 11 days of this rate; choose a smaller one'));
}

/** `there is no operation "x"; did you mean "y"?` */
export function unknownOperation(id: string, operations: ReadonlySet<string>): string {
  return `there is no operation ${describe(id)}${hint(id, [...operations])}`;
}
