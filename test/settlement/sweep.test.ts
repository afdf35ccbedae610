import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createModelStore } from '../../src/admission/model.ts';
import { createSweep } from '../../src/settlement/sweep.ts';
import { FIRST, NOW, SECOND } from '../store/world.ts';

function openSweep(
  due: Readonly<Record<string, readonly string[]>>,
  options: { isOpen?: () => boolean; merchants?: readonly string[] } = {},
) {
  const resolved: string[] = [];
  const failures: unknown[] = [];
  let atOnce = 0;
  let most = 0;
  const findDue = async ({ merchantNumber, limit }: { merchantNumber: string; limit: number }) => {
    const keys = due[merchantNumber] ?? [];
    if (keys.includes('!')) throw new Error('away');
    return keys.slice(0, limit);
  };
  const resolve = async (merchantNumber: string, keyHash: string) => {
    atOnce += 1;
    most = Math.max(most, atOnce);
    await new Promise(setImmediate);
    atOnce -= 1;
    resolved.push(`${merchantNumber} ${keyHash}`);
    return undefined;
  };
  const sweep = createSweep({
    store: { ...createModelStore(), findDue },
    resolver: { resolve },
    merchantNumbers: async () => options.merchants ?? Object.keys(due),
    isOpen: options.isOpen ?? (() => true),
    nowMs: () => NOW,
    onFailure: (error) => failures.push(error),
  });
  return { sweep, resolved, failures, most: () => most };
}

test('everything that is due is asked about, of every merchant', async () => {
  const { sweep, resolved } = openSweep({ [FIRST]: ['a', 'b'], [SECOND]: ['c'] });
  await sweep.round();
  assert.deepEqual(resolved.sort(), [`${FIRST} a`, `${FIRST} b`, `${SECOND} c`]);
});

test('nothing is asked while the store is not open, nor when it closes in the middle of a round', async () => {
  const { sweep, resolved } = openSweep({ [FIRST]: ['a'] }, { isOpen: () => false });
  await sweep.round();
  assert.deepEqual(resolved, []);
  const keys = Array.from({ length: 20 }, (_, i) => `k${i}`);
  const closing = openSweep({ [FIRST]: keys }, { isOpen: () => closing.resolved.length < 8 });
  await closing.sweep.round();
  assert.equal(closing.resolved.length, 8);
});

test('a round is bounded: claims of a merchant, merchants of a round, questions at once', async () => {
  const many = Array.from({ length: 250 }, (_, i) => `m${i}`);
  const keys = Array.from({ length: 30 }, (_, i) => `k${i}`);
  const { sweep, resolved, most } = openSweep({ m0: keys, m249: ['last'] }, { merchants: many });
  await sweep.round();
  assert.equal(resolved.length, 20);
  assert.ok(most() <= 8);
  await sweep.round();
  assert.deepEqual(resolved.slice(20), ['m249 last'], 'the next round goes on with the merchants that are left');
});

test('rounds do not overlap; a merchant that fails is told of once and keeps no other waiting', async () => {
  const others = Object.fromEntries(Array.from({ length: 20 }, (_, i) => [`m${i}`, []]));
  const { sweep, resolved, failures } = openSweep({ [FIRST]: ['!'], ...others, [SECOND]: ['c'] });
  const first = sweep.round();
  assert.equal(sweep.round(), first);
  await first;
  assert.deepEqual([failures.length, resolved], [1, [`${SECOND} c`]]);
});
