import type { NonceFact } from '../ports/journal.ts';
import type { AdmitCommand, Decision, Store } from '../ports/store.ts';
import { StoreUnavailable } from '../ports/store.ts';
import { Refusal } from '../protocol/errors.ts';
import type { Admitted, Known, Opened } from '../protocol/messages.ts';
import { type Prepared, prepare } from './command.ts';
import type { FingerprintKeys } from './fingerprint.ts';
import { rateHeadersOf } from './rate-headers.ts';
import { refusalOf } from './refusals.ts';
import { shadowedBy } from './rules.ts';

/** What admission may count on right now. */
export type Standing =
  | { readonly kind: 'open'; readonly epoch: string }
  | { readonly kind: 'closed'; readonly code: 'REBUILDING' | 'STORE_UNAVAILABLE' | 'CLOCK_SKEW' };

export type AdmitOptions = {
  readonly store: Pick<Store, 'admit'>;
  /** A new id for every call: process, boot, counter. */
  readonly admissionIds: () => string;
  readonly epoch: () => Standing;
  /** `writing` makes the fingerprint that is kept; a key that was used before under any of them is known again. */
  readonly fingerprintKeys: FingerprintKeys;
  readonly payerKey: Uint8Array;
  /** Business time zone, an IANA name. */
  readonly timeZone: string;
  readonly nowMs: () => number;
  /** How long a final claim is kept, days. */
  readonly claimDays: number;
  readonly isJournalWritable: () => boolean;
  /** Notes the nonce of an admission that was sent to the store but does not become an admitted claim. May throw JOURNAL_UNAVAILABLE. */
  readonly journalNonce: (fact: NonceFact) => void;
  /** An admission that will never be forwarded, whatever the store made of it: to be voided. */
  readonly onAbandoned: (admissionId: string, merchantNumber: string, keyHash: string | undefined, epoch: string) => void;
};

/**
 * The admission stage: asks the store once (contract.md section 5) and says what its decision means. Throws a Refusal, 503 when
 * nothing can be decided: nonces cannot be checked without the store, so reads wait too.
 */
export function createAdmit(options: AdmitOptions): (opened: Opened) => Promise<Admitted | Known> {
  return async (opened) => {
    const epoch = checkReady(options, opened);
    const { timeZone, claimDays, fingerprintKeys, payerKey } = options;
    const nowMs = options.nowMs();
    const prepared = prepare(opened, { admissionId: options.admissionIds(), epoch, nowMs, timeZone, claimDays, fingerprintKeys, payerKey });
    const decision = await decide(options, prepared.command);
    return conclude(options, opened, prepared, decision);
  };
}

/** What must hold before anything is sent: then not even a nonce is spent. Returns the epoch. */
function checkReady({ epoch, isJournalWritable }: AdmitOptions, { operation, idempotencyKey }: Opened): string {
  const standing = epoch();
  if (standing.kind === 'closed') throw new Refusal(standing.code, { retryAfterSeconds: 1 });
  if (!isJournalWritable()) throw new Refusal('JOURNAL_UNAVAILABLE', { retryAfterSeconds: 1 });
  if (operation.idempotency === 'required' && idempotencyKey === undefined) throw new Refusal('IDEMPOTENCY_KEY_REQUIRED');
  return standing.epoch;
}

async function decide(options: AdmitOptions, command: AdmitCommand): Promise<Decision> {
  try {
    return await options.store.admit(command);
  } catch (error) {
    // The admission may have happened, or may still: never forwarded, its nonce journalled, then voided.
    abandon(options, command);
    if (error instanceof StoreUnavailable) throw new Refusal('STORE_UNAVAILABLE', { retryAfterSeconds: 1, cause: error });
    throw error;
  }
}

function abandon(options: AdmitOptions, command: AdmitCommand): void {
  const { admissionId, merchantNumber, claim, epoch } = command;
  try {
    options.journalNonce(nonceOf(command));
  } finally {
    options.onAbandoned(admissionId, merchantNumber, claim?.keyHash, epoch);
  }
}

const nonceOf = ({ merchantNumber, admissionId, nonce, nonceUntilMs }: AdmitCommand): NonceFact => ({
  type: 'nonce',
  merchantNumber,
  admissionId,
  nonce,
  nonceUntilMs,
});

function conclude(options: AdmitOptions, opened: Opened, { command, steps, claim }: Prepared, decision: Decision): Admitted | Known {
  const { admissionId, epoch, nowMs } = command;
  const rateHeaders = 'rates' in decision ? rateHeadersOf(steps.rateRules, steps.rates, decision.rates) : [];
  // An admitted claim carries its nonce in its own record, which the journal stage writes.
  if (decision.kind === 'admitted') {
    if (!claim) noteRead(options, command);
    const shadowed = shadowedBy(steps, decision);
    return { ...opened, admissionId, epoch, ...(claim ? { claim } : {}), rateHeaders, shadowed };
  }
  options.journalNonce(nonceOf(command));
  if (decision.kind === 'final' || decision.kind === 'unknown') {
    const known = decision.claim.outcome ?? 'unresolved';
    return { ...opened, admissionId, rateHeaders, known, keyHash: decision.claim.keyHash };
  }
  throw refusalOf(decision, { steps, rateHeaders, nowMs, timeZone: options.timeZone });
}

/** A read that cannot be noted is not forwarded, so its place among those under way is given back. */
function noteRead(options: AdmitOptions, command: AdmitCommand): void {
  try {
    options.journalNonce(nonceOf(command));
  } catch (error) {
    options.onAbandoned(command.admissionId, command.merchantNumber, undefined, command.epoch);
    throw error;
  }
}
