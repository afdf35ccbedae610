import type { Resolution } from '../forward/resolution.ts';
import type { Journal, OutcomeFact, ResolveInputs } from '../ports/journal.ts';
import type { ClaimView, SettleResult, Store } from '../ports/store.ts';
import type { CoreAnswer } from '../protocol/messages.ts';
import type { FinalOutcome } from '../protocol/outcome.ts';
import { findContradiction } from './contradictions.ts';
import type { StoredAnswer } from './stored-answer.ts';

/** A question to the core about a claim; `sentAfterExpiry` is found before it is sent. */
export type Ask = (inputs: ResolveInputs, merchantNumber: string, sentAfterExpiry: boolean) => Promise<Resolution>;

/**
 * The outcome of a key, and an answer when the core has one: it has none when it never began. `isOriginal`: it is the answer the
 * merchant missed, not the core's account of what became of it.
 */
export type Resolved = { readonly outcome: FinalOutcome; readonly answer?: CoreAnswer; readonly isOriginal?: true };

/** An outcome and what is to be kept as its answer. */
export type News = { readonly outcome: FinalOutcome; readonly answer?: StoredAnswer };

export type ResolveOptions = {
  readonly store: Store;
  readonly journal: Journal;
  readonly epoch: () => string;
  readonly nowMs: () => number;
  /** Asks the core. Never throws. */
  readonly ask: Ask;
  /** How far the core's clock may be behind ours, ms. */
  readonly clockAllowanceMs: number;
  readonly sealAnswer: (answer: StoredAnswer, merchantNumber: string, keyHash: string) => Buffer;
  readonly answerMs: number;
  /** How long the next question about a key waits, ms, by the number of questions before it. */
  readonly pauseMs: (count: number) => number;
  readonly onAlarm: (alarm: string, facts: Readonly<Record<string, unknown>>) => void;
};

export type Resolver = {
  /**
   * Asks about one key now, joining a question already under way. The outcome, or undefined while it stays open. Rejects with
   * StoreUnavailable, and with a Refusal JOURNAL_UNAVAILABLE.
   */
  readonly resolve: (merchantNumber: string, keyHash: string) => Promise<Resolved | undefined>;
  /**
   * An operator's word on a claim that nobody else can tell about: as `resolve`, but without a question. False while another
   * process asks about it; true when it is final, or is not to be decided (then with an alarm that says why). `saidAtMs`: when he
   * looked, wall clock; what the core could still begin then, he cannot call failed, however late his word arrives.
   */
  readonly decide: (merchantNumber: string, keyHash: string, outcome: FinalOutcome, saidAtMs: number) => Promise<boolean>;
  /**
   * Asks because the core said by itself that a key has an outcome, also about one that is final otherwise. `unknown`: there is no
   * such claim. Rejects as `resolve` does.
   */
  readonly hear: (merchantNumber: string, keyHash: string, outcome: FinalOutcome) => Promise<'final' | 'open' | 'unknown'>;
  /** Takes news about a final claim that the core told by the way: a success beats a failure, a missing answer is filled in. Rejects as `resolve` does. */
  readonly learn: (merchantNumber: string, claim: ClaimView, news: News) => Promise<void>;
};

/** Whether no assertion of the key can be used any more, even by a core whose clock is behind ours: then "not found" is final. */
export const isExpired = ({ expiresAtMs }: ClaimView, nowMs: number, clockAllowanceMs: number): boolean =>
  nowMs > expiresAtMs + clockAllowanceMs;

/** How long one process may take over a question, ms: then another may lease the claim. */
const LEASE_MS = 15_000;

const SETTLED: ReadonlySet<SettleResult> = new Set(['settled', 'already', 'late']);

/** Finds out what became of unknown outcomes by asking the core, never by guessing or sending again (contract.md sections 5 and 6). */
export function createResolver(options: ResolveOptions): Resolver {
  const asking = new Map<string, ReturnType<Resolver['resolve']>>();
  const resolve: Resolver['resolve'] = (merchantNumber, keyHash) => {
    const id = `${merchantNumber} ${keyHash}`;
    let question = asking.get(id);
    if (!question) {
      question = resolveOnce(options, merchantNumber, keyHash).finally(() => asking.delete(id));
      asking.set(id, question);
    }
    return question;
  };
  return {
    resolve,
    hear: (merchantNumber, keyHash, outcome) => hear(options, resolve, merchantNumber, keyHash, outcome),
    decide: (merchantNumber, keyHash, outcome, saidAtMs) => decide(options, merchantNumber, keyHash, outcome, saidAtMs),
    learn: async (merchantNumber, claim, news) => {
      await settle(options, merchantNumber, claim, news, 'resolved');
    },
  };
}

async function resolveOnce(options: ResolveOptions, merchantNumber: string, keyHash: string): Promise<Resolved | undefined> {
  const { store, ask, clockAllowanceMs, onAlarm } = options;
  const epoch = options.epoch();
  const nowMs = options.nowMs();
  const claim = await store.lease({ merchantNumber, keyHash, epoch, nowMs, untilMs: nowMs + LEASE_MS });
  if (!claim) return undefined;
  const found = await ask(claim.resolve, merchantNumber, isExpired(claim, options.nowMs(), clockAllowanceMs));
  if (found.alarm) onAlarm(found.alarm, { merchantNumber, admissionId: claim.admissionId });
  const resolved = findResolved(found);
  // A question asked in an older epoch is dropped: the claim it was about may have been joined by another admission since.
  if (!resolved || options.epoch() !== epoch) {
    await postpone(options, merchantNumber, claim);
    return undefined;
  }
  return SETTLED.has(await settle(options, merchantNumber, claim, newsOf(resolved), 'resolved', claim.fence)) ? resolved : undefined;
}

async function hear(
  options: ResolveOptions,
  resolve: Resolver['resolve'],
  merchantNumber: string,
  keyHash: string,
  outcome: FinalOutcome,
): Promise<'final' | 'open' | 'unknown'> {
  const claim = await options.store.findClaim({ merchantNumber, keyHash });
  if (!claim) return 'unknown';
  if (claim.state !== 'final') return (await resolve(merchantNumber, keyHash)) ? 'final' : 'open';
  if (claim.outcome === outcome) return 'final';
  const found = findResolved(await options.ask(claim.resolve, merchantNumber, isExpired(claim, options.nowMs(), options.clockAllowanceMs)));
  if (found && found.outcome !== claim.outcome) await settle(options, merchantNumber, claim, newsOf(found), 'resolved');
  return 'final';
}

async function decide(
  options: ResolveOptions,
  merchantNumber: string,
  keyHash: string,
  outcome: FinalOutcome,
  saidAtMs: number,
): Promise<boolean> {
  const { store, onAlarm, clockAllowanceMs } = options;
  const epoch = options.epoch();
  const claim = await store.findClaim({ merchantNumber, keyHash });
  const isRefused = (view: ClaimView | undefined): boolean => {
    const refused = findUndecidable(view, outcome, saidAtMs, clockAllowanceMs);
    if (refused !== undefined) onAlarm(refused, { merchantNumber, admissionId: view?.admissionId });
    return refused !== undefined;
  };
  if (isRefused(claim) || claim?.outcome === outcome) return true;
  const nowMs = options.nowMs();
  const leased = await store.lease({ merchantNumber, keyHash, epoch, nowMs, untilMs: nowMs + LEASE_MS });
  if (!leased) return false;
  // In a rebuild the claim may have been seen before another admission of its key, which the core may still begin, joined it.
  if (isRefused(leased)) {
    await postpone(options, merchantNumber, leased);
    return true;
  }
  return SETTLED.has(await settle(options, merchantNumber, leased, { outcome }, 'operator', leased.fence));
}

/**
 * Why an operator's word is not taken: when he said it, the request was still under way, and will tell by itself, or the core could
 * still begin what he calls failed; or the core has said otherwise.
 */
function findUndecidable(
  claim: ClaimView | undefined,
  outcome: FinalOutcome,
  saidAtMs: number,
  clockAllowanceMs: number,
): string | undefined {
  if (!claim) return 'an operator decided about a key that has no claim';
  if (claim.state === 'final' && claim.outcome !== outcome) return `an operator said ${outcome} of a key that has ${claim.outcome}`;
  // Its own process may void it yet, and another delivery of the key run in its place: the word was not about that one.
  if (claim.state === 'inFlight' && saidAtMs < claim.deadlineMs) return 'an operator decided about a request that is still under way';
  if (claim.state !== 'final' && outcome === 'failed' && !isExpired(claim, saidAtMs, clockAllowanceMs))
    return 'an operator said failed of a request that the core may still begin';
  return undefined;
}

/** A final outcome, with the answer of the core but for `not found`, which is none. */
export function findResolved({ outcome, answer, isOriginal, notFound }: Resolution): Resolved | undefined {
  if (outcome !== 'succeeded' && outcome !== 'failed') return undefined;
  return { outcome, ...(answer && !notFound ? { answer, ...(isOriginal ? { isOriginal } : {}) } : {}) };
}

/** Only an original answer is kept at once: what stands in for one is chosen when the merchant asks (see full-answer.ts). */
export const newsOf = ({ outcome, answer, isOriginal }: Resolved): News => ({ outcome, ...(answer && isOriginal ? { answer } : {}) });

/** The fence counts the questions of all processes. */
async function postpone(options: ResolveOptions, merchantNumber: string, { keyHash, fence }: ClaimView): Promise<void> {
  await options.store.postpone({ merchantNumber, keyHash, fence, nextAskMs: options.nowMs() + options.pauseMs(fence) });
}

/** The outcome is on the disk before the store hears of it, so that a store loss cannot forget what was told (contract.md section 5). */
async function settle(
  options: ResolveOptions,
  merchantNumber: string,
  { keyHash, admissionId }: ClaimView,
  { outcome, answer }: News,
  by: OutcomeFact['by'],
  fence?: number,
): Promise<SettleResult> {
  const { journal, store, sealAnswer, answerMs } = options;
  await journal.synced(journal.append({ type: 'outcome', merchantNumber, admissionId, keyHash, outcome, by }));
  const nowMs = options.nowMs();
  const result = await store.settle({
    merchantNumber,
    keyHash,
    admissionId,
    epoch: options.epoch(),
    nowMs,
    outcome,
    ...(fence === undefined ? {} : { fence }),
    ...(answer ? { answer: sealAnswer(answer, merchantNumber, keyHash), answerUntilMs: nowMs + answerMs } : {}),
  });
  const alarm = findContradiction(result);
  if (alarm) options.onAlarm(alarm, { merchantNumber, admissionId });
  return result;
}
