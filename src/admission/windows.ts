import type { Period } from '../protocol/merchant.ts';

/** A calendar window in the business time zone. `label` names it in counters: 2026-11-03, 2026-W45, 2026-11 or 2026. */
export type Window = { readonly label: string; readonly startsMs: number; readonly endsMs: number };

type PeriodRow = {
  readonly label: (day: Temporal.PlainDate) => string;
  readonly first: (day: Temporal.PlainDate) => Temporal.PlainDate;
  readonly length: Temporal.DurationLike;
};

/** By calendar, not by hours: where clocks change, a day has 23 or 25 of them. Weeks begin on Monday and have the year of their Thursday (ISO 8601). */
const PERIODS: Readonly<Record<Period, PeriodRow>> = {
  day: { label: (day) => day.toString(), first: (day) => day, length: { days: 1 } },
  week: {
    label: (day) => `${day.yearOfWeek}-W${String(day.weekOfYear).padStart(2, '0')}`,
    first: (day) => day.subtract({ days: day.dayOfWeek - 1 }),
    length: { weeks: 1 },
  },
  month: { label: (day) => day.toPlainYearMonth().toString(), first: (day) => day.with({ day: 1 }), length: { months: 1 } },
  year: { label: (day) => String(day.year), first: (day) => day.with({ month: 1, day: 1 }), length: { years: 1 } },
};

const present = new Map<string, Window>();

const zoned = (nowMs: number, timeZone: string): Temporal.ZonedDateTime =>
  Temporal.Instant.fromEpochMilliseconds(nowMs).toZonedDateTimeISO(timeZone);

/** The window that holds a moment; the last one of each time zone and period is remembered, since nearly all requests share it. */
export function windowOf(period: Period, nowMs: number, timeZone: string): Window {
  const name = `${period} ${timeZone}`;
  const known = present.get(name);
  if (known && known.startsMs <= nowMs && nowMs < known.endsMs) return known;
  const window = computeWindow(period, nowMs, timeZone);
  present.set(name, window);
  return window;
}

function computeWindow(period: Period, nowMs: number, timeZone: string): Window {
  const { label, first, length } = PERIODS[period];
  const day = zoned(nowMs, timeZone).toPlainDate();
  const start = first(day);
  const startOf = (date: Temporal.PlainDate): number => date.toZonedDateTime(timeZone).epochMilliseconds;
  return { label: label(day), startsMs: startOf(start), endsMs: startOf(start.add(length)) };
}

/** RFC 3339 with the offset of the business time zone, for people who read `resetsAt`. */
export const businessTime = (ms: number, timeZone: string): string => zoned(ms, timeZone).toString({ timeZoneName: 'never' });
