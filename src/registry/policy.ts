import { existsSync } from 'node:fs';
import { checkShape } from '../config/check-shape.ts';
import { POLICY, type PolicyFile, type PolicyRule } from '../config/policy-schema.ts';
import { fileProblem, type Report } from '../config/problems.ts';
import { readYamlFile, type YamlFile } from '../config/yaml-file.ts';
import { type Access, type AccessRule, MERCHANT_KINDS, type MerchantKind } from '../protocol/access.ts';
import type { DataClass, Operation } from '../protocol/operation.ts';
import { unknownOperation } from './plans.ts';
import { lintPolicy } from './policy-lint.ts';
import { unmetBy } from './policy-match.ts';

/** The access policy, as written and with a way to compile it for an operation. */
export type Policy = { readonly written: PolicyFile; readonly source: YamlFile };

/** What the policy knows of an operation. */
export type Judged = Pick<Operation, 'id' | 'method' | 'level' | 'amount' | 'batch' | 'dataClasses' | 'parameterClasses'>;

/** Reads policy.yaml; undefined after its problems were reported. `operations` are the known ids, undefined when they are not known. */
export function loadPolicy(file: string, operations: ReadonlySet<string> | undefined, report: Report): Policy | undefined {
  if (!existsSync(file)) {
    report(fileProblem(file, 'there is no access policy, and without one everything is refused: copy the shipped config/policy.yaml'));
    return undefined;
  }
  const source = readYamlFile(file, report);
  const written = source && checkShape(source, POLICY, report);
  if (!source || !written) return undefined;
  for (const [index, { id, when }] of written.rules.entries()) {
    const first = written.rules.findIndex((rule) => rule.id === id);
    if (first < index) report(source.problem(['rules', index, 'id'], `${id} is also the id of rule ${first + 1}; each needs its own`));
    for (const [at, operation] of (when.operations ?? []).entries())
      if (operations && !operations.has(operation))
        report(source.problem(['rules', index, 'when', 'operations', at], unknownOperation(operation, operations)));
  }
  lintPolicy(written, source, report);
  return { written, source };
}

/** The classes of data that a request of an operation may carry, for the policy: one-time codes count as C2. */
export function classesOf({ dataClasses, parameterClasses = [] }: Judged, oneTimeFields: readonly string[]): ReadonlySet<DataClass> {
  const nameOf = (pointer: string): string =>
    pointer
      .split('/')
      .filter((step) => step !== '*')
      .at(-1) ?? '';
  const named = [...dataClasses.map(({ pointer, dataClass }) => ({ name: nameOf(pointer), dataClass })), ...parameterClasses];
  return new Set(named.map(({ name, dataClass }) => (dataClass === 'C3' && oneTimeFields.includes(name) ? 'C2' : dataClass)));
}

/** What a rule asks about that is known before any request. */
export function factsFor({ written }: Policy, operation: Judged, kind: MerchantKind) {
  return {
    operationId: operation.id,
    level: operation.level,
    access: operation.method === 'GET' ? ('read' as const) : ('write' as const),
    batch: operation.batch ?? false,
    classes: classesOf(operation, written.oneTimeFields),
    movesAmount: operation.amount !== undefined,
    kind,
  };
}

/** The rules that can decide about an operation and a kind of merchant, in order, up to the first that decides about every amount. */
export function compileAccess(policy: Policy, operation: Judged, kind: MerchantKind): Access {
  const facts = factsFor(policy, operation, kind);
  const matching = policy.written.rules.filter((rule) => unmetBy(rule, facts) === undefined);
  const last = matching.findIndex(({ when }) => when.amountAboveFen === undefined);
  return (last === -1 ? matching : matching.slice(0, last + 1)).map(compileRule);
}

function compileRule({ id, when, allow }: PolicyRule): AccessRule {
  const { internet, dedicated } = allow;
  return {
    id,
    ...(when.amountAboveFen !== undefined && { aboveFen: when.amountAboveFen }),
    allow: { ...(internet && { internet }), ...(dedicated && { dedicated }) },
  };
}

/** Every pair of operation and kind of merchant, compiled once. What is not known to it is denied. */
export function compilePolicy(policy: Policy, operations: readonly Judged[]): (operationId: string, kind: MerchantKind) => Access {
  const nothing: Access = [];
  const byKind = new Map(
    MERCHANT_KINDS.map((kind) => [kind, new Map(operations.map((operation) => [operation.id, compileAccess(policy, operation, kind)]))]),
  );
  return (operationId, kind) => byKind.get(kind)?.get(operationId) ?? nothing;
}
