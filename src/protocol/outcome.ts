/**
 * What forwarding a request led to. There are three outcomes, never two: a timeout is not a failure.
 * `pending` is an unknown outcome that the core itself told us about: it is passed on and held like unknown.
 */
export type OutcomeKind = 'succeeded' | 'failed' | 'pending' | 'unknown';

/** An outcome that never changes again (except that a late success beats a failure, with an alarm). */
export type FinalOutcome = 'succeeded' | 'failed';

/** What `Hufu-Outcome` says in an accepted answer about the idempotency key of its request (decision 0007). */
export type ToldOutcome = Exclude<OutcomeKind, 'unknown'>;

/** What an answer says about the idempotency key of its request. */
export type KeyOutcome = 'not_executed' | 'failed' | 'unknown';

/** What the merchant should do next; `new_key` appears only after a final business failure of that very key. */
export type Retry = 'never' | 'fix_request' | 'same_key_later' | 'query_first' | 'new_key';

/** What happens to the reserved limits. Unknown keeps them: better refuse than let pass twice. */
export function settlementOf(kind: OutcomeKind): 'commit' | 'release' | 'hold' {
  switch (kind) {
    case 'succeeded':
      return 'commit';
    case 'failed':
      return 'release';
    case 'pending':
    case 'unknown':
      return 'hold';
  }
}
