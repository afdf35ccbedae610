import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PLANTS, type Plant } from './gateway.ts';
import { PROFILES } from './profiles.ts';
import { simulate } from './simulate.ts';

const SEEDS = 2_000;

test(`${SEEDS} seeded worlds keep every invariant of the executable specification, and reach what they are about`, async (t) => {
  const counts = new Map<string, number>();
  let steps = 0;
  for (let seed = 1; seed <= SEEDS; seed += 1) {
    const result = await simulate(seed);
    steps += result.steps;
    const again = () => `${result.story().join('\n')}\nagain: npm run simulate -- --seed ${seed}`;
    if (result.violation) assert.fail(again());
    for (const [what, count] of result.counts) counts.set(what, (counts.get(what) ?? 0) + count);
  }
  t.diagnostic(`${steps} steps`);
  const never = REACHED.filter((what) => !counts.has(what));
  assert.deepEqual(never, [], 'what no world reached');
});

/** A simulation in which these never happen proves nothing. */
const REACHED = [
  ...['admitted', 'final', 'inFlight', 'mismatch', 'nonce', 'rebuilding', 'total', 'unknown', 'voided'].map((kind) => `admit: ${kind}`),
  ...['settled', 'already', 'late', 'rebuilding'].map((result) => `settle: ${result}`),
  ...['lease: given', 'lease: refused', 'void: true', 'void: false', 'hold: true', 'hold: false', 'crash', 'store lost', 'core: repeated'],
  ...['succeeded', 'failed', 'notExecuted', 'pending'].map((kind) => `said: ${kind}`),
  ...['OUTCOME_UNKNOWN', 'CORE_ANSWER_INVALID', 'REQUEST_IN_FLIGHT', 'IDEMPOTENCY_KEY_REUSED', 'NONCE_REPLAYED'].map(
    (code) => `said: ${code}`,
  ),
  ...['REBUILDING', 'STORE_UNAVAILABLE', 'JOURNAL_UNAVAILABLE'].map((code) => `said: ${code}`),
  'admit: on trial, would be refused',
  ...['succeeded of SUCCEEDED', 'failed of FAILED', 'failed of PROCESSING', 'failed of nothing'].map((what) => `operator: ${what}`),
  'alarm: an operator said failed of a request that the core may still begin',
  ...['succeeded', 'failed'].map((outcome) => `pushed: ${outcome}`),
];

test('the same seed tells the same story', async () => {
  for (const seed of [3, 11, 47]) assert.deepEqual((await simulate(seed)).story(), (await simulate(seed)).story());
});

/** Each fault, the kind of world in which to look for it, and what it must break. */
const FOUND: readonly (readonly [Plant, string, RegExp])[] = [
  ['forwardBeforeSync', 'forgotten admissions', /^\([36]\)/],
  ['resolverSettlesFirst', 'forgotten admissions', /^\(6\)/],
  ['nonceNotReported', 'replies under way', /^\(5\)/],
  ['oldEpochForwarded', 'replies under way', /^\([234]\)/],
  ['lostNoncesForgotten', 'forgotten admissions', /^\(5\)/],
  ['notFoundBeforeExpiry', 'slow network', /^\([234]\)/],
  ['pushBelieved', 'impatient operators', /^\([2346]\)/],
  ['sharedForgotten', 'forgotten admissions', /^\([23]\)/],
];
const WORLDS_MAX = 300;

for (const [plant, name, violation] of FOUND) {
  test(`a planted fault is found: ${PLANTS[plant]}`, async (t) => {
    const first = PROFILES.findIndex((profile) => profile.name === name);
    for (let i = 0; i < WORLDS_MAX; i += 1) {
      const seed = first + i * PROFILES.length;
      const found = (await simulate(seed, { plant })).violation;
      if (found === undefined) continue;
      assert.match(found, violation);
      assert.equal((await simulate(seed)).violation, undefined, 'and without it nothing is found');
      t.diagnostic(`seed ${seed}: ${found}`);
      return;
    }
    assert.fail(`not found in ${WORLDS_MAX} worlds`);
  });
}
