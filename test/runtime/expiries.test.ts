import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type End, endOf } from '../../src/certificates/expiry.ts';
import { createMetrics } from '../../src/lib/metrics.ts';
import { watchExpiries } from '../../src/runtime/expiries.ts';

const DAY_MS = 86_400_000;
const END_MS = Date.UTC(2027, 5, 1, 12);
const SERVER: End = { kind: 'server', name: 'listeners.internet.certificate', notAfterMs: END_MS };

/** The watch with a clock of the test's own, and what it has said. */
function watch(ends: readonly End[]) {
  const lines: Record<string, unknown>[] = [];
  const metrics = createMetrics();
  const clock = { nowMs: 0 };
  const log = { warn: (facts: Record<string, unknown>) => void lines.push(facts) };
  const look = watchExpiries({ ends: () => ends, metrics, log: log as never, nowMs: () => clock.nowMs });
  return {
    at: (nowMs: number) => {
      clock.nowMs = nowMs;
      look();
      return lines.splice(0);
    },
    text: () => metrics.registry.metrics(),
  };
}

const BEFORE: readonly (readonly [daysBefore: number, within: string | undefined, why: string])[] = [
  [60.001, undefined, 'not yet'],
  [60, '60 days', 'the first bound'],
  [59.99, undefined, 'the same day: told already'],
  [59, '60 days', 'the next day'],
  [30, '30 days', 'the second bound'],
  [7, '7 days', 'the third'],
  [0, '7 days', 'the very end belongs to it'],
  [-0.001, 'expired', 'over, on the same day'],
  [-0.002, undefined, 'told already'],
  [-1, 'expired', 'until somebody does something'],
];
test('one line for each bound and day, by the clock alone', () => {
  const { at } = watch([SERVER]);
  for (const [days, within, why] of BEFORE) {
    const expected = within === undefined ? [] : [within];
    assert.deepEqual(
      at(END_MS - days * DAY_MS).map((line) => line.within),
      expected,
      `${days} days before: ${why}`,
    );
  }
});

test('gauges: seconds left of each thing of ours, the first of the merchants, and how many are urgent', async () => {
  const keys = Array.from(
    { length: 500 },
    (_, i): End => ({ kind: 'merchant_key', name: `merchant ${i}`, notAfterMs: END_MS + i * DAY_MS }),
  );
  const { at, text } = watch([SERVER, ...keys]);
  const lines = at(END_MS - 20 * DAY_MS);
  const figures = await text();
  assert.match(figures, /hufu_expiry_seconds\{kind="server",name="listeners.internet.certificate"\} 1728000\n/);
  assert.match(figures, /hufu_expiry_seconds\{kind="merchant_key",name="first"\} 1728000\n/);
  assert.equal(figures.match(/^hufu_expiry_seconds\{/gm)?.length, 2, 'a merchant makes no time series');
  assert.match(figures, /hufu_expiring\{kind="merchant_key",within="30 days"\} 11\n/);
  assert.match(figures, /hufu_expiring\{kind="merchant_key",within="60 days"\} 30\n/);
  assert.match(figures, /hufu_expiring\{kind="crl",within="expired"\} 0\n/);
  assert.equal(lines.length, 42);
});

test('a thousand merchants at once are 200 lines and one number', () => {
  const keys = Array.from({ length: 1_000 }, (_, i): End => ({ kind: 'merchant_key', name: `merchant ${i}`, notAfterMs: END_MS }));
  const lines = watch(keys).at(END_MS);
  assert.equal(lines.length, 201);
  assert.deepEqual(lines.at(-1), { more: 800 });
});

test('a revocation list is told in the second half of its life only: one that is made every day is always near its end', () => {
  const list: End = { kind: 'crl', name: 'merchants', notAfterMs: END_MS, madeAtMs: END_MS - 8 * DAY_MS };
  assert.equal(endOf(list, END_MS - 5 * DAY_MS).warning, undefined);
  assert.equal(endOf(list, END_MS - 4 * DAY_MS).warning, '7 days');
  assert.equal(endOf(list, END_MS + 1).warning, 'expired');
});
