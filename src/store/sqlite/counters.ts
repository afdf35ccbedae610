import { isShared, SHARED_MARK, type Usage } from '../../ports/store.ts';
import type { Statements } from './statements.ts';

/** Under whose name a counter is kept: the merchant's, or that of all. No merchant number is the mark. */
export const ownerOf = (merchant: string, counter: string): string => (isShared(counter) ? SHARED_MARK : merchant);

/** The sums of a total, exact up to 2^53 - 1; zeros where nothing was ever counted. */
export function findTotal(s: Statements, merchant: string, counter: string): Usage {
  const row = s.findTotal.get(ownerOf(merchant, counter), counter) ?? { committed: 0, reserved: 0 };
  return { counter, committed: row.committed as number, reserved: row.reserved as number };
}

/** The theoretical arrival time of a rate, microseconds; 0 where nothing was ever taken. */
export const arrivalOf = (s: Statements, merchant: string, counter: string): number =>
  (s.findRate.get(ownerOf(merchant, counter), counter)?.tatUs as number | undefined) ?? 0;

/** How many run under a concurrency counter. */
export const runningIn = (s: Statements, merchant: string, counter: string, nowMs: number): number =>
  s.countConcurrency.get(ownerOf(merchant, counter), counter, nowMs)?.running as number;
