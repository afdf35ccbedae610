/** Days before an end at which it is told, the most urgent last. */
const WARN_DAYS = [60, 30, 7] as const;
const DAY_MS = 86_400_000;

export type Expiry = {
  readonly notAfter: string;
  /** Whole days left, rounded down; negative when it is over. */
  readonly daysLeft: number;
  /** The smallest of the bounds that has been reached, or that it is over. */
  readonly warning?: 'expired' | `${(typeof WARN_DAYS)[number]} days`;
};

/** How long something still lives. Both ends belong to a validity, so that at `notAfterMs` itself 0 days are left. */
export function expiryOf(notAfterMs: number, nowMs: number): Expiry {
  const daysLeft = Math.floor((notAfterMs - nowMs) / DAY_MS);
  const notAfter = new Date(notAfterMs).toISOString();
  if (nowMs > notAfterMs) return { notAfter, daysLeft, warning: 'expired' };
  const reached = WARN_DAYS.findLast((days) => notAfterMs - nowMs <= days * DAY_MS);
  return { notAfter, daysLeft, ...(reached !== undefined && { warning: `${reached} days` as const }) };
}
