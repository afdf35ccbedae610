import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Standing } from '../../src/admission/admit.ts';
import { createJournalStage } from '../../src/pipeline/journal.ts';
import { Refusal } from '../../src/protocol/errors.ts';
import type { Admitted, Claimed } from '../../src/protocol/messages.ts';
import type { Withdrawn } from '../../src/settlement/withdraw.ts';
import { createTestJournal } from '../settlement/parts.ts';
import { admission, admittedFact, FIRST, nonceFact, total } from '../store/world.ts';

const fact = admittedFact(admission('a', { totals: [total(10, 100)] }));
const admitted = (changes: object = {}): Admitted =>
  ({
    requestId: 'r1',
    merchant: { number: FIRST },
    admissionId: 'a',
    epoch: 'e1',
    nonce: fact.nonce,
    claim: { ...fact, derivedKey: 'd' } as unknown as Claimed,
    ...changes,
  }) as unknown as Admitted;

function openStage(standing: Standing = { kind: 'open', epoch: 'e1' }) {
  const log: string[] = [];
  const journal = createTestJournal(log);
  const withdrawn: Withdrawn[] = [];
  const noted: string[] = [];
  const stage = createJournalStage({
    journal,
    standing: () => standing,
    unforwarded: { store: {} as never, journalled: (id) => noted.push(id), appendAll: () => {} },
    withdraw: async (each) => {
      withdrawn.push(each);
      log.push('withdraw');
    },
    evidence: { appendRequest: () => journal.append({ type: 'request', data: {} }), appendAnswer: () => {} },
  });
  return { stage, journal, log, withdrawn, noted };
}

async function refusalOf(promise: Promise<unknown>): Promise<Refusal> {
  const error = await promise.then(
    () => assert.fail('was not refused'),
    (thrown: unknown) => thrown,
  );
  assert.ok(error instanceof Refusal, String(error));
  return error;
}

test('money: `admitted` is on the disk before anything goes on, and holds all a rebuild needs', async () => {
  const { stage, journal, log, withdrawn, noted } = openStage();
  const journalled = await stage(admitted());
  assert.deepEqual(log, ['append request', 'append admitted', 'synced']);
  assert.deepEqual(journal.entries[1], fact);
  assert.equal(journalled.sequence, 2);
  assert.deepEqual([withdrawn, noted], [[], ['a']]);
});

test('a read is only appended', async () => {
  const { stage, log } = openStage();
  await stage(admitted({ claim: undefined }));
  assert.deepEqual(log, ['append request']);
});

const LEFT: readonly (readonly [string, Standing, string])[] = [
  ['another epoch is open', { kind: 'open', epoch: 'e2' }, 'REBUILDING'],
  ['this process is joining one', { kind: 'closed', code: 'REBUILDING' }, 'REBUILDING'],
  ['the store is away', { kind: 'closed', code: 'STORE_UNAVAILABLE' }, 'STORE_UNAVAILABLE'],
  ['the clock is off', { kind: 'closed', code: 'CLOCK_SKEW' }, 'CLOCK_SKEW'],
];
for (const [why, standing, code] of LEFT) {
  test(`an admission is dropped, never journalled as admitted, its nonce is: ${why}`, async () => {
    const { stage, journal, withdrawn, noted } = openStage(standing);
    const refusal = await refusalOf(stage(admitted()));
    assert.deepEqual(
      [refusal.code, refusal.options.outcome, refusal.options.retryAfterSeconds],
      [code, undefined, 1],
      'the key may be running elsewhere',
    );
    assert.deepEqual(journal.entries, [nonceFact('a')]);
    assert.deepEqual(withdrawn, [{ merchantNumber: FIRST, admissionId: 'a', keyHash: 'key-a' }]);
    assert.deepEqual(noted, ['a']);
  });
}

test('dropped and given back also when its nonce cannot be journalled: it stays in memory', async () => {
  const { stage, journal, withdrawn, noted } = openStage({ kind: 'open', epoch: 'e2' });
  journal.writable = false;
  assert.equal((await refusalOf(stage(admitted()))).code, 'JOURNAL_UNAVAILABLE');
  assert.deepEqual([withdrawn.length, noted], [1, []]);
});

const DISK: readonly (readonly [string, { writable: boolean; syncs: boolean }, boolean])[] = [
  // why                                                         disk                                 journalled
  ['nothing can be appended', { writable: false, syncs: true }, false],
  ['the sync fails: the record may be written yet, so it is voided', { writable: true, syncs: false }, true],
];
for (const [why, disk, journalled] of DISK) {
  test(`the disk refuses after admission: not executed, since this process knows that it sent nothing: ${why}`, async () => {
    const { stage, journal, withdrawn } = openStage();
    Object.assign(journal, disk);
    const refusal = await refusalOf(stage(admitted()));
    assert.deepEqual([refusal.code, refusal.options.outcome], ['JOURNAL_UNAVAILABLE', 'not_executed']);
    assert.deepEqual(withdrawn, [{ merchantNumber: FIRST, admissionId: 'a', keyHash: 'key-a', journalled }]);
  });
}

test('a read whose evidence cannot be written gives its place back', async () => {
  const { stage, journal, withdrawn } = openStage();
  journal.writable = false;
  assert.equal((await refusalOf(stage(admitted({ claim: undefined })))).code, 'JOURNAL_UNAVAILABLE');
  assert.deepEqual(withdrawn, [{ merchantNumber: FIRST, admissionId: 'a' }]);
});
