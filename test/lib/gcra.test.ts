import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { decideGcra, describeGcra, takeGcra } from '../../src/lib/gcra.ts';

const TEN_A_SECOND = { incrementUs: 100_000, toleranceUs: 300_000 };
const NOW = 1_800_000_000_000_000;

/** tat relative to now, microseconds: whether one is taken, what is left, ms until the next. */
const ROWS = [
  [-5_000_000, true, 3, 0, 'idle: the whole burst'],
  [0, true, 3, 0, 'nothing owed'],
  [200_000, true, 1, 0, 'owing two of three'],
  [200_001, false, 0, 1, 'one microsecond too early; the wait is rounded up'],
  [300_000, false, 0, 100, 'owing all'],
  [900_000, false, 0, 700, 'a clock that went back'],
] as const;

for (const [owedUs, conforms, remaining, retryAfterMs, why] of ROWS) {
  test(`GCRA: ${why}`, () => {
    const taken = takeGcra(TEN_A_SECOND, NOW + owedUs, NOW);
    assert.equal(taken, conforms ? Math.max(NOW, NOW + owedUs) + 100_000 : undefined);
    assert.deepEqual(describeGcra(TEN_A_SECOND, NOW + owedUs, NOW), { remaining, retryAfterMs });
  });
}

test('GCRA: what is said to be left can be taken, and one more cannot', () => {
  const step = fc.record({ incrementUs: fc.integer({ min: 1, max: 10_000_000 }), burst: fc.integer({ min: 1, max: 50 }) });
  fc.assert(
    fc.property(step, fc.integer({ min: -1_000_000, max: 600_000_000 }), ({ incrementUs, burst }, owedUs) => {
      const rate = { incrementUs, toleranceUs: incrementUs * burst };
      let tatUs = NOW + owedUs;
      const { remaining, retryAfterMs } = describeGcra(rate, tatUs, NOW);
      for (let i = 0; i < remaining; i += 1) tatUs = takeGcra(rate, tatUs, NOW) as number;
      assert.equal(takeGcra(rate, tatUs, NOW), undefined);
      assert.equal(retryAfterMs === 0, remaining > 0);
      if (remaining === 0)
        assert.notEqual(takeGcra(rate, NOW + owedUs, NOW + retryAfterMs * 1000), undefined, 'after the wait one conforms');
    }),
  );
});

test('GCRA: over any arrivals no window holds more than its rate and one burst', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 150_000 }), { maxLength: 200 }), (gaps) => {
      let tatUs = 0;
      let nowUs = NOW;
      const taken: number[] = [];
      for (const gap of gaps) {
        nowUs += gap;
        const next = takeGcra(TEN_A_SECOND, tatUs, nowUs);
        if (next === undefined) continue;
        assert.ok(next > tatUs);
        tatUs = next;
        taken.push(nowUs);
      }
      for (const start of taken) assert.ok(taken.filter((at) => at >= start && at < start + 1_000_000).length <= 10 + 3);
    }),
  );
});

test('GCRA: several rates are taken together or not at all', () => {
  const strict = { incrementUs: 1_000_000, toleranceUs: 1_000_000 };
  const { taken, states } = decideGcra([TEN_A_SECOND, strict], [0, NOW + 1], NOW);
  assert.equal(taken, undefined);
  assert.deepEqual(states, [
    { conforms: true, remaining: 3, retryAfterMs: 0 },
    { conforms: false, remaining: 0, retryAfterMs: 1 },
  ]);
  assert.deepEqual(decideGcra([], [], NOW), { taken: [], states: [] });
});
