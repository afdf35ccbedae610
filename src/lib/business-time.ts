const formats = new Map<string, Intl.DateTimeFormat>();

/** One formatter for each time zone: making one costs far more than using it. */
function formatOf(timeZone: string): Intl.DateTimeFormat {
  let format = formats.get(timeZone);
  if (!format) {
    format = new Intl.DateTimeFormat('en-US', { timeZone, hourCycle: 'h23', hour: '2-digit', minute: '2-digit' });
    formats.set(timeZone, format);
  }
  return format;
}

/** Minutes since local midnight on the wall clock of a time zone (IANA name), 0 to 1439. */
export function minuteOfDay(nowMs: number, timeZone: string): number {
  const [hour, minute] = formatOf(timeZone).format(nowMs).split(':');
  return Number(hour) * 60 + Number(minute);
}
