import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Resolution } from '../../src/forward/resolution.ts';
import type { Store } from '../../src/ports/store.ts';
import { createResolver, type ResolveOptions } from '../../src/settlement/resolve.ts';
import { admission, admittedFact, FIRST, NOW, outcomeFact, total } from '../store/world.ts';
import { answers, openParts, PAID } from './parts.ts';

const LATER = NOW + 60_000;

/** A claim `key-a` that is unknown and whose assertion has expired, and a resolver for it. */
async function openResolver(found: Resolution | (() => Promise<Resolution>), changes: Partial<ResolveOptions> = {}) {
  const parts = await openParts();
  await parts.store.admit(admission('a', { totals: [total(10, 100)] }));
  await parts.store.hold({ merchantNumber: FIRST, keyHash: 'key-a', admissionId: 'a', epoch: 'e1', nowMs: NOW, nextAskMs: NOW });
  parts.log.length = 0;
  const asked: boolean[] = [];
  const alarms: string[] = [];
  const options: ResolveOptions = {
    store: parts.store,
    journal: parts.journal,
    epoch: () => 'e1',
    nowMs: () => LATER,
    ask: async (_inputs, _merchantNumber, sentAfterExpiry) => {
      parts.log.push('ask');
      asked.push(sentAfterExpiry);
      return typeof found === 'function' ? found() : found;
    },
    clockAllowanceMs: 2_000,
    sealAnswer: answers.seal,
    answerMs: 1_000,
    pauseMs: (count) => 1_000 * count,
    onAlarm: (alarm) => alarms.push(alarm),
    ...changes,
  };
  const claim = () => parts.store.findClaim({ merchantNumber: FIRST, keyHash: 'key-a' });
  const due = (nowMs: number) => parts.store.findDue({ merchantNumber: FIRST, nowMs, limit: 9 });
  return { ...parts, resolver: createResolver(options), asked, alarms, claim, due };
}

const SUCCEEDED: Resolution = { outcome: 'succeeded', answer: PAID, isOriginal: true };
const FAILED: Resolution = { outcome: 'failed', answer: { ...PAID, status: 422 }, isOriginal: true };
const ACCOUNT: Resolution = { outcome: 'succeeded', answer: { ...PAID, status: 200 } };
const NEVER: Resolution = { outcome: 'failed', answer: { ...PAID, status: 404 }, notFound: true };

const FINAL: readonly (readonly [string, Resolution, string, boolean])[] = [
  // why                                                        found      outcome      its answer is kept
  ['a success commits, and its answer is kept', SUCCEEDED, 'succeeded', true],
  ['a business failure releases, and its answer is kept', FAILED, 'failed', true],
  ['what never began releases, and has no answer', NEVER, 'failed', false],
  ["the core's own account is told and not kept: it is not the answer", ACCOUNT, 'succeeded', false],
];
for (const [why, found, outcome, hasAnswer] of FINAL) {
  test(`resolved: ${why}`, async () => {
    const { resolver, journal, log, claim, asked } = await openResolver(found);
    const resolved = await resolver.resolve(FIRST, 'key-a');
    assert.deepEqual([resolved?.outcome, resolved?.answer !== undefined], [outcome, found !== NEVER]);
    assert.deepEqual(asked, [true]);
    assert.deepEqual(log, ['store.lease', 'ask', 'append outcome', 'synced', 'store.settle'], 'on the disk before the store hears of it');
    assert.deepEqual(journal.entries, [{ ...outcomeFact('a', outcome as 'failed'), by: 'resolved' }], 'under the original admission');
    const settled = await claim();
    assert.deepEqual([settled?.state, settled?.outcome, settled?.answer !== undefined], ['final', outcome, hasAnswer]);
  });
}

const OPEN: readonly (readonly [string, Resolution])[] = [
  ['the core is still at it', { outcome: 'pending', answer: PAID }],
  ['not found, but an assertion may still be used', { outcome: 'notYet' }],
  ['nothing could be read', { outcome: 'unknown', reason: 'no answer' }],
];
for (const [why, found] of OPEN) {
  test(`stays open: ${why}`, async () => {
    const { resolver, journal, claim, due } = await openResolver(found);
    assert.equal(await resolver.resolve(FIRST, 'key-a'), undefined);
    assert.deepEqual(journal.entries, []);
    assert.equal((await claim())?.state, 'unknown');
    assert.deepEqual([await due(LATER + 999), await due(LATER + 1_000)], [[], ['key-a']], 'asked again after a pause');
    await resolver.resolve(FIRST, 'key-a');
    assert.deepEqual([await due(LATER + 1_999), await due(LATER + 2_000)], [[], ['key-a']], 'which grows, whoever asks');
  });
}

test('"sent after expiry" is found before the question is sent, and needs every admission of the key expired, clocks allowed for', async () => {
  const { expiresAtMs } = admission('a').claim ?? assert.fail();
  for (const [nowMs, expected] of [
    [expiresAtMs + 2_000, false],
    [expiresAtMs + 2_001, true],
  ] as const) {
    const { resolver, asked } = await openResolver({ outcome: 'notYet' }, { nowMs: () => nowMs });
    await resolver.resolve(FIRST, 'key-a');
    assert.deepEqual(asked, [expected]);
  }
  const { resolver, asked, store } = await openResolver({ outcome: 'notYet' }, { nowMs: () => expiresAtMs + 2_001 });
  const later = admittedFact(admission('b', { key: 'key-a', nowMs: NOW + 10_000 }));
  await store.replay({ merchantNumber: FIRST, epoch: 'e1', nowMs: NOW, facts: [later] });
  await resolver.resolve(FIRST, 'key-a');
  assert.deepEqual(asked, [false], 'another admission of the key may still run');
});

test('a question asked in an older epoch is dropped, whatever the core said', async () => {
  let epoch = 'e1';
  const { resolver, journal, claim } = await openResolver(
    async () => {
      epoch = 'e2';
      return NEVER;
    },
    { epoch: () => epoch },
  );
  assert.equal(await resolver.resolve(FIRST, 'key-a'), undefined);
  assert.deepEqual(journal.entries, []);
  assert.equal((await claim())?.state, 'unknown');
});

test('nothing is asked while this process belongs to no epoch or to another than the store', async () => {
  for (const epoch of ['', 'e0']) {
    const { resolver, asked } = await openResolver(NEVER, { epoch: () => epoch });
    assert.equal(await resolver.resolve(FIRST, 'key-a'), undefined);
    assert.deepEqual(asked, []);
  }
});

test('a journal that cannot be synced settles nothing', async () => {
  const { resolver, journal, log, claim } = await openResolver(SUCCEEDED);
  journal.syncs = false;
  await assert.rejects(resolver.resolve(FIRST, 'key-a'), { code: 'JOURNAL_UNAVAILABLE' });
  assert.ok(!log.includes('store.settle'));
  assert.equal((await claim())?.state, 'unknown');
});

test('retries join one question; what another process leased is not asked', async () => {
  const { resolver, asked, store } = await openResolver(SUCCEEDED);
  const all = await Promise.all([1, 2, 3].map(() => resolver.resolve(FIRST, 'key-a')));
  assert.deepEqual(
    all.map((resolved) => resolved?.outcome),
    ['succeeded', 'succeeded', 'succeeded'],
  );
  assert.equal(asked.length, 1);
  const other = await openResolver(SUCCEEDED);
  await other.store.lease({ merchantNumber: FIRST, keyHash: 'key-a', epoch: 'e1', nowMs: LATER, untilMs: LATER + 1 });
  assert.equal(await other.resolver.resolve(FIRST, 'key-a'), undefined);
  assert.deepEqual(other.asked, []);
  assert.equal(await resolver.resolve(FIRST, 'key-nobody'), undefined);
  assert.equal((await store.findClaim({ merchantNumber: FIRST, keyHash: 'key-a' }))?.outcome, 'succeeded');
});

const MEANWHILE: readonly (readonly [string, (store: Store) => Promise<unknown>, Resolution, string | undefined, RegExp | undefined])[] = [
  // why                                       what happened while the core was asked                 found      told         alarm
  ['the owner told the same', (store) => settleBy(store, 'succeeded'), SUCCEEDED, 'succeeded', undefined],
  ['the owner told failure: a success beats it', (store) => settleBy(store, 'failed'), SUCCEEDED, 'succeeded', /success after failure/],
  ['the owner told success: it stands', (store) => settleBy(store, 'succeeded'), FAILED, undefined, /failure after success/],
  [
    'another leased it since',
    (store) => store.lease({ merchantNumber: FIRST, keyHash: 'key-a', epoch: 'e1', nowMs: LATER + DAY_MS, untilMs: LATER + DAY_MS }),
    SUCCEEDED,
    undefined,
    undefined,
  ],
];
const DAY_MS = 86_400_000;
const settleBy = (store: Store, outcome: 'succeeded' | 'failed') =>
  store.settle({ merchantNumber: FIRST, keyHash: 'key-a', admissionId: 'a', epoch: 'e1', nowMs: LATER, outcome });
for (const [why, happen, found, told, alarm] of MEANWHILE) {
  test(`meanwhile: ${why}`, async () => {
    const opened = await openResolver(async () => {
      await happen(opened.store);
      return found;
    });
    assert.equal((await opened.resolver.resolve(FIRST, 'key-a'))?.outcome, told);
    if (alarm) assert.match(opened.alarms.join(), alarm);
    else assert.deepEqual(opened.alarms, []);
  });
}

test('what the core says about itself that needs a person is passed on', async () => {
  const { resolver, alarms } = await openResolver({ outcome: 'unknown', alarm: 'the amount differs' });
  await resolver.resolve(FIRST, 'key-a');
  assert.deepEqual(alarms, ['the amount differs']);
});

test('learned by the way: a success after a final failure is journalled, committed and alarmed', async () => {
  const { resolver, store, journal, alarms, claim } = await openResolver(NEVER);
  await settleBy(store, 'failed');
  const view = (await claim()) ?? assert.fail();
  await resolver.learn(FIRST, view, { outcome: 'succeeded', answer: PAID });
  assert.equal((await claim())?.outcome, 'succeeded');
  assert.deepEqual(
    journal.entries.map((entry) => entry.type),
    ['outcome'],
  );
  assert.match(alarms.join(), /success after failure/);
});

/** Claim, the operator's word, when: what comes of it. */
const DECIDED: readonly (readonly [string, 'succeeded' | 'failed', number, string | undefined, string | undefined])[] = [
  // why                                                   word         nowMs          outcome      alarm
  ['an unknown one that succeeded', 'succeeded', LATER, 'succeeded', undefined],
  ['an unknown one that failed', 'failed', LATER, 'failed', undefined],
  ['success, although the core may still begin', 'succeeded', NOW, 'succeeded', undefined],
  [
    'failed, and the core may still begin',
    'failed',
    NOW + 22_000,
    undefined,
    'an operator said failed of a request that the core may still begin',
  ],
];
for (const [why, word, nowMs, outcome, alarm] of DECIDED)
  test(`an operator decides: ${why}`, async () => {
    const { resolver, journal, log, claim, alarms, asked } = await openResolver(NEVER, { nowMs: () => nowMs });
    assert.equal(await resolver.decide(FIRST, 'key-a', word, nowMs), true);
    assert.equal((await claim())?.outcome, outcome);
    assert.deepEqual(alarms, alarm === undefined ? [] : [alarm]);
    assert.deepEqual(asked, [], 'the core is not asked');
    assert.deepEqual(journal.entries, outcome === undefined ? [] : [{ ...outcomeFact('a', word), by: 'operator' }]);
    if (outcome !== undefined) assert.ok(log.indexOf('synced') < log.indexOf('store.settle'), 'on the disk first');
    assert.equal(await resolver.decide(FIRST, 'key-a', word, nowMs), true, 'told twice');
    assert.equal(journal.entries.length, outcome === undefined ? 0 : 1);
  });

test('an operator decides nothing that is still under way: its process may void it, and the same key run anew', async () => {
  const now = { ms: NOW };
  const { resolver, store, alarms, journal } = await openResolver(NEVER, { nowMs: () => now.ms });
  await store.admit(admission('b', { totals: [total(10, 100)] }));
  const running = await store.findClaim({ merchantNumber: FIRST, keyHash: 'key-b' });
  assert.equal(running?.state, 'inFlight');
  assert.equal(await resolver.decide(FIRST, 'key-b', 'succeeded', now.ms), true, 'nothing to be tried again');
  assert.deepEqual([alarms, journal.entries], [['an operator decided about a request that is still under way'], []]);
  now.ms = running?.deadlineMs ?? 0;
  assert.equal(await resolver.decide(FIRST, 'key-b', 'succeeded', now.ms), true);
  assert.equal((await store.findClaim({ merchantNumber: FIRST, keyHash: 'key-b' }))?.outcome, 'succeeded');
});

test('an operator does not overrule what is final, nor speak of what is not there, nor take a claim that is being asked about', async () => {
  const { resolver, store, claim, alarms } = await openResolver(NEVER);
  await store.lease({ merchantNumber: FIRST, keyHash: 'key-a', epoch: 'e1', nowMs: LATER, untilMs: LATER + 15_000 });
  assert.equal(await resolver.decide(FIRST, 'key-a', 'failed', LATER), false, 'to be tried again');
  assert.equal((await claim())?.state, 'unknown');
  await store.settle({ merchantNumber: FIRST, keyHash: 'key-a', admissionId: 'a', epoch: 'e1', nowMs: LATER, outcome: 'succeeded' });
  assert.equal(await resolver.decide(FIRST, 'key-a', 'failed', LATER), true);
  assert.equal((await claim())?.outcome, 'succeeded');
  assert.equal(await resolver.decide(FIRST, 'nobody', 'failed', LATER), true);
  assert.deepEqual(alarms, ['an operator said failed of a key that has succeeded', 'an operator decided about a key that has no claim']);
});

/** State before, what the core pushed, what it says when asked: what is heard, the outcome that stands, alarms. */
const HEARD: readonly (readonly [
  string,
  'unknown' | 'failed' | 'succeeded',
  'failed' | 'succeeded',
  Resolution,
  string,
  string | undefined,
  number,
])[] = [
  ['an unknown one', 'unknown', 'succeeded', SUCCEEDED, 'final', 'succeeded', 0],
  ['an unknown one, and the core takes it back', 'unknown', 'succeeded', { outcome: 'pending', answer: PAID }, 'open', undefined, 0],
  ['what is known already: nobody is asked', 'succeeded', 'succeeded', FAILED, 'final', 'succeeded', 0],
  ['success after a failure counts, with an alarm', 'failed', 'succeeded', SUCCEEDED, 'final', 'succeeded', 1],
  ['a push that the core does not confirm', 'failed', 'succeeded', FAILED, 'final', 'failed', 0],
  ['failure after a success does not count, with an alarm', 'succeeded', 'failed', FAILED, 'final', 'succeeded', 1],
];
for (const [why, before, pushed, found, heard, outcome, alarmed] of HEARD)
  test(`pushed: ${why}`, async () => {
    const { resolver, store, claim, alarms } = await openResolver(found);
    if (before !== 'unknown')
      await store.settle({ merchantNumber: FIRST, keyHash: 'key-a', admissionId: 'a', epoch: 'e1', nowMs: LATER, outcome: before });
    assert.equal(await resolver.hear(FIRST, 'key-a', pushed), heard);
    assert.equal((await claim())?.outcome, outcome);
    assert.equal(alarms.length, alarmed, alarms.join());
    assert.equal(await resolver.hear(FIRST, 'nobody', pushed), 'unknown');
  });

test('an operator says failed of a claim that another admission joins in a rebuild, between his look and his lease: not taken', async () => {
  const { store, alarms, claim, resolver, due } = await openResolver(NEVER, {});
  const { findClaim } = store;
  const seen = await findClaim({ merchantNumber: FIRST, keyHash: 'key-a' });
  Object.assign(store, { findClaim: async () => seen });
  const joined = { ...admittedFact(admission('b')), keyHash: 'key-a', expiresAtMs: LATER + 20_000 };
  await store.replay({ merchantNumber: FIRST, epoch: 'e1', nowMs: NOW, facts: [joined] });
  assert.equal(await resolver.decide(FIRST, 'key-a', 'failed', LATER), true, 'nothing to be tried again');
  Object.assign(store, { findClaim });
  assert.equal((await claim())?.state, 'unknown');
  assert.deepEqual(alarms, ['an operator said failed of a request that the core may still begin']);
  assert.deepEqual(await due(LATER + 60_000), ['key-a'], 'given back');
});

test('an operator says failed while the core may still begin, and his word is heard when it no longer may: not taken', async () => {
  const { alarms, claim, resolver } = await openResolver(NEVER);
  assert.equal(await resolver.decide(FIRST, 'key-a', 'failed', NOW), true, 'nothing to be tried again');
  assert.equal((await claim())?.state, 'unknown');
  assert.deepEqual(alarms, ['an operator said failed of a request that the core may still begin']);
});
