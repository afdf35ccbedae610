import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { readinessOf } from '../../src/cli/keys/readiness.ts';
import { planPromotion, planRetirement, type RotationEdit, type RotationRow } from '../../src/cli/keys/rotation.ts';
import { KEY_STATES, keyStateAt } from '../../src/protocol/answer-key.ts';
import type { Merchant } from '../../src/protocol/merchant.ts';

const NOW_MS = Date.parse('2027-01-10T00:00:00Z');
const moment = (days: number): string => new Date(NOW_MS + days * 86_400_000).toISOString();
const row = (keyid: string, more: Partial<RotationRow> = {}): RotationRow => ({
  keyid,
  sharePercent: 100,
  algorithm: 'ecdsa-p256-sha256',
  ...more,
});
const apply = (rows: readonly RotationRow[], edits: readonly RotationEdit[]): RotationRow[] =>
  rows.map((one, index) => ({
    ...one,
    ...Object.fromEntries(
      edits.filter((edit) => edit.index === index).map(({ key, value }) => [key, value ?? (key === 'sharePercent' ? 100 : undefined)]),
    ),
  }));
const shown = (rows: readonly RotationRow[]): string =>
  rows.map((one) => `${one.keyid} ${keyStateAt(one, NOW_MS)} ${one.sharePercent}`).join(', ');

const OLD = row('old');
const NEW = row('new', { state: 'announced' });
const RSA = row('rsa', { algorithm: 'rsa-v1_5-sha256' });
const steps: readonly (readonly [readonly RotationRow[], (rows: readonly RotationRow[]) => RotationEdit[], string, string])[] = [
  // rows           step                                             afterwards                                          why
  [
    [OLD, NEW, RSA],
    (r) => planPromotion(r, 'new', 5, NOW_MS),
    'old current 100, new current 5, rsa current 100',
    'a share takes nothing away',
  ],
  [
    [OLD, NEW, RSA],
    (r) => planPromotion(r, 'new', 100, NOW_MS),
    'old retiring 100, new current 100, rsa current 100',
    'all: only its own algorithm retires',
  ],
  [[OLD, row('new', { sharePercent: 5 })], (r) => planPromotion(r, 'new', 25, NOW_MS), 'old current 100, new current 25', 'it grows'],
  [
    [row('old', { state: 'retiring' }), row('new')],
    (r) => planPromotion(r, 'old', 100, NOW_MS),
    'old current 100, new retiring 100',
    'the way back',
  ],
  [
    [OLD, row('new', { currentFrom: moment(9) })],
    (r) => planPromotion(r, 'new', 100, NOW_MS),
    'old retiring 100, new current 100',
    'before its date',
  ],
  [
    [OLD, row('new', { retiringFrom: moment(-1) })],
    (r) => planPromotion(r, 'new', 100, NOW_MS),
    'old retiring 100, new current 100',
    'after its date',
  ],
  [[OLD, NEW], (r) => planRetirement(r, 'old', false, NOW_MS), 'old retiring 100, new announced 100', 'current: one step'],
  [[OLD, NEW], (r) => planRetirement(r, 'new', false, NOW_MS), 'old current 100, new retired 100', 'announced: given up'],
  [[OLD, NEW], (r) => planRetirement(r, 'old', true, NOW_MS), 'old retired 100, new announced 100', 'stolen: at once'],
  [[row('old', { state: 'retiring' })], (r) => planRetirement(r, 'old', false, NOW_MS), 'old retired 100', 'retiring: the end'],
];
for (const [rows, plan, expected, why] of steps) test(`a step: ${why}`, () => assert.equal(shown(apply(rows, plan(rows))), expected));

const wrong: readonly (readonly [() => unknown, RegExp, string])[] = [
  [() => planPromotion([OLD], 'none', 100, NOW_MS), /there is no key none/, 'no such key'],
  [() => planPromotion([row('k', { sharePercent: 25 })], 'k', 5, NOW_MS), /a share only grows/, 'a smaller share'],
  [() => planPromotion([row('k', { state: 'retired' })], 'k', 5, NOW_MS), /is retired/, 'a retired key never comes back'],
  [() => planRetirement([row('k', { state: 'retired' })], 'k', false, NOW_MS), /retired already/, 'twice'],
];
for (const [run, message, why] of wrong) test(`refused: ${why}`, () => assert.throws(run, { name: 'UserError', message }));

test('whatever is promoted to all signs alone for its algorithm, and nothing comes back from the dead', () => {
  const rows = fc.array(
    fc.record({
      state: fc.constantFrom(...KEY_STATES, undefined),
      sharePercent: fc.integer({ min: 1, max: 100 }),
      algorithm: fc.constantFrom('ecdsa-p256-sha256' as const, 'rsa-v1_5-sha256' as const),
      retiringFrom: fc.constantFrom(undefined, moment(-1), moment(1)),
    }),
    { minLength: 1, maxLength: 6 },
  );
  fc.assert(
    fc.property(rows, fc.nat(5), (made, pick) => {
      const before = made.map((one, i): RotationRow => ({ ...one, keyid: `k${i}` }));
      const chosen = before[pick % before.length] as RotationRow;
      if (keyStateAt(chosen, NOW_MS) === 'retired') return;
      const after = apply(before, planPromotion(before, chosen.keyid, 100, NOW_MS));
      const current = after.filter((one) => one.algorithm === chosen.algorithm && keyStateAt(one, NOW_MS) === 'current');
      assert.deepEqual(
        current.map(({ keyid }) => keyid),
        [chosen.keyid],
      );
      for (const [i, one] of after.entries())
        if (keyStateAt(before[i] as RotationRow, NOW_MS) === 'retired') assert.equal(keyStateAt(one, NOW_MS), 'retired');
    }),
  );
});

const merchant = (number: string, more: Partial<Merchant> = {}): Merchant =>
  ({ number, status: 'active', answerAlgorithm: 'ecdsa-p256-sha256', ...more }) as Merchant;
const everybody = [merchant('1'), merchant('2', { answerAlgorithm: 'rsa-v1_5-sha256' }), merchant('3', { status: 'suspended' })];
const readiness: readonly (readonly [string, readonly string[], number, string])[] = [
  ['ecdsa-p256-sha256', [], 0, 'nobody has fetched it'],
  ['ecdsa-p256-sha256', ['1 k'], 50, 'one of two active ones: it signs refusals of both'],
  ['ecdsa-p256-sha256', ['1 k', '2 k'], 100, 'both'],
  ['ecdsa-p256-sha256', ['1 other', '3 k'], 0, 'another key, and a suspended merchant'],
  ['rsa-v1_5-sha256', ['2 k'], 100, 'an RSA key is for those who want RSA'],
  ['ed25519', ['1 k'], 50, 'any key that may sign refusals is for everybody'],
  ['rsa-pss-sha512', [], 100, 'a key that nobody wants'],
];
for (const [algorithm, seen, percent, why] of readiness) {
  test(`readiness: ${why}`, () => {
    const key = { keyid: 'k', algorithm: algorithm as RotationRow['algorithm'], sharePercent: 100 };
    assert.equal(readinessOf(key, everybody, new Map(seen.map((name) => [name, 1]))).readyPercent, percent);
  });
}
