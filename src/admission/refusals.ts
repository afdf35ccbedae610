import type { Decision, RateState } from '../ports/store.ts';
import { Refusal, type RefusalOptions } from '../protocol/errors.ts';
import type { Steps } from './rules.ts';
import { businessTime } from './windows.ts';

/** What a refusal is made of. */
export type Refused = {
  readonly steps: Steps;
  readonly rateHeaders: readonly string[];
  readonly nowMs: number;
  readonly timeZone: string;
};

type Refusing = Exclude<Decision, { kind: 'admitted' | 'final' | 'unknown' }>;

/** Longest wait that a request under way asks for, seconds: most end long before their deadline. */
const IN_FLIGHT_SECONDS_MAX = 5;

/** Whole seconds, rounded up, at least 1 (RFC 9110 section 10.2.3). */
export const secondsOf = (ms: number): number => Math.max(1, Math.ceil(ms / 1000));

/** The refusal of a decision. Only those that read the key and found no claim say `not_executed`; the table of errors knows which. */
export function refusalOf(decision: Refusing, refused: Refused): Refusal {
  const { steps, rateHeaders: headers, nowMs } = refused;
  switch (decision.kind) {
    case 'rebuilding':
      return new Refusal('REBUILDING', { retryAfterSeconds: 1 });
    case 'voided':
      return new Refusal('STORE_UNAVAILABLE', { retryAfterSeconds: 1 });
    case 'nonce':
      return new Refusal('NONCE_REPLAYED');
    case 'rate':
      return new Refusal('RATE_LIMITED', { ...rateOptions(decision, steps), headers });
    case 'mismatch':
      return new Refusal('IDEMPOTENCY_KEY_REUSED', { headers });
    case 'inFlight': {
      const retryAfterSeconds = Math.min(secondsOf(decision.deadlineMs - nowMs), IN_FLIGHT_SECONDS_MAX);
      return new Refusal('REQUEST_IN_FLIGHT', { retryAfterSeconds, headers });
    }
    case 'barred':
      return new Refusal('LIMIT_SINGLE', { ...amountOptions(steps), headers });
    case 'concurrency':
      return new Refusal('CONCURRENCY_LIMITED', {
        retryAfterSeconds: 1,
        members: { limit: steps.concurrency[decision.index]?.max },
        headers,
      });
    case 'total':
      return totalRefusal(decision, refused);
  }
}

function rateOptions({ index, rates }: Extract<Decision, { kind: 'rate' }>, { rateRules }: Steps): RefusalOptions {
  const rule = rateRules[index];
  const longestMs = Math.max(...rates.filter(({ conforms }: RateState) => !conforms).map(({ retryAfterMs }) => retryAfterMs));
  return { retryAfterSeconds: secondsOf(longestMs), members: { limit: rule?.allow, perMs: rule?.perMs } };
}

function amountOptions({ amountProblem }: Steps): RefusalOptions {
  const { minFen, limit, detail } = amountProblem ?? { minFen: 0, limit: 0 };
  return { members: { minFen, limit }, ...(detail === undefined ? {} : { detail }) };
}

function totalRefusal(decision: Extract<Decision, { kind: 'total' }>, { steps, rateHeaders, timeZone }: Refused): Refusal {
  const step = steps.totals[decision.index];
  if (!step) throw new RangeError(`the store refused a total that was not asked: ${decision.index}`);
  const { committed: used, reserved } = decision;
  const members = { limit: step.max, used, reserved, resetsAt: businessTime(step.windowEndsMs, timeZone) };
  return new Refusal(step.code, { members, headers: rateHeaders });
}
