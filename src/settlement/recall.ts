import type { ClaimView, Store } from '../ports/store.ts';
import type { CoreAnswer, Known } from '../protocol/messages.ts';
import type { FinalOutcome, ToldOutcome } from '../protocol/outcome.ts';
import { createFullAnswer, type FullAnswerOptions, type Look } from './full-answer.ts';
import { type Ask, findResolved, isExpired, newsOf, type Resolved, type Resolver } from './resolve.ts';
import type { StoredAnswer } from './stored-answer.ts';

/**
 * What is known about a key that has a claim: its answer as it was given, the core's own account of it, that the core never
 * began and never will, or nothing final yet.
 */
export type Recalled =
  | { readonly kind: 'stored'; readonly answer: CoreAnswer; readonly outcome: ToldOutcome }
  | { readonly kind: 'resolved'; readonly answer: CoreAnswer; readonly outcome: FinalOutcome }
  | { readonly kind: 'neverRan' }
  | { readonly kind: 'open' };

export type RecallOptions = Omit<FullAnswerOptions, 'look'> & {
  readonly store: Pick<Store, 'findClaim'>;
  readonly resolver: Pick<Resolver, 'resolve' | 'learn'>;
  readonly ask: Ask;
  readonly clockAllowanceMs: number;
  readonly nowMs: () => number;
  readonly openAnswer: (sealed: Buffer, merchantNumber: string, keyHash: string) => StoredAnswer | undefined;
};

/** Answers a repeated key from the store; a lost or unknown answer is asked of the core. Nothing is ever run again. */
export function createRecall(options: RecallOptions): (known: Known) => Promise<Recalled> {
  const { store, resolver, openAnswer } = options;
  const look: Look = async ({ merchant, keyHash }) => {
    const claim = await store.findClaim({ merchantNumber: merchant.number, keyHash });
    const stored = claim?.answer && openAnswer(claim.answer, merchant.number, keyHash);
    return { claim, ...(stored ? { told: storedOf(stored, claim) } : {}) };
  };
  const fullAnswer = createFullAnswer({ ...options, look });
  return async (known) => {
    const { merchant, keyHash } = known;
    const resolved = known.known === 'unresolved' ? await resolver.resolve(merchant.number, keyHash) : undefined;
    if (resolved && isWhole(resolved)) return recalledOf(resolved);
    const { claim, told } = await look(known);
    if (told) return told;
    if (claim?.state !== 'final' || !claim.outcome) return { kind: 'open' };
    const found = resolved ?? (await askAgain(options, merchant.number, claim, claim.outcome));
    if (!found) return { kind: 'open' };
    return isWhole(found) ? recalledOf(found) : fullAnswer(known, claim, found);
  };
}

/** Whether there is nothing more to be had: the answer is the original, or there is none. */
const isWhole = ({ answer, isOriginal }: Resolved): boolean => !answer || isOriginal === true;

/** Only a failure can be without an answer: then the core never began. */
function recalledOf({ outcome, answer }: Resolved): Recalled {
  if (answer) return { kind: 'resolved', answer, outcome };
  return outcome === 'failed' ? { kind: 'neverRan' } : { kind: 'open' };
}

/** The claim decides what its answer means: an answer that is kept under an open one is the core's word that it is under way. */
function storedOf({ isResolved, ...answer }: StoredAnswer, { state, outcome }: ClaimView): Recalled {
  if (state !== 'final' || !outcome) return { kind: 'stored', answer, outcome: 'pending' };
  return { kind: isResolved ? 'resolved' : 'stored', answer, outcome };
}

/** The outcome is final and its answer is gone or never was: the core tells it again. Where it tells another outcome, a person must look. */
async function askAgain(
  options: RecallOptions,
  merchantNumber: string,
  claim: ClaimView,
  outcome: FinalOutcome,
): Promise<Resolved | undefined> {
  const sentAfterExpiry = isExpired(claim, options.nowMs(), options.clockAllowanceMs);
  const found = await options.ask(claim.resolve, merchantNumber, sentAfterExpiry);
  const news = findResolved(found);
  if (!news || news.outcome === outcome) return news;
  if (news.outcome === 'succeeded') {
    await options.resolver.learn(merchantNumber, claim, newsOf(news));
    return news;
  }
  options.onAlarm(`the outcome is ${outcome}, and the core now says ${news.outcome}`, { merchantNumber, admissionId: claim.admissionId });
  return undefined;
}
