import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { simulate } from './simulate.ts';

/** Runs the worlds of these seeds, both included. */
export async function checkWorlds(t: TestContext, first: number, last: number): Promise<void> {
  // Refusals are made by the hundred thousand; where they come from is told by the story.
  Error.stackTraceLimit = 0;
  const counts = new Map<string, number>();
  let steps = 0;
  for (let seed = first; seed <= last; seed += 1) {
    const result = await simulate(seed);
    steps += result.steps;
    if (result.violation) assert.fail(`${result.story().join('\n')}\nagain: npm run simulate -- --seed ${seed}`);
    for (const [what, count] of result.counts) counts.set(what, (counts.get(what) ?? 0) + count);
  }
  t.diagnostic(`${steps} steps`);
  const never = REACHED.filter((what) => !counts.has(what));
  assert.deepEqual(never, [], 'what no world reached');
}

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
