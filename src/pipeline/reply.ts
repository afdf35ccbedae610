import { Refusal } from '../protocol/errors.ts';
import { HEADER } from '../protocol/headers.ts';
import type { CoreAnswer, Reply, Settled } from '../protocol/messages.ts';

/** How long a merchant should wait before it asks again about an unknown outcome, seconds. */
export const UNKNOWN_RETRY_AFTER_SECONDS = 5;

/** The answer to a settled request. An unknown outcome has none: it is a Refusal that says to query or to send the same key again. */
export function replyTo(settled: Settled): Reply {
  if (settled.answer) return { ...settled.answer, headers: settled.rateHeaders, connection: 'keep' };
  throw new Refusal(settled.understood ? 'OUTCOME_UNKNOWN' : 'CORE_ANSWER_INVALID', {
    retryAfterSeconds: UNKNOWN_RETRY_AFTER_SECONDS,
    headers: settled.rateHeaders,
    cause: settled.reason,
  });
}

/** A final answer that was given before, freshly signed for this request. */
export function replayedReply(answer: CoreAnswer, rateHeaders: readonly string[]): Reply {
  return { ...answer, headers: [...rateHeaders, HEADER.idempotencyReplayed, 'true'], connection: 'keep' };
}

/** The answer of the core's query, standing in for an answer nobody received. */
export function resolvedReply(answer: CoreAnswer, rateHeaders: readonly string[]): Reply {
  return { ...answer, headers: [...rateHeaders, HEADER.idempotencyReplayed, 'true', HEADER.hufuResolved, '?1'], connection: 'keep' };
}
