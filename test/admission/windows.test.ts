import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { businessTime, windowOf } from '../../src/admission/windows.ts';
import type { Period } from '../../src/protocol/merchant.ts';

const HOUR = 3_600_000;
const [SHANGHAI, BERLIN] = ['Asia/Shanghai', 'Europe/Berlin'];

/** Zone, moment (UTC), period, label, hours of the window, and why. */
const ROWS: readonly (readonly [string, string, Period, string, number, string])[] = [
  [SHANGHAI, '2026-11-03T15:59:59.999Z', 'day', '2026-11-03', 24, 'the last millisecond before midnight'],
  [SHANGHAI, '2026-11-03T16:00:00.000Z', 'day', '2026-11-04', 24, 'midnight begins the next day'],
  [SHANGHAI, '2026-11-30T15:59:59.999Z', 'month', '2026-11', 720, 'month end'],
  [SHANGHAI, '2026-11-30T16:00:00.000Z', 'month', '2026-12', 744, ''],
  [SHANGHAI, '2026-12-31T16:00:00.000Z', 'month', '2027-01', 744, 'the turn of the year'],
  [SHANGHAI, '2028-02-28T16:00:00.000Z', 'day', '2028-02-29', 24, 'leap day'],
  [SHANGHAI, '2028-02-29T16:00:00.000Z', 'day', '2028-03-01', 24, 'after it'],
  [SHANGHAI, '2028-02-10T00:00:00.000Z', 'month', '2028-02', 696, 'a February of 29 days'],
  [SHANGHAI, '2027-02-10T00:00:00.000Z', 'month', '2027-02', 672, 'and one of 28'],
  [BERLIN, '2026-03-28T23:00:00.000Z', 'day', '2026-03-29', 23, 'clocks go forward'],
  [BERLIN, '2026-03-29T21:59:59.999Z', 'day', '2026-03-29', 23, 'its last millisecond'],
  [BERLIN, '2026-03-29T22:00:00.000Z', 'day', '2026-03-30', 24, 'the day after'],
  [BERLIN, '2026-10-24T22:00:00.000Z', 'day', '2026-10-25', 25, 'clocks go back'],
  [BERLIN, '2026-10-25T22:59:59.999Z', 'day', '2026-10-25', 25, 'its last millisecond'],
  [BERLIN, '2026-10-01T00:00:00.000Z', 'month', '2026-10', 745, 'a month with an hour more'],
  ['America/Sao_Paulo', '2018-11-04T02:59:59.999Z', 'day', '2018-11-03', 24, 'before a day that begins at 01:00'],
  ['America/Sao_Paulo', '2018-11-04T03:00:00.000Z', 'day', '2018-11-04', 23, 'a day without a midnight'],
  ['Pacific/Apia', '2011-12-30T09:00:00.000Z', 'day', '2011-12-29', 24, 'before a day that never was'],
  ['Pacific/Apia', '2011-12-30T10:00:00.000Z', 'day', '2011-12-31', 24, 'after it'],
];

for (const [zone, at, period, label, hours, why] of ROWS) {
  test(`window of a ${period} in ${zone} at ${at}: ${label}${why && `, ${why}`}`, () => {
    const nowMs = Date.parse(at);
    const window = windowOf(period, nowMs, zone);
    assert.equal(window.label, label);
    assert.equal((window.endsMs - window.startsMs) / HOUR, hours);
    assert.ok(window.startsMs <= nowMs && nowMs < window.endsMs);
  });
}

test('windows meet: the end of one is the beginning of the next, whatever was asked before', () => {
  const zone = fc.constantFrom(SHANGHAI, BERLIN, 'America/New_York', 'Australia/Lord_Howe', 'UTC');
  const moment = fc.integer({ min: Date.parse('2020-01-01'), max: Date.parse('2040-01-01') });
  fc.assert(
    fc.property(zone, fc.constantFrom<Period>('day', 'month'), moment, (timeZone, period, nowMs) => {
      const { label, startsMs, endsMs } = windowOf(period, nowMs, timeZone);
      assert.ok(startsMs <= nowMs && nowMs < endsMs);
      assert.equal(windowOf(period, endsMs, timeZone).startsMs, endsMs);
      assert.equal(windowOf(period, startsMs - 1, timeZone).endsMs, startsMs);
      assert.equal(windowOf(period, startsMs, timeZone).label, label);
      // Every moment of a window carries its local date, by another implementation of the calendar.
      const local = new Intl.DateTimeFormat('sv-SE', { timeZone, dateStyle: 'short' }).format(nowMs);
      assert.equal(label, period === 'day' ? local : local.slice(0, 7));
    }),
  );
});

test('business time is RFC 3339 with the offset of the zone at that moment', () => {
  assert.equal(businessTime(Date.parse('2026-11-03T16:00:00Z'), SHANGHAI), '2026-11-04T00:00:00+08:00');
  assert.equal(businessTime(Date.parse('2026-07-01T22:00:00Z'), BERLIN), '2026-07-02T00:00:00+02:00');
  assert.equal(businessTime(Date.parse('2026-11-03T23:00:00Z'), BERLIN), '2026-11-04T00:00:00+01:00');
});
