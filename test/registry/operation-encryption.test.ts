import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { loadOperations } from '../../src/registry/operations.ts';
import { temporaryDirectory, writeFiles } from '../config/workbench.ts';

const PAYMENTS = readFileSync(new URL('../../config/operations/payments.yaml', import.meta.url), 'utf8');
const PAY = 'operationId: payments.create';

async function problemsOf(t: Parameters<typeof temporaryDirectory>[0], after: string, find: string, replace: string): Promise<string[]> {
  const at = PAYMENTS.indexOf(find, PAYMENTS.indexOf(after));
  assert.ok(at >= 0, `the document has no ${find}`);
  const directory = temporaryDirectory(t);
  await writeFiles(directory, { 'a.yaml': PAYMENTS.slice(0, at) + replace + PAYMENTS.slice(at + find.length) });
  const problems: string[] = [];
  loadOperations([join(directory, 'a.yaml')], ({ message }) => problems.push(message));
  return problems;
}

const FIELDS = '            - { pointer: /payer/accountNo }\n';
const REPEAT = '- { request: /amountFen, answer: /amountFen }';

/** `find` is replaced where it first stands behind `after`. */
const MISTAKES: readonly (readonly [why: string, after: string, find: string, replace: string, message: RegExp])[] = [
  [
    'a field that the body does not have',
    PAY,
    'pointer: /payer/accountNo',
    'pointer: /payer/accountNumber',
    /the body's schema has no \/payer\/accountNumber/,
  ],
  [
    'an answer that has no such place',
    'operationId: accounts.balance',
    'pointer: /balanceFen',
    'pointer: /balance',
    /no answer has \/balance/,
  ],
  ['a MAC for a payment', PAY, 'level: A2', 'level: A2\n        mac: allowed', /a MAC alone is for reads/],
  [
    'a MAC for getting working keys',
    'operationId: working-keys.create',
    'level: A2',
    'level: A2\n        mac: allowed',
    /a MAC alone is for reads/,
  ],
  [
    'sealed bytes that are to be repeated',
    PAY,
    'limits: totals',
    'limits: totals\n        forward: sealed',
    /sealed bytes differ with each delivery/,
  ],
  ['sealed bytes for nobody', 'operationId: working-keys.create', 'level: A2', 'level: A2\n        forward: sealed', /there is no core/],
  [
    'a sealed value that an outcome rule would keep',
    PAY,
    FIELDS,
    `${FIELDS}            - { pointer: /amountFen }\n`,
    /\/amountFen may be encrypted, and would be kept/,
  ],
  [
    'a sealed value that a question would keep',
    PAY,
    'parameters: { derivedKey: derivedKey }',
    'parameters: { derivedKey: /payer/accountNo }',
    /\/payer\/accountNo may be encrypted/,
  ],
  [
    'a secret that may come in clear text',
    'AccountNo:\n      description',
    'x-data-class: C2',
    'x-data-class: C3',
    /\/payer\/accountNo is of class C3 and could come in clear text/,
  ],
  ['a repeat of what lies around a sealed value', PAY, REPEAT, '- { request: /payer, answer: /amountFen }', /\/payer may be encrypted/],
  [
    'a claim for what keeps none',
    'operationId: working-keys.create',
    'level: A2',
    'level: A2\n        idempotency: required',
    /keeps no claim/,
  ],
];

for (const [why, after, find, replace, message] of MISTAKES) {
  test(`hufu check refuses ${why}`, async (t) => {
    const problems = await problemsOf(t, after, find, replace);
    assert.ok(
      problems.some((problem) => message.test(problem)),
      `told: ${problems.join('\n')}`,
    );
  });
}

test('a secret that must be encrypted is no problem, by its field or with the whole body', async (t) => {
  const secret = (text: string) => text.replace('x-data-class: C2', 'x-data-class: C3');
  for (const [find, replace] of [
    ['- { pointer: /payer/accountNo }', '- { pointer: /payer/accountNo, required: true }'],
    ['          fields:\n            - { pointer: /payer/accountNo }', '          body: required'],
  ] as const) {
    const directory = temporaryDirectory(t);
    await writeFiles(directory, { 'a.yaml': secret(PAYMENTS.replace(find, replace)) });
    const problems: string[] = [];
    loadOperations([join(directory, 'a.yaml')], ({ message }) => problems.push(message));
    assert.deepEqual(problems, []);
  }
});
