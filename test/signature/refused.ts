import assert from 'node:assert/strict';
import { type ErrorCode, Refusal } from '../../src/protocol/errors.ts';

/** Runs and gives the refusal; anything else, acceptance too, fails the test. */
export function refusalOf(run: () => unknown): Refusal {
  try {
    run();
  } catch (error) {
    assert.ok(error instanceof Refusal, `not a refusal but ${error}`);
    return error;
  }
  return assert.fail('accepted');
}

export function assertRefused(code: ErrorCode, run: () => unknown): Refusal {
  const refusal = refusalOf(run);
  assert.equal(refusal.code, code, `${refusal.code}: ${refusal.options.detail}`);
  return refusal;
}
