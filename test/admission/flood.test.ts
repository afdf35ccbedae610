import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createTokenBuckets } from '../../src/admission/flood.ts';

test('a bucket gives its burst, then says how long to wait, then gives again', () => {
  const { take } = createTokenBuckets({ perSecond: 10, burst: 3 });
  assert.deepEqual(
    [0, 0, 0, 0].map((ms) => take('a', 1000 + ms)),
    [0, 0, 0, 100],
  );
  assert.equal(take('a', 1099.5), 1);
  assert.equal(take('a', 1100), 0);
  assert.equal(take('a', 1100), 100, 'a refusal takes nothing');
});

test('buckets do not know of each other', () => {
  const { take } = createTokenBuckets({ perSecond: 1, burst: 1 });
  assert.deepEqual([take('a', 0), take('b', 0), take('a', 0)], [0, 0, 1000]);
});

test('a flood of names does not grow the map, and does not free a bucket that is in use', () => {
  const { take } = createTokenBuckets({ perSecond: 1, burst: 1 }, 100);
  assert.equal(take('attacker', 0), 0);
  for (let i = 0; i < 10_000; i += 1) {
    take(`other ${i}`, 0);
    if (i % 50 === 0) assert.ok(take('attacker', 0) > 0, `after ${i} names`);
  }
  for (let i = 0; i < 101; i += 1) take(`more ${i}`, 0);
  assert.equal(take('attacker', 0), 0, 'forgotten once it is the longest unused: the map is bounded');
});
