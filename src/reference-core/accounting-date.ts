/** Asia/Shanghai is UTC+8 without daylight saving since 1992, so that an offset is exact for every time the core writes. */
const SHANGHAI_OFFSET_MS = 8 * 3600 * 1000;

/** The accounting date (记账日期) of a moment, `yyyyMMdd` in Asia/Shanghai. */
export function accountingDateOf(nowMs: number): string {
  return new Date(nowMs + SHANGHAI_OFFSET_MS).toISOString().slice(0, 10).replaceAll('-', '');
}

/** RFC 3339 with milliseconds and the offset +08:00. */
export function formatTime(timeMs: number): string {
  return new Date(timeMs + SHANGHAI_OFFSET_MS).toISOString().replace('Z', '+08:00');
}

const DATE_TIME = /^(\d{4})-(\d\d)-(\d\d)[Tt](\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?(?:[Zz]|([+-])(\d\d):(\d\d))$/;

/** Milliseconds of an RFC 3339 time (section 5.6, leap seconds included); undefined when the text is none. Parts of a millisecond are cut. */
export function findTime(text: string): number | undefined {
  const match = DATE_TIME.exec(text);
  if (!match) return undefined;
  const [year, month, day, hour, minute, second] = match.slice(1, 7).map(Number) as [number, number, number, number, number, number];
  const millisecond = Number((match[7] ?? '').padEnd(3, '0').slice(0, 3));
  const [offsetHour, offsetMinute] = [Number(match[9] ?? 0), Number(match[10] ?? 0)];
  if (hour > 23 || minute > 59 || second > 60 || offsetHour > 23 || offsetMinute > 59) return undefined;
  const date = new Date(0);
  date.setUTCFullYear(year, month - 1, day);
  if (date.getUTCMonth() !== month - 1 || date.getUTCDate() !== day) return undefined;
  const offsetMinutes = (match[8] === '-' ? -1 : 1) * (offsetHour * 60 + offsetMinute);
  return date.getTime() + ((hour * 60 + minute - offsetMinutes) * 60 + second) * 1000 + millisecond;
}
