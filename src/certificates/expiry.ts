/** Days before an end at which it is told, the most urgent last. */
const WARN_DAYS = [60, 30, 7] as const;
const DAY_MS = 86_400_000;
/** How long before its end something is first told, ms. */
export const WARN_MS_MAX = WARN_DAYS[0] * DAY_MS;

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

/** What the gateway knows the end of. */
export type End = {
  readonly kind: 'server' | 'authority' | 'answer_key' | 'encryption_key' | 'crl' | 'merchant_certificate' | 'merchant_key';
  /** Which one, for people: a key of gateway.yaml, an authority, a merchant. */
  readonly name: string;
  readonly notAfterMs: number;
  /** When it was made, for what is renewed all the time by nature: a bound beyond half of its life would warn every day. */
  readonly madeAtMs?: number;
};

/** As expiryOf; of what has a short life by nature only the bounds within the second half of it count. */
export function endOf({ notAfterMs, madeAtMs }: End, nowMs: number): Expiry {
  const { warning, ...expiry } = expiryOf(notAfterMs, nowMs);
  const isYoung = madeAtMs !== undefined && nowMs < madeAtMs + (notAfterMs - madeAtMs) / 2;
  return { ...expiry, ...(warning !== undefined && !isYoung && { warning }) };
}
