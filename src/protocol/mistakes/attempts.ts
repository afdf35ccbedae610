/** At most this many hashes and verifications are spent on one wrong signature. */
export const ATTEMPTS_MAX = 64;

/** So many bytes are one attempt; longer ones count as several, since hashing them costs as much. */
const BYTES_OF_AN_ATTEMPT = 65_536;

/** Counts attempts: never more than ATTEMPTS_MAX, and no further one once `mayTry` has said no. */
export type Attempts = {
  /** Runs one hash or one verification, of so many bytes, if the budget still has it; else false. */
  readonly attempt: (check: () => boolean, bytes: number) => boolean;
  /** Whether something was left untried. */
  readonly isExhausted: () => boolean;
};

/** `mayTry` takes one attempt from a budget that several requests share, such as that of a certificate. */
export function countAttempts(mayTry: () => boolean = () => true): Attempts {
  let left = ATTEMPTS_MAX;
  const take = (): boolean => {
    if (left > 0 && mayTry()) left -= 1;
    else left = -1;
    return left >= 0;
  };
  return {
    attempt: (check, bytes) => {
      for (let cost = Math.ceil((bytes + 1) / BYTES_OF_AN_ATTEMPT); cost > 0; cost -= 1) if (!take()) return false;
      return check();
    },
    isExhausted: () => left < 0,
  };
}
