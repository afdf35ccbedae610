import type { Repeated } from '../forward/forward.ts';
import type { ClaimView } from '../ports/store.ts';
import type { CoreAnswer, Known } from '../protocol/messages.ts';
import type { Recalled } from './recall.ts';
import type { Resolved, Resolver } from './resolve.ts';

/** Reads a claim, and what its stored answer tells when there is one. */
export type Look = (known: Known) => Promise<{ readonly claim: ClaimView | undefined; readonly told?: Recalled }>;

export type FullAnswerOptions = {
  readonly look: Look;
  readonly resolver: Pick<Resolver, 'learn'>;
  /** Sends a retry's bytes under the derived key of its claim. Never rejects for anything the core does. */
  readonly repeat: (known: Known, derivedKey: string) => Promise<Repeated>;
  readonly onAlarm: (alarm: string, facts: Readonly<Record<string, unknown>>) => void;
};

/**
 * Finds the answer to a final claim whose question gave only the core's account of it (contract.md section 6, decision 0002): a
 * repeatable operation that has succeeded is sent once more, and the core replays its answer. What the merchant is told is kept
 * under the key, so that nothing is sent a third time. Retries that come together share one. Rejects as `learn` does.
 */
export function createFullAnswer(options: FullAnswerOptions): (known: Known, claim: ClaimView, found: Resolved) => Promise<Recalled> {
  const under = new Map<string, Promise<Recalled>>();
  return (known, claim, found) => {
    const id = `${known.merchant.number} ${claim.keyHash}`;
    let shared = under.get(id);
    if (!shared) {
      shared = choose(options, known, claim, found).finally(() => under.delete(id));
      under.set(id, shared);
    }
    return shared;
  };
}

async function choose(options: FullAnswerOptions, known: Known, claim: ClaimView, found: Resolved): Promise<Recalled> {
  const { look, resolver, repeat, onAlarm } = options;
  // Another retry may have come to its end since this one looked.
  const { told } = await look(known);
  if (told) return told;
  const { outcome } = found;
  const account = found.answer as CoreAnswer;
  const merchantNumber = known.merchant.number;
  // A failure is never sent again: a core that has forgotten it would run it now.
  if (outcome === 'succeeded' && known.operation.repeatable) {
    const repeated = await repeat(known, claim.resolve.derivedKey);
    if (repeated.kind === 'notSent') return { kind: 'resolved', answer: account, outcome };
    if (repeated.kind === 'replayed') {
      await resolver.learn(merchantNumber, claim, { outcome, answer: repeated.answer });
      return { kind: 'stored', answer: repeated.answer, outcome };
    }
    if (repeated.alarm) onAlarm(repeated.alarm, { merchantNumber, admissionId: claim.admissionId, requestId: known.requestId });
  }
  await resolver.learn(merchantNumber, claim, { outcome, answer: { ...account, isResolved: true } });
  return { kind: 'resolved', answer: account, outcome };
}
