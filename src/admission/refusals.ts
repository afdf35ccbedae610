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
      return barredRefusal(steps, headers);
    case 'concurrency':
      return new Refusal('CONCURRENCY_LIMITED', {
        retryAfterSeconds: 1,
        members: { rule: steps.concurrencyRules[decision.index]?.rule, limit: steps.concurrency[decision.index]?.max },
        headers,
      });
    case 'total':
      return totalRefusal(decision, refused);
  }
}

function rateOptions({ index, rates }: Extract<Decision, { kind: 'rate' }>, { rateRules, rates: rateSteps }: Steps): RefusalOptions {
  const rule = rateRules[index];
  const short = rates.filter(({ conforms }: RateState, i) => !conforms && !rateSteps[i]?.shadow);
  const longestMs = Math.max(...short.map(({ retryAfterMs }) => retryAfterMs));
  return { retryAfterSeconds: secondsOf(longestMs), members: { rule: rule?.name, limit: rule?.allow, perMs: rule?.perMs } };
}

function barredRefusal({ barred }: Steps, headers: readonly string[]): Refusal {
  if (!barred) throw new RangeError('the store barred a request that nothing bars');
  const { code, rule, detail, members } = barred;
  return new Refusal(code, {
    members: { ...(rule === undefined ? {} : { rule }), ...members },
    ...(detail === undefined ? {} : { detail }),
    headers,
  });
}

function totalRefusal(decision: Extract<Decision, { kind: 'total' }>, { steps, rateHeaders, timeZone }: Refused): Refusal {
  const step = steps.totals[decision.index];
  if (!step) throw new RangeError(`the store refused a total that was not asked: ${decision.index}`);
  const { committed: used, reserved } = decision;
  const members = {
    rule: steps.totalRules[decision.index]?.rule,
    limit: step.max,
    used,
    reserved,
    resetsAt: businessTime(step.windowEndsMs, timeZone),
  };
  return new Refusal(step.code, { members, headers: rateHeaders });
}
