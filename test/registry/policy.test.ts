import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { POLICY, type PolicyRule } from '../../src/config/policy-schema.ts';
import { formatProblems, type Report } from '../../src/config/problems.ts';
import { MERCHANT_KINDS, type MerchantKind, ruleFor } from '../../src/protocol/access.ts';
import type { DataClass, Operation } from '../../src/protocol/operation.ts';
import { loadOperations } from '../../src/registry/operations.ts';
import { compileAccess, type Judged, loadPolicy, type Policy } from '../../src/registry/policy.ts';
import { checkOperations } from '../../src/registry/policy-operations.ts';
import { temporaryDirectory, unmark, writeFiles } from '../config/workbench.ts';

const noProblem: Report = ({ message }) => assert.fail(message);
const ROOT = join(import.meta.dirname, '..', '..');
type Context = Parameters<typeof temporaryDirectory>[0];

async function load(t: Context, marked: string) {
  const directory = temporaryDirectory(t);
  const { text, line, column } = unmark(marked);
  await writeFiles(directory, { 'policy.yaml': text });
  const told: string[] = [];
  const policy = loadPolicy(join(directory, 'policy.yaml'), new Set(['orders.create', 'payments.create']), (problem) =>
    told.push(formatProblems([problem]).slice(directory.length + '/policy.yaml:'.length)),
  );
  return { policy, told, line, column };
}

const FIRST = 'rules:\n  - { id: P1, when: { dataClasses: [C3] }, allow: { dedicated: [encryption] } }\n';
const MISTAKES: readonly (readonly [why: string, text: string, message: string])[] = [
  ['no rules', 'rules: §[]\n', 'rules: expected a list of 1 to 64 entries, found an empty list'],
  ['a channel that does not exist', 'rules: [{ id: P1, allow: { §lan: [] } }]\n', 'unknown key "lan" in rules[0].allow'],
  [
    'a control that does not exist',
    'rules: [{ id: P1, allow: { internet: [§mac] } }]\n',
    'rules[0].allow.internet[0]: expected one of encryption',
  ],
  ['a condition that does not exist', 'rules: [{ id: P1, when: { §level: [A1] }, allow: {} }]\n', 'unknown key "level" in rules[0].when'],
  ['an id twice', `${FIRST}  - { id: §P1, allow: {} }\n`, 'P1 is also the id of rule 1; each needs its own'],
  [
    'an operation that is not there',
    `${FIRST}  - { id: P2, when: { operations: [§order.create] }, allow: {} }\n`,
    'there is no operation "order.create"; did you mean',
  ],
  [
    'a rule behind one for everything',
    `${FIRST}  - { id: P2, allow: {} }\n  - §{ id: P3, when: { levels: [A2] }, allow: {} }\n`,
    'P3 can never decide',
  ],
  [
    'a rule that two others cover together',
    `${FIRST}  - { id: P2, when: { access: read }, allow: {} }\n  - { id: P3, when: { access: write }, allow: {} }\n  - §{ id: P4, when: { batch: true }, allow: {} }\n`,
    'P4 can never decide',
  ],
  [
    'a smaller amount first',
    `${FIRST}  - { id: P2, when: { amountAboveFen: 5 }, allow: {} }\n  - §{ id: P3, when: { amountAboveFen: 6 }, allow: {} }\n`,
    'P3 can never decide',
  ],
  ['a read that moves an amount', `${FIRST}  - §{ id: P2, when: { access: read, amountAboveFen: 5 }, allow: {} }\n`, 'P2 can never decide'],
  ['a write of public data', `${FIRST}  - §{ id: P2, when: { access: write, levels: [A1] }, allow: {} }\n`, 'P2 can never decide'],
  [
    'secrets without encryption',
    'rules: [{ id: P1, when: { levels: [A2] }, allow: { internet: §[networks] } }]\n',
    'P1 would let data of class C3 through (internet) without encryption',
  ],
  [
    'mandatory without encryption',
    'mandatory: { C3: §[networks] }\nrules: [{ id: P1, allow: { dedicated: [networks] } }]\n',
    'mandatory.C3 must list encryption',
  ],
  [
    'less than is mandatory for C2',
    `mandatory: { C2: [encryption] }\n${FIRST}  - { id: P2, allow: { internet: §[] } }\n`,
    'P2 would let data of class C2 through (internet) without encryption',
  ],
];

for (const [why, text, message] of MISTAKES) {
  test(`policy: ${why}`, async (t) => {
    const { told, line, column } = await load(t, text);
    assert.equal(told.length, 1, told.join('\n'));
    assert.ok(told[0]?.startsWith(`${line}:${column}: ${message}`), `${line}:${column} ${told[0]}`);
  });
}

test('one-time codes are no reason for the line, other secrets are', async (t) => {
  const { policy, told } = await load(t, `oneTimeFields: [smsCode]\n${FIRST}  - { id: P2, allow: { internet: [] } }\n`);
  assert.deepEqual(told, []);
  const fields = (...names: string[]): Judged =>
    judged({ dataClasses: names.map((name) => ({ pointer: `/a/*/${name}`, dataClass: 'C3' })) });
  const decide = (operation: Judged) => compileAccess(policy as Policy, operation, 'merchant').map(({ id }) => id);
  assert.deepEqual(decide(fields('smsCode')), ['P2']);
  assert.deepEqual(decide(fields('smsCode', 'password')), ['P1']);
});

const judged = (changes: Partial<Judged>): Judged => ({ id: 'o', method: 'POST', level: 'A2', amount: '/a', dataClasses: [], ...changes });

test('what no request of an operation could meet is refused, with the operation', () => {
  const { operations, policy } = shipped();
  const told: string[] = [];
  const secret = { dataClasses: [{ pointer: '/pin', dataClass: 'C3' }], encryption: { body: 'none', fields: [], answer: [] } } as const;
  const changed = operations.map((operation) => ({ ...operation, ...(operation.id === 'orders.create' && secret) }));
  const config = { risk: undefined, operations: ['x'] };
  checkOperations(policy, changed, config, ({ message }) => told.push(message), noProblem);
  assert.deepEqual(told, ['P1 is about orders.create: /pin is of class C3 and may not be encrypted; list it in x-hufu.encryption.fields']);
});

function shipped(): { readonly operations: readonly Operation[]; readonly policy: Policy } {
  const operations = loadOperations([join(ROOT, 'config/operations/payments.yaml')], noProblem).routable;
  return { operations, policy: loadPolicy(join(ROOT, 'config/policy.yaml'), undefined, noProblem) as Policy };
}

test('the shipped rules decide as docs/policy.md says', () => {
  const { operations, policy } = shipped();
  const rule = (id: string, amountFen: number, kind: MerchantKind = 'merchant') =>
    ruleFor(compileAccess(policy, operations.find((operation) => operation.id === id) as Operation, kind), amountFen)?.id;
  assert.deepEqual(
    [rule('payments.create', 50_000_000), rule('payments.create', 50_000_001), rule('orders.get', 0), rule('platform.jwks', 0)],
    ['P6', 'P4', 'P7', 'P8'],
  );
  for (const kind of MERCHANT_KINDS.slice(1)) assert.equal(rule('payments.create', 1, kind), 'P2');
});

const some = <T>(...values: T[]) => fc.option(fc.uniqueArray(fc.constantFrom(...values), { minLength: 1 }), { nil: undefined });
const when = fc.record({
  operations: some('o', 'other'),
  levels: some<'A1' | 'A2'>('A1', 'A2'),
  access: fc.constantFrom<'read' | 'write' | undefined>('read', 'write', undefined),
  batch: fc.constantFrom(true, false, undefined),
  dataClasses: some<'C2' | 'C3'>('C2', 'C3'),
  amountAboveFen: fc.option(fc.nat(3), { nil: undefined }),
  merchantKinds: some<MerchantKind>('merchant', 'bank'),
});

test('what is compiled decides as reading the rules one by one does', () => {
  const operation = fc.record({
    method: fc.constantFrom<'GET' | 'POST'>('GET', 'POST'),
    level: fc.constantFrom<'A1' | 'A2'>('A1', 'A2'),
    batch: fc.boolean(),
    classes: fc.subarray<DataClass>(['C2', 'C3']),
    hasAmount: fc.boolean(),
  });
  fc.assert(
    fc.property(
      fc.array(when, { maxLength: 6 }),
      operation,
      fc.nat(4),
      fc.constantFrom<MerchantKind>('merchant', 'bank'),
      (whens, facts, sent, kind) => {
        const rules = whens.map((each, index) => ({ id: `R${index}`, when: each, allow: {} })) as unknown as PolicyRule[];
        const policy = { written: { ...POLICY.parse({ rules: [{ id: 'x', allow: {} }] }), rules }, source: {} as Policy['source'] };
        const { classes, hasAmount, ...rest } = facts;
        const dataClasses = classes.map((dataClass) => ({ pointer: '/x', dataClass }));
        const { amount: _none, ...plain } = judged({ ...rest, dataClasses });
        const asked: Judged = hasAmount ? judged({ ...rest, dataClasses }) : plain;
        const amountFen = hasAmount ? sent : 0;
        const expected = rules.find(
          ({ when: { operations, levels, access, batch, dataClasses: wanted, amountAboveFen, merchantKinds } }) =>
            (!operations || operations.includes('o')) &&
            (!levels || levels.includes(facts.level)) &&
            (!access || (access === 'read') === (facts.method === 'GET')) &&
            (batch === undefined || batch === facts.batch) &&
            (!wanted || wanted.some((each) => classes.includes(each))) &&
            (!merchantKinds || merchantKinds.includes(kind)) &&
            (amountAboveFen === undefined || (hasAmount && amountFen > amountAboveFen)),
        );
        assert.equal(ruleFor(compileAccess(policy, asked, kind), amountFen)?.id, expected?.id);
      },
    ),
  );
});
