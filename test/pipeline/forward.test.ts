import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createForwardStage } from '../../src/pipeline/forward.ts';
import { Refusal } from '../../src/protocol/errors.ts';
import type { Forwarded, Journalled } from '../../src/protocol/messages.ts';

const journalled = (claim: object | undefined): Journalled =>
  ({ requestId: 'r1', merchant: { number: 'm' }, admissionId: 'a', ...(claim ? { claim } : {}) }) as unknown as Journalled;

function openStage(forward: () => Promise<Forwarded>) {
  const log: unknown[] = [];
  const stage = createForwardStage({
    forward,
    withdraw: async (withdrawn) => {
      await new Promise(setImmediate);
      log.push(withdrawn);
    },
    onAlarm: (alarm) => log.push(alarm),
  });
  return { stage, log };
}

test('nothing was sent: the admission is given back before the refusal is heard', async () => {
  for (const [claim, expected] of [
    [{ keyHash: 'k' }, { merchantNumber: 'm', admissionId: 'a', keyHash: 'k', journalled: true }],
    [undefined, { merchantNumber: 'm', admissionId: 'a' }],
  ] as const) {
    const { stage, log } = openStage(async () => Promise.reject(new Refusal('CORE_UNAVAILABLE')));
    await assert.rejects(stage(journalled(claim)), { code: 'CORE_UNAVAILABLE' });
    assert.deepEqual(log, [expected]);
  }
});

test('a fault of ours proves nothing about what was sent: nothing is given back', async () => {
  const { stage, log } = openStage(async () => Promise.reject(new TypeError('a bug')));
  await assert.rejects(stage(journalled({ keyHash: 'k' })), TypeError);
  assert.deepEqual(log, []);
});

test('what the core contradicts is alarmed, and goes on', async () => {
  const { stage, log } = openStage(async () => ({ outcome: 'unknown', alarm: 'the amount differs' }) as Forwarded);
  assert.equal((await stage(journalled({ keyHash: 'k' }))).outcome, 'unknown');
  assert.deepEqual(log, ['the amount differs']);
});
