import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createModelStore } from '../../src/admission/model.ts';
import { createStoredAnswers } from '../../src/settlement/stored-answer.ts';
import { nonceFactOf, trackUnforwarded } from '../../src/settlement/unforwarded.ts';
import { createWithdraw } from '../../src/settlement/withdraw.ts';
import { admission, FIRST, NOW, voidedFact } from '../store/world.ts';
import { onlyKey } from '../support/secret-keys.ts';
import { answers, createTestJournal, createTestUntil, openParts, PAID } from './parts.ts';

test('a stored answer comes back as it was, bytes and all', () => {
  for (const answer of [PAID, { ...PAID, isResolved: true as const }, { status: 204, contentType: '', body: Buffer.from([0, 10, 255]) }]) {
    assert.deepEqual(answers.open(answers.seal(answer, FIRST, 'k'), FIRST, 'k'), answer);
  }
});

const SPOILT: readonly (readonly [string, (sealed: Buffer) => Buffer | undefined])[] = [
  ['of another key', (sealed) => answers.open(sealed, FIRST, 'other')?.body],
  ['of another merchant', (sealed) => answers.open(sealed, '800000000000002', 'k')?.body],
  [
    'under another secret',
    (sealed) => createStoredAnswers(onlyKey({ id: '0123456789abcdef', key: Buffer.alloc(32, 4) }), Date.now).open(sealed, FIRST, 'k')?.body,
  ],
  ['changed', (sealed) => answers.open(sealed.with(sealed.length - 20, 1) as Buffer, FIRST, 'k')?.body],
  ['cut', (sealed) => answers.open(sealed.subarray(0, -1), FIRST, 'k')?.body],
  ['empty', () => answers.open(Buffer.alloc(0), FIRST, 'k')?.body],
];
for (const [why, open] of SPOILT) {
  test(`a stored answer ${why} is none`, () => assert.equal(open(answers.seal(PAID, FIRST, 'k')), undefined));
}

test('admissions are noted before they are sent, and appended unless they are in the journal', async () => {
  const journal = createTestJournal();
  const store = { ...createModelStore(), admit: async () => Promise.reject(new Error('away')) };
  const unforwarded = trackUnforwarded(store);
  for (const id of ['a', 'b']) await assert.rejects(unforwarded.store.admit(admission(id)));
  unforwarded.journalled('a');
  unforwarded.appendAll(journal);
  assert.deepEqual(journal.entries, [nonceFactOf(admission('b'))]);
  unforwarded.appendAll(journal);
  assert.equal(journal.entries.length, 1, 'once');
});

test('nonces that the journal does not take stay in memory for the next report', async () => {
  const journal = createTestJournal();
  const unforwarded = trackUnforwarded((await openParts()).store);
  await unforwarded.store.admit(admission('a'));
  journal.writable = false;
  assert.throws(() => unforwarded.appendAll(journal), { code: 'JOURNAL_UNAVAILABLE' });
  journal.writable = true;
  unforwarded.appendAll(journal);
  assert.deepEqual(journal.entries, [nonceFactOf(admission('a'))]);
});

const WITHDRAWN: readonly (readonly [string, object, readonly unknown[], readonly string[]])[] = [
  // why                                              withdrawn                               journal              in this order
  ['never journalled: only voided in the store', { keyHash: 'key-a' }, [], ['store.void']],
  [
    'journalled: `voided` is on the disk before it is said',
    { keyHash: 'key-a', journalled: true },
    [voidedFact('a')],
    ['store.void', 'append voided', 'synced'],
  ],
  ['a read: its tombstone only', {}, [], ['store.void']],
];
for (const [why, withdrawn, entries, order] of WITHDRAWN) {
  test(`given back: ${why}`, async () => {
    const { store, journal, log } = await openParts();
    await store.admit(admission('a'));
    log.length = 0;
    const until = createTestUntil();
    const withdraw = createWithdraw({ store, journal, until, nowMs: () => NOW, epoch: () => 'e1' });
    await withdraw({ merchantNumber: FIRST, admissionId: 'a', ...withdrawn });
    await until.settled();
    assert.deepEqual([journal.entries, log], [entries, order]);
    assert.equal((await store.findClaim({ merchantNumber: FIRST, keyHash: 'key-a' })) === undefined, 'keyHash' in withdrawn);
    assert.equal((await store.admit(admission('a'))).kind, 'voided', 'a script under way cannot claim the key later');
  });
}

test('given back in spite of a disk that refuses, and of a store that is being rebuilt', async () => {
  const { store, journal } = await openParts();
  await store.admit(admission('a'));
  journal.syncs = false;
  const until = createTestUntil();
  const epochs = ['', 'e0', 'e1'];
  const withdraw = createWithdraw({ store, journal, until, nowMs: () => NOW, epoch: () => epochs.shift() ?? 'e1' });
  await withdraw({ merchantNumber: FIRST, admissionId: 'a', keyHash: 'key-a', journalled: true });
  await until.settled();
  assert.deepEqual(epochs, []);
  assert.equal(await store.findClaim({ merchantNumber: FIRST, keyHash: 'key-a' }), undefined);
});
