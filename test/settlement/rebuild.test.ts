import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createModelStore } from '../../src/admission/model.ts';
import type { AdmittedFact, Fact } from '../../src/ports/journal.ts';
import { NONCE_CLOSURE_MS, replayFacts, reportTo } from '../../src/settlement/rebuild.ts';
import { admission, admittedFact, DAY, FIRST, NOW, nonceFact, outcomeFact, SECOND, total, voidedFact } from '../store/world.ts';

async function* stream(facts: readonly Fact[]): AsyncGenerator<Fact> {
  yield* facts;
}

const admitted = (id: string, changes: Partial<AdmittedFact> = {}): AdmittedFact => ({
  ...admittedFact(admission(id, { totals: [total(10, 100)] })),
  ...changes,
});
/** Everything of it ended before now. */
const OVER = { keepUntilMs: NOW - 1, nonceUntilMs: NOW - 1, reservation: [] };
const name = (fact: Fact): string => `${fact.type === 'outcome' ? fact.outcome : fact.type} ${fact.admissionId}`;

const ORDER: readonly (readonly [string, readonly Fact[], readonly string[]])[] = [
  // why                                                 journal                                                          given back
  [
    'an admission comes with its outcome',
    [admitted('a'), admitted('b'), outcomeFact('b', 'failed')],
    ['admitted b', 'failed b', 'admitted a'],
  ],
  ['a voided one behind its void, so that only its nonce counts', [admitted('a'), voidedFact('a')], ['voided a', 'admitted a']],
  ['what belongs to another journal as it comes', [outcomeFact('x', 'succeeded'), voidedFact('y')], ['succeeded x', 'voided y']],
  [
    'a late success too',
    [admitted('a'), outcomeFact('a', 'failed'), outcomeFact('a', 'succeeded')],
    ['admitted a', 'failed a', 'succeeded a'],
  ],
  ['a live nonce', [nonceFact('a')], ['nonce a']],
  ['not a nonce out of its window', [{ ...nonceFact('a'), nonceUntilMs: NOW } as Fact], []],
  ['not what is over and concluded', [admitted('a', OVER), outcomeFact('a', 'succeeded')], []],
  ['not what is over and was voided', [admitted('a', OVER), voidedFact('a')], []],
  ['but what is over and was never concluded: a claim never becomes free by time', [admitted('a', OVER)], ['admitted a']],
  [
    'what is kept for its window',
    [admitted('a', { ...OVER, reservation: [{ counter: 'c', add: 1, windowEndsMs: NOW + 1 }] }), outcomeFact('a', 'failed')],
    ['admitted a', 'failed a'],
  ],
  [
    'what is kept for its nonce',
    [admitted('a', { ...OVER, nonceUntilMs: NOW + 1 }), outcomeFact('a', 'failed')],
    ['admitted a', 'failed a'],
  ],
];
for (const [why, journal, expected] of ORDER) {
  test(`given back: ${why}`, async () => {
    const given: Fact[] = [];
    const store = { ...createModelStore(), replay: async ({ facts }: { facts: readonly Fact[] }) => void given.push(...facts) };
    const merchants = await replayFacts(store, 'e1', stream(journal), () => NOW);
    assert.deepEqual(given.map(name), expected);
    assert.deepEqual([...merchants], expected.length > 0 ? [FIRST] : [], 'only merchants of whom something was given');
  });
}

test('a long journal is given in parts, each merchant in its own order', async () => {
  const parts: string[][] = [];
  const store = {
    ...createModelStore(),
    replay: async ({ facts }: { facts: readonly Fact[] }) =>
      void parts.push(facts.map((fact) => `${fact.merchantNumber} ${fact.admissionId}`)),
  };
  const facts = Array.from(
    { length: 1_201 },
    (_, i) => ({ ...nonceFact(String(i)), merchantNumber: i % 4 === 0 ? SECOND : FIRST }) as Fact,
  );
  assert.deepEqual([...(await replayFacts(store, 'e1', stream(facts), () => NOW))].sort(), [FIRST, SECOND]);
  assert.ok(parts.every((part) => part.length <= 500));
  for (const merchantNumber of [FIRST, SECOND]) {
    const told = parts.flat().filter((line) => line.startsWith(merchantNumber));
    const expected = facts.filter((fact) => fact.merchantNumber === merchantNumber).map((fact) => `${merchantNumber} ${fact.admissionId}`);
    assert.deepEqual(told, expected);
  }
});

const CLOSURES: readonly (readonly [string, boolean, number | undefined, number])[] = [
  // why                                                               store lost  nonces lost at   closed until
  ['no nonce was lost', true, undefined, 0],
  ['a process lost nonces, the store did not', false, NOW, 0],
  ['both lost them: until nobody can replay one', true, NOW, NOW + NONCE_CLOSURE_MS],
  ['both, but the process long ago: a time that has passed', true, NOW - DAY, NOW - DAY + NONCE_CLOSURE_MS],
];
for (const [why, storeLost, noncesLostAtMs, closedUntilMs] of CLOSURES) {
  test(`the slots stay closed: ${why}`, async () => {
    const reports: [string, number][] = [];
    const store = {
      ...createModelStore(),
      report: async (report: { instance: string; closedUntilMs: number }) => void reports.push([report.instance, report.closedUntilMs]),
    };
    let released = 0;
    const dead = { instance: 'g2', noncesLostAtMs, facts: () => stream([]) };
    const options = { store, epoch: 'e1', instance: 'g1', facts: stream([]), storeLost, nowMs: () => NOW };
    const deadJournals = async () => ({
      journals: [dead],
      release: async () => {
        released += 1;
      },
    });
    await reportTo({ ...options, noncesLostAtMs: undefined, deadJournals });
    assert.deepEqual(
      reports,
      [
        ['g2', closedUntilMs],
        ['g1', 0],
      ],
      'of a dead instance of this host',
    );
    await reportTo({
      ...options,
      facts: stream([]),
      noncesLostAtMs,
      deadJournals: async () => ({ journals: [], release: async () => {} }),
    });
    assert.deepEqual(reports.at(-1), ['g1', closedUntilMs], 'of its own');
    assert.equal(released, 1);
  });
}

test('the journals of the dead are released also when the store fails', async () => {
  let released = false;
  const store = { ...createModelStore(), replay: async () => Promise.reject(new Error('away')) };
  const journals = [{ instance: 'g2', noncesLostAtMs: undefined, facts: () => stream([nonceFact('a')]) }];
  const deadJournals = async () => ({
    journals,
    release: async () => {
      released = true;
    },
  });
  await assert.rejects(
    reportTo({
      store,
      epoch: 'e1',
      instance: 'g1',
      facts: stream([]),
      storeLost: true,
      noncesLostAtMs: undefined,
      nowMs: () => NOW,
      deadJournals,
    }),
    /away/,
  );
  assert.ok(released);
});
