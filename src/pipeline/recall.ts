import { StoreUnavailable } from '../ports/store.ts';
import { Refusal } from '../protocol/errors.ts';
import type { Known, Reply } from '../protocol/messages.ts';
import type { Recalled } from '../settlement/recall.ts';
import { replayedReply, resolvedReply, UNKNOWN_RETRY_AFTER_SECONDS } from './reply.ts';

export type RecallStageOptions = {
  readonly recall: (known: Known) => Promise<Recalled>;
};

/** Answers a key that already has a claim. Nothing is decided or run here; an open outcome stays a Refusal that says to come back. */
export function createRecallStage(options: RecallStageOptions): (known: Known) => Promise<Reply> {
  return async (known) => {
    const recalled = await options.recall(known).catch((error: unknown) => {
      if (error instanceof StoreUnavailable) throw new Refusal('STORE_UNAVAILABLE', { retryAfterSeconds: 1, cause: error });
      throw error;
    });
    if (recalled.kind === 'stored') return replayedReply(recalled.answer, recalled.outcome, known.rateHeaders);
    if (recalled.kind === 'resolved') return resolvedReply(recalled.answer, recalled.outcome, known.rateHeaders);
    if (recalled.kind === 'neverRan') throw new Refusal('NOT_EXECUTED', { headers: known.rateHeaders });
    throw new Refusal('OUTCOME_UNKNOWN', { retryAfterSeconds: UNKNOWN_RETRY_AFTER_SECONDS, headers: known.rateHeaders });
  };
}
