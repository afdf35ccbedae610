import type { PolicyFile, PolicyRule } from '../config/policy-schema.ts';
import type { Report } from '../config/problems.ts';
import type { YamlFile } from '../config/yaml-file.ts';
import { type Control, MERCHANT_KINDS } from '../protocol/access.ts';
import type { Channel, DataClass } from '../protocol/operation.ts';
import { type AccessFacts, unmetBy } from './policy-match.ts';

/** A kind of request that rules may tell apart; all requests of one kind are decided alike. */
type Cell = AccessFacts & { readonly amountFen: number };

const CLASSES: readonly (readonly DataClass[])[] = [[], ['C2'], ['C3'], ['C2', 'C3']];

/**
 * Refuses what a policy cannot mean: rules that can never decide, and rules that would let data of a class through with fewer controls than
 * are mandatory. Both are found by deciding about every kind of request that the rules can tell apart.
 */
export function lintPolicy(policy: PolicyFile, source: YamlFile, report: Report): void {
  if (!policy.mandatory.C3.includes('encryption'))
    report(source.problem(['mandatory', 'C3'], 'mandatory.C3 must list encryption: secrets never come in clear text'));
  const decided = new Map<PolicyRule, DataClass[]>();
  for (const cell of cellsOf(policy.rules)) {
    const rule = policy.rules.find((each) => decides(each, cell));
    if (!rule) continue;
    const classes = decided.get(rule) ?? [];
    decided.set(rule, classes);
    for (const each of cell.classes) if (!classes.includes(each)) classes.push(each);
  }
  for (const [index, rule] of policy.rules.entries()) {
    const classes = decided.get(rule);
    if (classes) checkMandatory(policy, index, classes, source, report);
    else report(source.problem(['rules', index], neverWords(rule), 'key'));
  }
}

const neverWords = ({ id }: PolicyRule): string =>
  `${id} can never decide: rules before it decide about all that it is about, or no request is like that; delete it or put it further up`;

const decides = (rule: PolicyRule, cell: Cell): boolean =>
  unmetBy(rule, cell) === undefined && (rule.when.amountAboveFen === undefined || cell.amountFen > rule.when.amountAboveFen);

/** Every kind of request there can be: A1 is read only, and what is read has no amount and is no batch. */
function cellsOf(rules: readonly PolicyRule[]): Cell[] {
  const shapes = [
    { level: 'A1', access: 'read', batch: false, movesAmount: false, amountFen: 0 } as const,
    { level: 'A2', access: 'read', batch: false, movesAmount: false, amountFen: 0 } as const,
    ...[false, true].flatMap((batch) => [
      { level: 'A2', access: 'write', batch, movesAmount: false, amountFen: 0 } as const,
      ...amountsOf(rules).map((amountFen) => ({ level: 'A2', access: 'write', batch, movesAmount: true, amountFen }) as const),
    ]),
  ];
  return shapes.flatMap((shape) =>
    operationsOf(rules).flatMap((operationId) =>
      CLASSES.flatMap((classes) => MERCHANT_KINDS.map((kind) => ({ ...shape, operationId, classes: new Set(classes), kind }))),
    ),
  );
}

/** One amount from each stretch in which no rule changes its mind. */
function amountsOf(rules: readonly PolicyRule[]): number[] {
  return [...new Set([0, ...rules.flatMap(({ when }) => (when.amountAboveFen === undefined ? [] : [when.amountAboveFen + 1]))])];
}

/** One operation for each set of rules that name it, and one that no rule names. */
function operationsOf(rules: readonly PolicyRule[]): string[] {
  const named = new Set(rules.flatMap(({ when }) => when.operations ?? []));
  const bySet = new Map([...named].map((id) => [rules.map(({ when }) => (when.operations?.includes(id) ? 1 : 0)).join(''), id]));
  return ['', ...bySet.values()];
}

function checkMandatory(policy: PolicyFile, index: number, classes: readonly DataClass[], source: YamlFile, report: Report): void {
  const { id, allow } = policy.rules[index] as PolicyRule;
  for (const dataClass of ['C2', 'C3'] as const) {
    if (!classes.includes(dataClass)) continue;
    for (const channel of ['internet', 'dedicated'] satisfies Channel[]) {
      const demanded: readonly Control[] | undefined = allow[channel];
      const missing = demanded && policy.mandatory[dataClass].filter((control) => !demanded.includes(control));
      if (missing && missing.length > 0)
        report(
          source.problem(
            ['rules', index, 'allow', channel],
            `${id} would let data of class ${dataClass} through (${channel}) without ${missing.join(', ')}, which mandatory.${dataClass} lists`,
          ),
        );
    }
  }
}
