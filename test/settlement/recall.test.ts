import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Resolution } from '../../src/forward/resolution.ts';
import type { Known } from '../../src/protocol/messages.ts';
import { createRecall, type Recalled } from '../../src/settlement/recall.ts';
import type { Resolved, Resolver } from '../../src/settlement/resolve.ts';
import { admission, FIRST, NOW } from '../store/world.ts';
import { answers, openParts, PAID } from './parts.ts';

const known = (state: Known['known']): Known =>
  ({ merchant: { number: FIRST }, keyHash: 'key-a', known: state, operation: { repeatable: false } }) as unknown as Known;
const NOT_ASKED = async (): Promise<never> => assert.fail('the core was asked');

type Claim = 'succeeded' | 'failed' | 'open' | 'none';

/** A claim as it stands, with a stored answer or without, a resolver that says `resolved`, and a core that says `found`. */
async function recallOf(claim: Claim, stored: 'stored' | 'none' | 'of another key', resolved?: Resolved, found?: Resolution) {
  const { store } = await openParts();
  const named = { merchantNumber: FIRST, keyHash: 'key-a', admissionId: 'a', epoch: 'e1', nowMs: NOW };
  const answer =
    stored === 'none' ? {} : { answer: answers.seal(PAID, FIRST, stored === 'stored' ? 'key-a' : 'key-b'), answerUntilMs: NOW + 1 };
  if (claim !== 'none') await store.admit(admission('a'));
  if (claim === 'open') await store.hold({ ...named, nextAskMs: NOW, ...answer });
  if (claim === 'succeeded' || claim === 'failed') await store.settle({ ...named, outcome: claim, ...answer });
  const learned: string[] = [];
  const alarms: string[] = [];
  const resolver: Pick<Resolver, 'resolve' | 'learn'> = {
    resolve: async () => resolved,
    learn: async (_merchantNumber, _claim, { outcome }) => void learned.push(outcome),
  };
  const ask = found ? async () => found : NOT_ASKED;
  const onAlarm = (alarm: string) => alarms.push(alarm);
  const repeat = NOT_ASKED;
  const recall = createRecall({ store, resolver, ask, repeat, clockAllowanceMs: 0, nowMs: () => NOW, openAnswer: answers.open, onAlarm });
  return { recall, learned, alarms };
}

const ORIGINAL = { answer: PAID, isOriginal: true } as const;
const ROWS: readonly (readonly [
  string,
  Known['known'],
  Claim,
  'stored' | 'none' | 'of another key',
  Resolved | undefined,
  Resolution | undefined,
  Recalled['kind'],
])[] = [
  // why                                                  known         claim        answer            resolver                                 core                                                                told
  ['a final answer is told as it was', 'succeeded', 'succeeded', 'stored', undefined, undefined, 'stored'],
  ['a final failure too', 'failed', 'failed', 'stored', undefined, undefined, 'stored'],
  [
    'an answer of another key is none: the core tells it again',
    'succeeded',
    'succeeded',
    'of another key',
    undefined,
    { outcome: 'succeeded', ...ORIGINAL },
    'resolved',
  ],
  [
    'a lost answer is asked for, never run again',
    'succeeded',
    'succeeded',
    'none',
    undefined,
    { outcome: 'succeeded', ...ORIGINAL },
    'resolved',
  ],
  ['a lost business failure comes back as it was', 'failed', 'failed', 'none', undefined, { outcome: 'failed', ...ORIGINAL }, 'resolved'],
  [
    'what never began has no answer, and is final',
    'failed',
    'failed',
    'none',
    undefined,
    { outcome: 'failed', answer: PAID, notFound: true },
    'neverRan',
  ],
  ['the core cannot be asked: nothing is said', 'succeeded', 'succeeded', 'none', undefined, { outcome: 'unknown' }, 'open'],
  ['not found, before expiry: nothing is said', 'failed', 'failed', 'none', undefined, { outcome: 'notYet' }, 'open'],
  ['unresolved and resolved now', 'unresolved', 'open', 'none', { outcome: 'succeeded', ...ORIGINAL }, undefined, 'resolved'],
  ['unresolved, and it never ran', 'unresolved', 'open', 'none', { outcome: 'failed' }, undefined, 'neverRan'],
  ['a success without an answer is never told as not executed', 'unresolved', 'open', 'none', { outcome: 'succeeded' }, undefined, 'open'],
  ['unresolved, and it stays so', 'unresolved', 'open', 'none', undefined, undefined, 'open'],
  [
    'unresolved, and what the core said about it being under way is told again',
    'unresolved',
    'open',
    'stored',
    undefined,
    undefined,
    'stored',
  ],
  ['another process has resolved it meanwhile', 'unresolved', 'succeeded', 'stored', undefined, undefined, 'stored'],
  ['the claim is gone: nothing is said', 'unresolved', 'none', 'none', undefined, undefined, 'open'],
];
for (const [why, state, claim, stored, resolved, found, told] of ROWS) {
  test(`recalled: ${why}`, async () => {
    const { recall, learned, alarms } = await recallOf(claim, stored, resolved, found);
    const recalled = await recall(known(state));
    assert.equal(recalled.kind, told);
    if (recalled.kind === 'stored' || recalled.kind === 'resolved') assert.deepEqual(recalled.answer, PAID);
    assert.deepEqual([learned, alarms], [[], []]);
  });
}

test('the core tells a success where the claim says failed: it is learned, and the success is told', async () => {
  const { recall, learned } = await recallOf('failed', 'none', undefined, { outcome: 'succeeded', ...ORIGINAL });
  assert.equal((await recall(known('failed'))).kind, 'resolved');
  assert.deepEqual(learned, ['succeeded']);
});

test('the core no longer knows a success: a person must look, the merchant is told nothing new', async () => {
  const { recall, learned, alarms } = await recallOf('succeeded', 'none', undefined, { outcome: 'failed', answer: PAID, notFound: true });
  assert.equal((await recall(known('succeeded'))).kind, 'open');
  assert.deepEqual(learned, []);
  assert.match(alarms.join(), /the outcome is succeeded, and the core now says failed/);
});
