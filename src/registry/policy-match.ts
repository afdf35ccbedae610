import type { PolicyRule } from '../config/policy-schema.ts';
import type { MerchantKind } from '../protocol/access.ts';
import type { DataClass } from '../protocol/operation.ts';

/** What is known of a request before it comes: its operation and the kind of its merchant. */
export type AccessFacts = {
  readonly operationId: string;
  readonly level: 'A1' | 'A2';
  readonly access: 'read' | 'write';
  readonly batch: boolean;
  readonly classes: ReadonlySet<DataClass>;
  readonly movesAmount: boolean;
  readonly kind: MerchantKind;
};

type When = PolicyRule['when'];
type Condition = {
  readonly holds: (when: When, facts: AccessFacts) => boolean;
  readonly unmet: (when: When, facts: AccessFacts) => string;
};

const within = <T>(list: readonly T[] | undefined, value: T): boolean => list === undefined || list.includes(value);

/** Each condition of a rule that does not depend on the amount, and the words for one that does not hold. */
const CONDITIONS: readonly Condition[] = [
  { holds: (when, { operationId }) => within(when.operations, operationId), unmet: () => 'it is about other operations' },
  { holds: (when, { level }) => within(when.levels, level), unmet: (_when, { level }) => `the level is ${level}` },
  { holds: (when, { access }) => when.access === undefined || when.access === access, unmet: (_when, { access }) => `it is a ${access}` },
  {
    holds: (when, { batch }) => when.batch === undefined || when.batch === batch,
    unmet: (_when, { batch }) => (batch ? 'it is a batch' : 'it is no batch'),
  },
  {
    holds: (when, { classes }) => when.dataClasses === undefined || when.dataClasses.some((each) => classes.has(each)),
    unmet: ({ dataClasses = [] }) => `it carries no data of class ${dataClasses.join(' or ')}`,
  },
  { holds: (when, { kind }) => within(when.merchantKinds, kind), unmet: (_when, { kind }) => `the kind of the merchant is ${kind}` },
  { holds: (when, { movesAmount }) => when.amountAboveFen === undefined || movesAmount, unmet: () => 'it has no amount' },
];

/** Why a rule cannot be about such requests, in words; undefined when it can, perhaps for some amounts only. */
export function unmetBy({ when }: PolicyRule, facts: AccessFacts): string | undefined {
  return CONDITIONS.find(({ holds }) => !holds(when, facts))?.unmet(when, facts);
}
