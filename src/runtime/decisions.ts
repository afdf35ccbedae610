import type { Announcement } from '../ports/announcements.ts';
import { findClaimMark } from '../protocol/marks.ts';
import type { FinalOutcome } from '../protocol/outcome.ts';
import type { Resolver } from '../settlement/resolve.ts';
import type { UntilConfirmed } from '../settlement/until-confirmed.ts';

const isFinal = (text: string): text is FinalOutcome => text === 'succeeded' || text === 'failed';

/** Carries out what operators decided about unknown outcomes. Every process tries; the store lets one of them settle. */
export function applyDecisions(changes: readonly Announcement[], { decide }: Pick<Resolver, 'decide'>, until: UntilConfirmed): void {
  for (const { kind, subject, after, atMs } of changes) {
    const claim = kind === 'settle' ? findClaimMark(subject) : undefined;
    if (!claim || !isFinal(after)) continue;
    until.run('settle by an operator', () => decide(claim.merchantNumber, claim.keyHash, after, atMs));
  }
}
