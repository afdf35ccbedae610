import type { ErrorCode } from '../protocol/errors.ts';
import type { FinalOutcome } from '../protocol/outcome.ts';
import type { Fact, ReservationEntry, ResolveInputs } from './journal.ts';

/**
 * The store decides (contract.md section 5), step for step as the executable specification does. Both implementations and the plain model of admission/model.ts pass one
 * set of tests. Everything of one merchant lives in one slot; every method that takes a merchant number is one atomic step.
 * All times are wall-clock milliseconds given by the caller; the store never reads a clock to decide.
 *
 * `xUntilMs` ends when nowMs >= xUntilMs: a lease, a deadline, a concurrency entry. Rows that are kept "until" (nonces, tombstones,
 * final claims, answers, counters of ended windows) are kept at least so long and may be seen for longer.
 * Sums are exact; one beyond 2^53 - 1 reads as 2^53 - 1.
 *
 * Every method rejects with StoreUnavailable when the store cannot be reached or does not answer in time; the step may or
 * may not have run then.
 */
export class StoreUnavailable extends Error {
  constructor(reason: string, options?: ErrorOptions) {
    super(reason, options);
    this.name = 'StoreUnavailable';
  }
}

/** How long the tombstone of a voided admission is kept at least: longer than any admit script can be under way. */
export const TOMBSTONE_MS = 700_000;
/** How long a final claim is kept that only an outcome tells of, its admission being in no journal that was read. */
export const BARE_CLAIM_MS = 180 * 86_400_000;

/** GCRA with whole microseconds. A request conforms when max(tat, now) + increment - tolerance <= now. */
export type RateStep = {
  readonly counter: string;
  /** ceil(period / allow) * cost, microseconds. */
  readonly incrementUs: number;
  /** period / allow * burst, microseconds. */
  readonly toleranceUs: number;
  /** Taken when it conforms, never a refusal. */
  readonly shadow?: true;
};

/** `shadowMax` is a bound on trial: passing it is only told. */
export type ConcurrencyStep = { readonly counter: string; readonly max: number; readonly shadowMax?: number };

/**
 * Adds to a calendar total: refused when committed + reserved + add > max. `add`, `max` and `shadowMax` are whole, 0 to 2^53 - 1.
 * Passing `shadowMax`, a bound on trial, is only told.
 */
export type TotalStep = ReservationEntry & { readonly max: number; readonly shadowMax?: number; readonly code: ErrorCode };

/**
 * Counters that begin with this are counted over all merchants, the others in the merchant's slot. One step decides about both, which
 * takes a store that is one server or one file.
 */
export const SHARED_MARK = '~';
export const isShared = (counter: string): boolean => counter.startsWith(SHARED_MARK);

/** Steps, by index, whose shadow bound an admitted request passed. Shadow rates show it in their state. */
export type Exceeded = { readonly concurrency: readonly number[]; readonly totals: readonly number[] };

/**
 * One request to admit. Steps are decided in the order of contract.md section 5: epoch of the slot, tombstone, nonce, rates,
 * claim (mismatch before its state; in flight past its deadline becomes unknown), barred, concurrency, totals.
 * The same admission id (with the same nonce) gets the same decision and changes nothing; `final` and `unknown` show the claim as
 * it stands now, and `nonce` is decided where that claim is gone or the nonce was only replayed.
 * Without a claim nothing is reserved: totals are compared only. No two steps of one kind share a counter.
 */
export type AdmitCommand = {
  readonly merchantNumber: string;
  readonly admissionId: string;
  readonly epoch: string;
  readonly nowMs: number;
  readonly nonce: string;
  readonly nonceUntilMs: number;
  readonly rates: readonly RateStep[];
  /** Absent for operations without an Idempotency-Key: then steps 3 and 5 are skipped, step 4 still counts concurrency. */
  readonly claim?: {
    readonly keyHash: string;
    readonly fingerprint: string;
    /** A claim under one of these is of the same request: it was made when another key of fingerprints wrote. */
    readonly otherFingerprints?: readonly string[];
    /** The assertion's `exp`. */
    readonly expiresAtMs: number;
    /** When the owner's lease ends: later the claim is unknown, never free. */
    readonly deadlineMs: number;
    /** How long a final claim is kept at least. */
    readonly keepUntilMs: number;
    readonly resolve: ResolveInputs;
  };
  /** A refusal the process has already found (single amount, not enabled); given back as `barred` if step 3 finds no claim. */
  readonly barred: boolean;
  readonly concurrency: readonly ConcurrencyStep[];
  /** When a concurrency entry of this admission ends by itself. */
  readonly concurrencyUntilMs: number;
  readonly totals: readonly TotalStep[];
};

export type ClaimView = {
  readonly keyHash: string;
  readonly fingerprint: string;
  readonly state: 'inFlight' | 'unknown' | 'final';
  readonly outcome?: FinalOutcome;
  /** The admission whose reservation counts. */
  readonly admissionId: string;
  /** All admissions joined under the key; more than one only after a rebuild. */
  readonly admissionIds: readonly string[];
  /** Latest `exp` of all admissions of the key. A claim that only an outcome tells of has 0 here, fingerprint '' and empty resolve inputs. */
  readonly expiresAtMs: number;
  readonly deadlineMs: number;
  readonly resolve: ResolveInputs;
  /** The stored answer, sealed by the caller (opaque bytes); absent when dropped or never given. */
  readonly answer?: Buffer;
  readonly reservation: readonly ReservationEntry[];
  readonly fence: number;
};

/** A rate after the step: what was taken when all conformed, else untouched. */
export type RateState = {
  /** Whether this request conforms. */
  readonly conforms: boolean;
  /** Whole requests left at once. */
  readonly remaining: number;
  /** Until one more conforms, ms, rounded up; 0 when it does now. */
  readonly retryAfterMs: number;
};

/** What admission decided. `rates` is given from step 2 on, one entry for each RateStep. */
export type Decision =
  | { readonly kind: 'rebuilding' }
  | { readonly kind: 'voided' }
  | { readonly kind: 'nonce' }
  | { readonly kind: 'rate'; readonly index: number; readonly rates: readonly RateState[] }
  | { readonly kind: 'mismatch'; readonly rates: readonly RateState[] }
  | { readonly kind: 'inFlight'; readonly deadlineMs: number; readonly rates: readonly RateState[] }
  | { readonly kind: 'unknown'; readonly claim: ClaimView; readonly rates: readonly RateState[] }
  | { readonly kind: 'final'; readonly claim: ClaimView; readonly rates: readonly RateState[] }
  | { readonly kind: 'barred'; readonly rates: readonly RateState[] }
  | { readonly kind: 'concurrency'; readonly index: number; readonly rates: readonly RateState[] }
  | {
      readonly kind: 'total';
      readonly index: number;
      readonly committed: number;
      readonly reserved: number;
      readonly rates: readonly RateState[];
    }
  /** `exceeded` is there when a shadow bound was passed. */
  | { readonly kind: 'admitted'; readonly rates: readonly RateState[]; readonly exceeded?: Exceeded };

export type SettleCommand = {
  readonly merchantNumber: string;
  readonly keyHash: string;
  readonly admissionId: string;
  readonly epoch: string;
  readonly nowMs: number;
  readonly outcome: FinalOutcome;
  /**
   * Opaque sealed answer and until when it is kept. `settled` and `late` replace what was stored, also by nothing;
   * `already` stores it only where none is.
   */
  readonly answer?: Buffer;
  readonly answerUntilMs?: number;
  /** Given by a resolver; the settle is refused (`fenced`, nothing changes) when another has leased the claim since, or it is gone. */
  readonly fence?: number;
};

/**
 * `settled`: open -> final. `already`: was final with the same outcome. `late`: a success that came after a failure; it
 * committed and must raise an alarm. `contradicted`: a failure that came after a success and was ignored; raise an alarm.
 * `foreign`: a failure of an admission this claim is not about, whatever its state; only its own open reservation, if any, was released.
 * `rebuilding`: the slot is not open in this epoch; nothing changed. Every result but `fenced` and `rebuilding` frees the admission's
 * concurrency. Without a claim one is made, final from the start. A success joins its admission to the key and makes it the one that counts.
 * A reservation goes open -> released -> committed and never back; settling a key releases its other open ones.
 */
export type SettleResult = 'settled' | 'already' | 'late' | 'contradicted' | 'foreign' | 'fenced' | 'rebuilding';

export type Usage = { readonly counter: string; readonly committed: number; readonly reserved: number };

/** What stands in counters that are no totals: theoretical arrival times of rates, microseconds, and how many run at once. */
export type Levels = { readonly arrivalsUs: readonly number[]; readonly running: readonly number[] };

/** The store as a whole. `lost` means: no epoch is written, or the server is another run than the epoch was written for. */
export type EpochState =
  | {
      readonly kind: 'open' | 'rebuilding';
      readonly epoch: string;
      readonly reported: readonly string[];
      readonly slotsClosedUntilMs: number;
    }
  | { readonly kind: 'lost'; readonly previous?: string };

export type Store = {
  readonly kind: 'sqlite' | 'redis' | 'model';

  readonly admit: (command: AdmitCommand) => Promise<Decision>;
  /**
   * Leaves a tombstone for the admission, frees its concurrency, and frees its claim and reservation unless the claim has become
   * unknown. Idempotent. False, with nothing changed, when the slot is not open in this epoch: try again after the rebuild.
   */
  readonly void: (command: {
    readonly merchantNumber: string;
    readonly admissionId: string;
    readonly keyHash?: string;
    readonly epoch: string;
    readonly nowMs: number;
  }) => Promise<boolean>;
  /**
   * In flight -> unknown, under its admission id only (else the claim stays as it is); frees concurrency, keeps the reservation.
   * Idempotent. False, with nothing changed, when the slot is not open in this epoch.
   */
  readonly hold: (command: {
    readonly merchantNumber: string;
    readonly keyHash: string;
    readonly admissionId: string;
    readonly epoch: string;
    readonly nowMs: number;
    readonly nextAskMs: number;
    readonly answer?: Buffer;
    readonly answerUntilMs?: number;
  }) => Promise<boolean>;
  /** Frees the concurrency of an admission without a claim. False, with nothing changed, when the slot is not open in this epoch. */
  readonly release: (command: {
    readonly merchantNumber: string;
    readonly admissionId: string;
    readonly epoch: string;
  }) => Promise<boolean>;
  readonly settle: (command: SettleCommand) => Promise<SettleResult>;

  /** Keys of open claims that are due, in no order: unknown ones not leased whose next question has come, in-flight ones past their deadline. */
  readonly findDue: (command: {
    readonly merchantNumber: string;
    readonly nowMs: number;
    readonly limit: number;
  }) => Promise<readonly string[]>;
  /**
   * Takes the right to resolve a claim until `untilMs`: bumps its fence. In flight past its deadline becomes unknown. Undefined
   * when another holds it, or it is final, in flight or absent, or the slot is not open in this epoch: a claim that is
   * still being rebuilt does not show all admissions of its key, and nothing may be decided about it.
   */
  readonly lease: (command: {
    readonly merchantNumber: string;
    readonly keyHash: string;
    readonly epoch: string;
    readonly nowMs: number;
    readonly untilMs: number;
  }) => Promise<ClaimView | undefined>;
  /** Sets when a leased claim is asked about next, and gives the lease back. Nothing happens under another fence or when it is final. */
  readonly postpone: (command: {
    readonly merchantNumber: string;
    readonly keyHash: string;
    readonly fence: number;
    readonly nextAskMs: number;
  }) => Promise<void>;
  /** The claim of a key as it stands, also while the slot is closed. */
  readonly findClaim: (command: { readonly merchantNumber: string; readonly keyHash: string }) => Promise<ClaimView | undefined>;
  /** One entry for each counter asked for, in that order; zeros where nothing was ever counted. */
  readonly usage: (command: { readonly merchantNumber: string; readonly counters: readonly string[] }) => Promise<readonly Usage[]>;
  /** One entry for each rate and each concurrency counter asked for, in that order; zeros where nothing was ever counted. */
  readonly levels: (command: {
    readonly merchantNumber: string;
    readonly rates: readonly string[];
    readonly concurrency: readonly string[];
    readonly nowMs: number;
  }) => Promise<Levels>;
  /** All merchants that have a slot, open or not, in no order. */
  readonly merchants: () => Promise<readonly string[]>;

  /** Cheap; called every 500 ms: also tells the store's own clock, where it has one. */
  readonly epoch: () => Promise<{ readonly state: EpochState; readonly storeNowMs?: number }>;
  /** Writes a new, unique epoch by compare-and-set on the previous one; false when another process was first. All slots are closed by it. */
  readonly beginEpoch: (command: { readonly epoch: string; readonly previous?: string }) => Promise<boolean>;
  /**
   * Gives a merchant's facts back to its slot, in order; idempotent per admission id (contract.md section 8), so that journals may
   * come in any order and more than once. Works in a closed epoch and makes the slot; in another epoch nothing happens.
   */
  readonly replay: (command: {
    readonly merchantNumber: string;
    readonly epoch: string;
    readonly nowMs: number;
    readonly facts: readonly Fact[];
  }) => Promise<void>;
  /** Notes that an instance has replayed its journal; nonces of an unclean end keep slots closed until `closedUntilMs` (the latest of all counts). In another epoch nothing happens. */
  readonly report: (command: { readonly epoch: string; readonly instance: string; readonly closedUntilMs: number }) => Promise<void>;
  /** Opens the epoch and the slots of these merchants, once all instances have reported; false when not all have, before slotsClosedUntilMs, or in another epoch. True again when open. */
  readonly openEpoch: (command: {
    readonly epoch: string;
    readonly instances: readonly string[];
    readonly merchantNumbers: readonly string[];
    readonly nowMs: number;
  }) => Promise<boolean>;
  /** Opens the slot of a merchant in an open epoch, making it if need be; else nothing happens. The caller has seen that no journal it has not read knows the merchant. */
  readonly openSlot: (command: { readonly merchantNumber: string; readonly epoch: string }) => Promise<void>;

  readonly close: () => Promise<void>;
};
