import type { Mistake } from './table.ts';

/** When a signature says it was made, and what our clock says; whole seconds. */
export type Times = {
  readonly createdAtSeconds: number;
  readonly nowSeconds: number;
  readonly windowSeconds: number;
};

type TimeMistake = Mistake & { readonly made: (times: Times) => boolean };

const DAY_SECONDS = 86_400;
const isNear = (seconds: number, nowSeconds: number): boolean => Math.abs(seconds - nowSeconds) < DAY_SECONDS;
/** Time zones differ by quarters of an hour, at most 14 hours. */
const QUARTER_SECONDS = 900;
const ZONE_SECONDS_MAX = 14 * 3600;
/** Within this of a whole time zone a clock is taken for right. */
const ZONE_SLACK_SECONDS = 30;

/** Mistakes with the time, told with our clock. The last fits whatever is left. */
export const TIME_MISTAKES: readonly TimeMistake[] = [
  {
    id: 'milliseconds-for-seconds',
    hint: 'The time is in milliseconds. It must be whole seconds.',
    made: ({ createdAtSeconds, nowSeconds }) => isNear(createdAtSeconds / 1000, nowSeconds),
  },
  {
    id: 'seconds-for-milliseconds',
    hint: 'The time is in seconds. This scheme wants milliseconds.',
    made: ({ createdAtSeconds, nowSeconds }) => isNear(createdAtSeconds * 1000, nowSeconds),
  },
  {
    id: 'signature-expired',
    hint: 'The parameter expires has passed.',
    made: ({ createdAtSeconds, nowSeconds, windowSeconds }) => Math.abs(createdAtSeconds - nowSeconds) <= windowSeconds,
  },
  {
    id: 'local-time-for-utc',
    hint: 'The time differs from ours by whole hours of a time zone: local time was taken for UTC.',
    made: ({ createdAtSeconds, nowSeconds }) => {
      const distance = Math.abs(createdAtSeconds - nowSeconds);
      const fromZone = Math.abs(distance - Math.round(distance / QUARTER_SECONDS) * QUARTER_SECONDS);
      return distance >= 2 * QUARTER_SECONDS && distance <= ZONE_SECONDS_MAX + ZONE_SLACK_SECONDS && fromZone <= ZONE_SLACK_SECONDS;
    },
  },
  {
    id: 'clock-off',
    hint: 'Your clock differs from ours, or the request was signed too long before it was sent.',
    made: () => true,
  },
];

/** The mistake behind a time outside the window; costs nothing. */
export const findTimeMistake = (times: Times): Mistake => TIME_MISTAKES.find(({ made }) => made(times)) as Mistake;
