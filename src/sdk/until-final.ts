import { randomInt } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { UserError } from '../lib/user-error.ts';
import type { Answer, CallRequest, Retry } from './answer.ts';

/** Bounds of callUntilFinal. */
export type UntilFinalOptions = {
  /** Deliveries in all, the first included. */
  readonly attemptsMax?: number;
  /** Longest wait between two, ms, whatever Retry-After says. */
  readonly waitMsMax?: number;
  /** Called before each wait. */
  readonly onWait?: (answer: Answer, waitMs: number) => void;
  /** Waits; a test gives its own. */
  readonly wait?: (ms: number) => Promise<unknown>;
};

/** With the default waits this lasts longer than a gateway needs to find out an unknown outcome (30 s and some). */
const ATTEMPTS_MAX = 8;
const WAIT_MS_MAX = 30_000;
const FIRST_WAIT_MS = 1_000;

/** The advices that the same request with the same key can follow. */
const SAME_KEY: readonly (Retry | undefined)[] = ['same_key_later', 'query_first'];

/** Retry-After of a verified answer, else doubling waits; up to a quarter is added at random, so that many clients do not return at once. */
function waitMsOf(answer: Answer, attempt: number, waitMsMax: number): number {
  const told = answer.verified ? Number(answer.headers['retry-after']) * 1000 : Number.NaN;
  const waitMs = Number.isFinite(told) && told >= 0 ? told : FIRST_WAIT_MS * 2 ** (attempt - 1);
  return Math.min(waitMs + randomInt(Math.floor(waitMs / 4) + 1), waitMsMax);
}

/** The gateway knows the key with another request, and will say so however often it is asked. */
const REUSED = 'IDEMPOTENCY_KEY_REUSED';
const WHY_REUSED =
  'this idempotencyKey was used with another request: repeat that one exactly, the same path, body and `encrypt`; query the order to learn what became of it';

/** "Not executed" speaks of the delivery that was answered; an earlier one without an answer may still be on its way. */
function withoutFalseCertainty(answer: Answer, hadSilence: boolean): Answer {
  const isNotExecuted = (answer.value as { outcome?: unknown } | undefined)?.outcome === 'not_executed';
  if (!hadSilence || !isNotExecuted || answer.outcome !== 'failed') return answer;
  return { ...answer, outcome: 'unknown', why: 'an earlier delivery of this key was not answered and may still arrive' };
}

/**
 * Calls until the outcome is final, an advice needs a person, or the attempts are used up: always the same bytes under the same key,
 * each delivery with a fresh nonce. Never takes a new key. The last answer is returned; `unknown` is a possible end.
 */
export async function callUntilFinal(
  call: (request: CallRequest) => Promise<Answer>,
  request: CallRequest,
  options: UntilFinalOptions = {},
): Promise<Answer> {
  if (request.method !== 'GET' && request.idempotencyKey === undefined)
    throw new UserError('callUntilFinal needs an idempotencyKey: without one a second delivery could be a second order');
  const { attemptsMax = ATTEMPTS_MAX, waitMsMax = WAIT_MS_MAX, wait = sleep } = options;
  let hadSilence = false;
  for (let attempt = 1; ; attempt += 1) {
    const answer = await call(request);
    if (answer.code === REUSED) return { ...answer, why: WHY_REUSED };
    const isOpen = answer.outcome === 'unknown' && SAME_KEY.includes(answer.retry);
    if (!isOpen || attempt >= attemptsMax) return withoutFalseCertainty(answer, hadSilence);
    hadSilence ||= answer.sent && !answer.verified;
    const waitMs = waitMsOf(answer, attempt, waitMsMax);
    options.onWait?.(answer, waitMs);
    await wait(waitMs);
  }
}
