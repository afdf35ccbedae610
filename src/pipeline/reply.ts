import { Refusal } from '../protocol/errors.ts';
import { HEADER } from '../protocol/headers.ts';
import type { CoreAnswer, Reply, Settled } from '../protocol/messages.ts';
import type { FinalOutcome, ToldOutcome } from '../protocol/outcome.ts';

/** How long a merchant should wait before it asks again about an unknown outcome, seconds. */
export const UNKNOWN_RETRY_AFTER_SECONDS = 5;

/** What became of the key: a status cannot say it, since a core may answer 200 about what is still under way. */
const outcomeHeader = (outcome: ToldOutcome): string[] => [HEADER.hufuOutcome, outcome];

/** The answer to a settled request. An unknown outcome has none: it is a Refusal that says to query or to send the same key again. */
export function replyTo(settled: Settled): Reply {
  const { answer, outcome, rateHeaders, claim } = settled;
  if (answer && outcome !== 'unknown')
    return { ...answer, headers: [...rateHeaders, ...(claim ? outcomeHeader(outcome) : [])], connection: 'keep' };
  throw new Refusal(settled.understood ? 'OUTCOME_UNKNOWN' : 'CORE_ANSWER_INVALID', {
    retryAfterSeconds: UNKNOWN_RETRY_AFTER_SECONDS,
    headers: rateHeaders,
    cause: settled.reason,
  });
}

/** An answer that was given before, freshly signed for this request. */
export function replayedReply(answer: CoreAnswer, outcome: ToldOutcome, rateHeaders: readonly string[]): Reply {
  const { status, contentType, body } = answer;
  const headers = [...rateHeaders, HEADER.idempotencyReplayed, 'true', ...outcomeHeader(outcome)];
  return { status, contentType, body, headers, connection: 'keep' };
}

/** The answer of the core's query, standing in for an answer nobody received. */
export function resolvedReply(answer: CoreAnswer, outcome: FinalOutcome, rateHeaders: readonly string[]): Reply {
  const replayed = replayedReply(answer, outcome, rateHeaders);
  return { ...replayed, headers: [...replayed.headers, HEADER.hufuResolved, '?1'] };
}
