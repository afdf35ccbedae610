import type { FinalOutcome } from '../protocol/outcome.ts';
import type { ReservationEntry, ResolveInputs } from '../protocol/reservation.ts';

export type { ReservationEntry, ResolveInputs };

/** The nonce of an admission that was sent to the store, whatever became of it. */
export type NonceFact = {
  readonly type: 'nonce';
  readonly merchantNumber: string;
  readonly admissionId: string;
  readonly nonce: string;
  readonly nonceUntilMs: number;
};

/** An admission that holds a claim (operations that move money). */
export type AdmittedFact = {
  readonly type: 'admitted';
  readonly merchantNumber: string;
  readonly admissionId: string;
  readonly nonce: string;
  readonly nonceUntilMs: number;
  readonly keyHash: string;
  readonly fingerprint: string;
  readonly expiresAtMs: number;
  readonly deadlineMs: number;
  readonly keepUntilMs: number;
  readonly resolve: ResolveInputs;
  readonly reservation: readonly ReservationEntry[];
};

/** Nothing was sent for this admission and nothing ever will be. */
export type VoidedFact = {
  readonly type: 'voided';
  readonly merchantNumber: string;
  readonly admissionId: string;
  readonly keyHash: string;
};

/** The final outcome of a key, by the answer of the core (`answered`) or by asking it (`resolved`). */
export type OutcomeFact = {
  readonly type: 'outcome';
  readonly merchantNumber: string;
  readonly admissionId: string;
  readonly keyHash: string;
  readonly outcome: FinalOutcome;
  readonly by: 'answered' | 'resolved' | 'operator';
};

/** The facts a rebuild or a replay at start gives back to the store, in journal order. */
export type Fact = NonceFact | AdmittedFact | VoidedFact | OutcomeFact;

/** Evidence beside the facts; a rebuild skips it. `data` holds no secret, no C3 and no unmasked C2 value. */
export type EvidenceRecord = {
  readonly type: 'key' | 'request' | 'answer' | 'operator' | 'alarm';
  readonly data: Readonly<Record<string, unknown>>;
};

export type JournalEntry = Fact | EvidenceRecord;

/** One process's append-only, hash-chained record of what it decided (contract.md section 7). */
export type Journal = {
  /** Appends to the journal's buffer in order, synchronously; returns the sequence number. Throws a Refusal JOURNAL_UNAVAILABLE when closed for writing. */
  readonly append: (entry: JournalEntry) => number;
  /** Resolves once everything up to this sequence is on the disk (fdatasync); rejects with a Refusal JOURNAL_UNAVAILABLE. */
  readonly synced: (sequence: number) => Promise<void>;
  /** Whether money operations may go on. */
  readonly isWritable: () => boolean;
  /** This process's own facts from the disk and its buffer, oldest first, for a report to a new epoch. */
  readonly facts: () => AsyncIterable<Fact>;
  /**
   * The latest moment at which an earlier process of this journal may have lost nonces it had sent to the store: it ended
   * without `closed`, or said so there. Undefined: never.
   */
  readonly noncesLostAtMs: number | undefined;
  /** Appends `closed`, syncs, gives up the lock. `noncesLostAtMs`: nonces that were sent could not be appended until now. */
  readonly close: (noncesLostAtMs?: number) => Promise<void>;
};
