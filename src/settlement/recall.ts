import type { Store } from '../ports/store.ts';
import type { CoreAnswer, Known } from '../protocol/messages.ts';
import type { FinalOutcome } from '../protocol/outcome.ts';
import { type Ask, isExpired, type Resolver } from './resolve.ts';

/** What is known about a key that has a claim: its answer as it was given, the core's own account of it, or nothing final yet. */
export type Recalled =
  | { readonly kind: 'stored'; readonly answer: CoreAnswer }
  | { readonly kind: 'resolved'; readonly answer?: CoreAnswer; readonly outcome: FinalOutcome }
  | { readonly kind: 'open' };

export type RecallOptions = {
  readonly store: Store;
  readonly resolver: Resolver;
  readonly ask: Ask;
  readonly clockAllowanceMs: number;
  readonly nowMs: () => number;
  readonly openAnswer: (sealed: Buffer, merchantNumber: string, keyHash: string) => CoreAnswer | undefined;
};

/** Answers a repeated key from the store; a lost or unknown answer is asked of the core. Nothing is ever run again. */
export function createRecall(options: RecallOptions): (known: Known) => Promise<Recalled> {
  const { store, resolver, ask, openAnswer } = options;
  return async ({ merchant, keyHash, known }) => {
    if (known === 'unresolved') {
      const resolved = await resolver.resolve(merchant.number, keyHash);
      if (resolved) return { kind: 'resolved', ...resolved };
    }
    const claim = await store.findClaim({ merchantNumber: merchant.number, keyHash });
    const stored = claim?.answer && openAnswer(claim.answer, merchant.number, keyHash);
    if (stored) return { kind: 'stored', answer: stored };
    if (claim?.state !== 'final' || !claim.outcome) return { kind: 'open' };
    const found = await ask(claim.resolve, merchant.number, isExpired(claim, options.nowMs(), options.clockAllowanceMs));
    if (found.outcome !== claim.outcome) return { kind: 'open' };
    return { kind: 'resolved', outcome: claim.outcome, ...(found.answer && !found.notFound ? { answer: found.answer } : {}) };
  };
}
