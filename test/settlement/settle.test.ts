import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { SettleResult, Store } from '../../src/ports/store.ts';
import { StoreUnavailable } from '../../src/ports/store.ts';
import type { Claimed, Forwarded } from '../../src/protocol/messages.ts';
import type { OutcomeKind } from '../../src/protocol/outcome.ts';
import { createSettle } from '../../src/settlement/settle.ts';
import { admission, FIRST, NOW, outcomeFact, total } from '../store/world.ts';
import { answers, createTestUntil, openParts, PAID } from './parts.ts';

const CONCURRENCY = { kind: 'concurrency', name: 'c', scope: 'merchant', operations: [], max: 1 };

const forwarded = (outcome: OutcomeKind, changes: object = {}): Forwarded =>
  ({
    requestId: 'r1',
    merchant: { number: FIRST, rules: [] },
    operation: { id: 'payments.create' },
    admissionId: 'a',
    claim: { keyHash: 'key-a' } as Claimed,
    outcome,
    understood: true,
    ...(outcome === 'unknown' ? {} : { answer: PAID }),
    ...changes,
  }) as unknown as Forwarded;

async function openSettle(meddle: Partial<Store> = {}) {
  const parts = await openParts();
  await parts.store.admit({ ...admission('a', { totals: [total(10, 100)] }), concurrency: [{ counter: 'c', max: 1 }] });
  parts.log.length = 0;
  const until = createTestUntil();
  const alarms: string[] = [];
  const epoch = { present: 'e1' };
  const store = { ...parts.store, ...meddle };
  const options = { journal: parts.journal, until, nowMs: () => NOW, sealAnswer: answers.seal, answerMs: 1_000, firstAskMs: 500 };
  const settle = createSettle({ ...options, store, epoch: () => epoch.present, onAlarm: (alarm) => alarms.push(alarm) });
  const claim = () => parts.store.findClaim({ merchantNumber: FIRST, keyHash: 'key-a' });
  return { ...parts, settle, until, alarms, epoch, claim };
}

const OUTCOMES: readonly (readonly [OutcomeKind, string, string, readonly string[], string])[] = [
  // outcome    the claim  says    in this order                        settled
  ['succeeded', 'final', 'stored', ['store.settle', 'append outcome'], 'committed'],
  ['failed', 'final', 'stored', ['store.settle', 'append outcome'], 'released'],
  ['pending', 'unknown', 'stored', ['store.hold'], 'held'],
  ['unknown', 'unknown', 'none', ['store.hold'], 'held'],
];
for (const [outcome, state, stored, order, settled] of OUTCOMES) {
  test(`${outcome}: the claim becomes ${state}, the reservation is ${settled}`, async () => {
    const { settle, until, journal, log, claim, store } = await openSettle();
    assert.equal(settle(forwarded(outcome)).settled, settled);
    assert.deepEqual(log, order, 'all of it before the answer is sealed: nothing here is awaited');
    await until.settled();
    const view = await claim();
    assert.equal(view?.state, state);
    assert.deepEqual(view?.answer && answers.open(view.answer, FIRST, 'key-a'), stored === 'stored' ? PAID : undefined);
    const final = outcome === 'succeeded' || outcome === 'failed';
    assert.deepEqual(journal.entries, final ? [outcomeFact('a', outcome)] : []);
    assert.equal(
      (await store.admit({ ...admission('b'), concurrency: [{ counter: 'c', max: 1 }] })).kind,
      'admitted',
      'concurrency is free',
    );
  });
}

const TROUBLE: readonly (readonly [string, () => Promise<SettleResult>])[] = [
  ['the store is away', async () => Promise.reject(new StoreUnavailable('away'))],
  ['the store is being rebuilt', async () => 'rebuilding'],
];
for (const [why, trouble] of TROUBLE) {
  test(`a settle is repeated under the present epoch: ${why}`, async () => {
    const epochs: string[] = [];
    const opened = await openSettle({
      settle: (command) => {
        epochs.push(command.epoch);
        opened.epoch.present = 'e2';
        return epochs.length < 3 ? trouble() : opened.store.settle({ ...command, epoch: 'e1' });
      },
    });
    opened.settle(forwarded('succeeded'));
    await opened.until.settled();
    assert.deepEqual(epochs, ['e1', 'e2', 'e2']);
    assert.equal((await opened.claim())?.outcome, 'succeeded');
    assert.equal(opened.journal.entries.length, 1, 'journalled once');
  });
}

test('a hold is repeated until the slot is open', async () => {
  let tries = 0;
  const opened = await openSettle({ hold: async (command) => ++tries > 2 && opened.store.hold(command) });
  opened.settle(forwarded('unknown'));
  await opened.until.settled();
  assert.equal(tries, 3);
  assert.equal((await opened.claim())?.state, 'unknown');
});

const ALARMS: readonly (readonly [SettleResult, RegExp | undefined, string])[] = [
  ['settled', undefined, 'the way it goes'],
  ['already', undefined, 'a resolver was first'],
  ['foreign', undefined, 'the claim is about another admission'],
  ['late', /success after failure.*may exceed a limit/, 'a success that beats a failure'],
  ['contradicted', /failure after success; the success stands/, 'a failure that is ignored'],
];
for (const [result, alarm, why] of ALARMS) {
  test(`news: ${result}, ${why}`, async () => {
    const { settle, until, alarms } = await openSettle({ settle: async () => result });
    settle(forwarded('succeeded'));
    await until.settled();
    if (alarm) assert.match(alarms.join(), alarm);
    else assert.deepEqual(alarms, []);
  });
}

test('a read frees its place among those at once, where a rule counts them, and nothing else', async () => {
  for (const [rules, expected] of [
    [[], []],
    [[CONCURRENCY], ['store.release']],
    [[{ ...CONCURRENCY, operations: ['payments.create'] }], ['store.release']],
    [[{ ...CONCURRENCY, operations: ['orders.get'] }], []],
  ] as const) {
    const { settle, log, journal } = await openSettle();
    assert.equal(settle(forwarded('succeeded', { claim: undefined, merchant: { number: FIRST, rules } })).settled, 'nothing');
    assert.deepEqual([log, journal.entries], [expected, []]);
  }
});
