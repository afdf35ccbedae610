import type { Resolution } from '../forward/resolution.ts';
import type { Journal, ResolveInputs } from '../ports/journal.ts';
import type { ClaimView, Store } from '../ports/store.ts';
import type { CoreAnswer } from '../protocol/messages.ts';
import type { FinalOutcome } from '../protocol/outcome.ts';
import { findContradiction } from './contradictions.ts';

/** A question to the core about a claim; `sentAfterExpiry` is found before it is sent. */
export type Ask = (inputs: ResolveInputs, merchantNumber: string, sentAfterExpiry: boolean) => Promise<Resolution>;

/** The outcome of a key, and its answer when the core has one: it has none when it never began. */
export type Resolved = { readonly outcome: FinalOutcome; readonly answer?: CoreAnswer };

export type ResolveOptions = {
  readonly store: Store;
  readonly journal: Journal;
  readonly epoch: () => string;
  readonly nowMs: () => number;
  /** Asks the core. Never throws. */
  readonly ask: Ask;
  /** How far the core's clock may be behind ours, ms. */
  readonly clockAllowanceMs: number;
  readonly sealAnswer: (answer: CoreAnswer, merchantNumber: string, keyHash: string) => Buffer;
  readonly answerMs: number;
  /** From one question about a key to the next, ms, by the number of questions before. */
  readonly pauseMs: (count: number) => number;
  readonly onAlarm: (alarm: string, facts: Readonly<Record<string, unknown>>) => void;
};

export type Resolver = {
  /** Asks about one key now, joining a question already under way. The outcome, or undefined while it stays open. Rejects with StoreUnavailable. */
  readonly resolve: (merchantNumber: string, keyHash: string) => Promise<Resolved | undefined>;
};

/** Whether no assertion of the key can be used any more, even by a core whose clock is behind ours: then "not found" is final. */
export const isExpired = ({ expiresAtMs }: ClaimView, nowMs: number, clockAllowanceMs: number): boolean =>
  nowMs > expiresAtMs + clockAllowanceMs;

/** How long one process may take over a question, ms: then another may lease the claim. */
const LEASE_MS = 15_000;

/** Finds out what became of unknown outcomes by asking the core, never by guessing or sending again (contract.md sections 5 and 6). */
export function createResolver(options: ResolveOptions): Resolver {
  const asking = new Map<string, ReturnType<Resolver['resolve']>>();
  const tries = new Map<string, number>();

  const postpone = async (merchantNumber: string, claim: ClaimView) => {
    const id = `${merchantNumber} ${claim.keyHash}`;
    const count = tries.get(id) ?? 0;
    tries.set(id, count + 1);
    await options.store.postpone({
      merchantNumber,
      keyHash: claim.keyHash,
      fence: claim.fence,
      nextAskMs: options.nowMs() + options.pauseMs(count),
    });
  };

  /** The outcome is on the disk before the store hears of it, so that a store loss cannot forget what was told (contract.md section 5). */
  const settle = async (merchantNumber: string, claim: ClaimView, outcome: FinalOutcome, answer: CoreAnswer | undefined) => {
    const { keyHash, admissionId, fence } = claim;
    await options.journal.synced(
      options.journal.append({ type: 'outcome', merchantNumber, admissionId, keyHash, outcome, by: 'resolved' }),
    );
    const nowMs = options.nowMs();
    const stored = answer ? { answer: options.sealAnswer(answer, merchantNumber, keyHash), answerUntilMs: nowMs + options.answerMs } : {};
    const result = await options.store.settle({
      merchantNumber,
      keyHash,
      admissionId,
      epoch: options.epoch(),
      nowMs,
      outcome,
      fence,
      ...stored,
    });
    const alarm = findContradiction(result);
    if (alarm) options.onAlarm(alarm, { merchantNumber, admissionId });
    return result === 'settled' || result === 'already' || result === 'late';
  };

  const resolveOnce = async (merchantNumber: string, keyHash: string): Promise<Resolved | undefined> => {
    const nowMs = options.nowMs();
    const epoch = options.epoch();
    const claim = await options.store.lease({ merchantNumber, keyHash, nowMs, untilMs: nowMs + LEASE_MS });
    if (!claim) return undefined;
    const found = await options.ask(claim.resolve, merchantNumber, isExpired(claim, options.nowMs(), options.clockAllowanceMs));
    if (found.alarm) options.onAlarm(found.alarm, { merchantNumber, admissionId: claim.admissionId });
    const outcome = found.outcome === 'succeeded' || found.outcome === 'failed' ? found.outcome : undefined;
    // A question asked in an older epoch is dropped: the claim it was about may have been joined by another admission since.
    if (!outcome || options.epoch() !== epoch) {
      await postpone(merchantNumber, claim);
      return undefined;
    }
    const answer = found.notFound ? undefined : found.answer;
    tries.delete(`${merchantNumber} ${keyHash}`);
    if (!(await settle(merchantNumber, claim, outcome, answer))) return undefined;
    return { outcome, ...(answer ? { answer } : {}) };
  };

  return {
    resolve: (merchantNumber, keyHash) => {
      const id = `${merchantNumber} ${keyHash}`;
      let question = asking.get(id);
      if (!question) {
        question = resolveOnce(merchantNumber, keyHash).finally(() => asking.delete(id));
        asking.set(id, question);
      }
      return question;
    },
  };
}
