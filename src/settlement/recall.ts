import type { ClaimView, Store } from '../ports/store.ts';
import type { CoreAnswer, Known } from '../protocol/messages.ts';
import { type Ask, findResolved, isExpired, type Resolved, type Resolver } from './resolve.ts';

/**
 * What is known about a key that has a claim: its answer as it was given, the core's own account of it, that the core never
 * began and never will, or nothing final yet.
 */
export type Recalled =
  | { readonly kind: 'stored'; readonly answer: CoreAnswer }
  | { readonly kind: 'resolved'; readonly answer: CoreAnswer }
  | { readonly kind: 'neverRan' }
  | { readonly kind: 'open' };

export type RecallOptions = {
  readonly store: Pick<Store, 'findClaim'>;
  readonly resolver: Resolver;
  readonly ask: Ask;
  readonly clockAllowanceMs: number;
  readonly nowMs: () => number;
  readonly openAnswer: (sealed: Buffer, merchantNumber: string, keyHash: string) => CoreAnswer | undefined;
  readonly onAlarm: (alarm: string, facts: Readonly<Record<string, unknown>>) => void;
};

/** Answers a repeated key from the store; a lost or unknown answer is asked of the core. Nothing is ever run again. */
export function createRecall(options: RecallOptions): (known: Known) => Promise<Recalled> {
  const { store, resolver, openAnswer } = options;
  return async ({ merchant, keyHash, known }) => {
    if (known === 'unresolved') {
      const resolved = await resolver.resolve(merchant.number, keyHash);
      if (resolved) return recalledOf(resolved);
    }
    const claim = await store.findClaim({ merchantNumber: merchant.number, keyHash });
    const stored = claim?.answer && openAnswer(claim.answer, merchant.number, keyHash);
    if (stored) return { kind: 'stored', answer: stored };
    return claim?.state === 'final' && claim.outcome ? askAgain(options, merchant.number, claim, claim.outcome) : { kind: 'open' };
  };
}

/** Only a failure can be without an answer: then the core never began. */
function recalledOf({ outcome, answer }: Resolved): Recalled {
  if (answer) return { kind: 'resolved', answer };
  return outcome === 'failed' ? { kind: 'neverRan' } : { kind: 'open' };
}

/** The outcome is final and its answer is gone or never was: the core tells it again. Where it tells another outcome, a person must look. */
async function askAgain(
  options: RecallOptions,
  merchantNumber: string,
  claim: ClaimView,
  outcome: NonNullable<ClaimView['outcome']>,
): Promise<Recalled> {
  const sentAfterExpiry = isExpired(claim, options.nowMs(), options.clockAllowanceMs);
  const found = await options.ask(claim.resolve, merchantNumber, sentAfterExpiry);
  const news = findResolved(found);
  if (!news) return { kind: 'open' };
  if (news.outcome === outcome) return recalledOf(news);
  if (news.outcome === 'succeeded') {
    await options.resolver.learn(merchantNumber, claim, news);
    return recalledOf(news);
  }
  options.onAlarm(`the outcome is ${outcome}, and the core now says ${news.outcome}`, { merchantNumber, admissionId: claim.admissionId });
  return { kind: 'open' };
}
