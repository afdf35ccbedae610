import assert from 'node:assert/strict';
import { test } from 'node:test';
import { accountingDateOf, findTime, formatTime } from '../../src/reference-core/accounting-date.ts';

const dates = [
  // UTC                       date        time                              why
  ['2026-11-22T15:59:59.999Z', '20261122', '2026-11-22T23:59:59.999+08:00', 'the last millisecond of a day in Shanghai'],
  ['2026-11-22T16:00:00.000Z', '20261123', '2026-11-23T00:00:00.000+08:00', 'midnight there, not here'],
  ['2026-12-31T16:00:00.000Z', '20270101', '2027-01-01T00:00:00.000+08:00', 'the year rolls with the day'],
  ['2028-02-28T16:00:00.000Z', '20280229', '2028-02-29T00:00:00.000+08:00', 'a leap day'],
] as const;
for (const [utc, date, time, why] of dates) {
  test(`accounting date: ${why}`, () => {
    assert.equal(accountingDateOf(Date.parse(utc)), date);
    assert.equal(formatTime(Date.parse(utc)), time);
    assert.equal(findTime(time), Date.parse(utc), 'what is written can be read');
  });
}

test('the offset agrees with the time zone database on every day of ten years', () => {
  const format = new Intl.DateTimeFormat('en-CA', { timeZone: 'Asia/Shanghai', year: 'numeric', month: '2-digit', day: '2-digit' });
  for (let day = 0; day < 3650; day += 1) {
    const nowMs = Date.UTC(2024, 0, 1, 15, 59, 59) + day * 86_400_000 + (day % 2) * 1000;
    assert.equal(accountingDateOf(nowMs), format.format(nowMs).replaceAll('-', ''));
  }
});

const times = [
  // text                             UTC                         why
  ['2026-11-23T00:00:00Z', '2026-11-23T00:00:00.000Z', 'plain'],
  ['2026-11-23t08:00:00.5z', '2026-11-23T08:00:00.500Z', 'RFC 3339 allows lower case and a short fraction'],
  ['2026-11-23T08:00:00.123456789+08:00', '2026-11-23T00:00:00.123Z', 'finer than a millisecond is cut'],
  ['2026-11-22T23:30:00-00:30', '2026-11-23T00:00:00.000Z', 'a negative offset'],
  ['2016-12-31T23:59:60Z', '2017-01-01T00:00:00.000Z', 'a leap second is a time'],
  ['2026-02-29T00:00:00Z', undefined, 'a day that is not'],
  ['2026-13-01T00:00:00Z', undefined, 'a month that is not'],
  ['2026-00-01T00:00:00Z', undefined, 'month 0'],
  ['2026-11-31T00:00:00Z', undefined, 'November has 30 days'],
  ['2026-11-23T24:00:00Z', undefined, 'hour 24'],
  ['2026-11-23T00:60:00Z', undefined, 'minute 60'],
  ['2026-11-23T00:00:61Z', undefined, 'second 61'],
  ['2026-11-23T00:00:00+24:00', undefined, 'an offset of a day'],
  ['2026-11-23T00:00:00', undefined, 'without offset it is no moment'],
  ['2026-11-23', undefined, 'a date only'],
  ['2026-11-23T00:00:00Z\n', undefined, 'nothing may follow'],
] as const;
for (const [text, utc, why] of times) {
  test(`findTime: ${why}`, () => assert.equal(findTime(text), utc === undefined ? undefined : Date.parse(utc)));
}
