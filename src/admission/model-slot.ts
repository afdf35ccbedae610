import type { ReservationEntry, ResolveInputs } from '../ports/journal.ts';
import { type AdmitCommand, BARE_CLAIM_MS, type ClaimView, type Decision, isShared } from '../ports/store.ts';
import type { FinalOutcome } from '../protocol/outcome.ts';

/** What an admission holds in counters. Without entries only its outcome is known; they come with its `admitted` record. */
export type Reservation = {
  readonly keyHash: string;
  state: 'open' | 'released' | 'committed';
  entries?: readonly ReservationEntry[];
};

export type Claim = {
  fingerprint: string;
  state: 'inFlight' | 'unknown' | 'final';
  outcome?: FinalOutcome;
  admissionId: string;
  readonly admissionIds: Set<string>;
  expiresAtMs: number;
  deadlineMs: number;
  keepUntilMs: number;
  resolve: ResolveInputs;
  answer: Buffer | undefined;
  fence: number;
  leaseUntilMs: number;
  nextAskMs: number;
};

/** What is counted: in a merchant's slot, or over all merchants. */
export type Counters = {
  /** Exact sums by counter. */
  readonly totals: Map<string, { committed: bigint; reserved: bigint }>;
  /** Counter -> admission id -> until, ms. */
  readonly concurrency: Map<string, Map<string, number>>;
  /** Theoretical arrival times, microseconds. */
  readonly rates: Map<string, number>;
};

export const newCounters = (): Counters => ({ totals: new Map(), concurrency: new Map(), rates: new Map() });

/** Everything of one merchant. Nothing is ever removed: the model shows what a store must keep, not when it may forget. */
export type Slot = Counters & {
  /** The counters of all merchants. */
  readonly shared: Counters;
  /** The epoch in which the slot is open. */
  epoch: string | undefined;
  readonly nonces: Map<string, { readonly admissionId: string; readonly decision?: Decision; readonly keyHash?: string }>;
  readonly tombstones: Set<string>;
  readonly claims: Map<string, Claim>;
  /** By admission id. */
  readonly reservations: Map<string, Reservation>;
};

export const newSlot = (shared: Counters): Slot => ({
  ...newCounters(),
  shared,
  epoch: undefined,
  nonces: new Map(),
  tombstones: new Set(),
  claims: new Map(),
  reservations: new Map(),
});

/** Where a counter is kept. */
export const homeOf = (slot: Slot, counter: string): Counters => (isShared(counter) ? slot.shared : slot);

/** How many run under a concurrency counter. */
export const runningIn = (slot: Slot, counter: string, nowMs: number): number =>
  [...(homeOf(slot, counter).concurrency.get(counter)?.values() ?? [])].filter((untilMs) => untilMs > nowMs).length;

const NO_RESOLVE: ResolveInputs = { operationId: '', requestId: '', derivedKey: '', parameters: {}, repeat: {} };

/** A claim that only an outcome tells of: no request matches its fingerprint. */
export const bareClaim = (admissionId: string, nowMs: number): Claim => ({
  fingerprint: '',
  state: 'unknown',
  admissionId,
  admissionIds: new Set([admissionId]),
  expiresAtMs: 0,
  deadlineMs: 0,
  keepUntilMs: nowMs + BARE_CLAIM_MS,
  resolve: NO_RESOLVE,
  answer: undefined,
  fence: 0,
  leaseUntilMs: 0,
  nextAskMs: nowMs,
});

export const claimOf = (command: AdmitCommand, claim: NonNullable<AdmitCommand['claim']>): Claim => ({
  fingerprint: claim.fingerprint,
  state: 'inFlight',
  admissionId: command.admissionId,
  admissionIds: new Set([command.admissionId]),
  expiresAtMs: claim.expiresAtMs,
  deadlineMs: claim.deadlineMs,
  keepUntilMs: claim.keepUntilMs,
  resolve: claim.resolve,
  answer: undefined,
  fence: 0,
  leaseUntilMs: 0,
  nextAskMs: claim.deadlineMs,
});

/** Lets go of an in-flight claim whose owner's lease has ended. Unknown, never free. */
export function expireLease(claim: Claim, nowMs: number): void {
  if (claim.state === 'inFlight' && nowMs >= claim.deadlineMs) claim.state = 'unknown';
}

export const viewOf = (slot: Slot, keyHash: string, claim: Claim): ClaimView => ({
  keyHash,
  fingerprint: claim.fingerprint,
  state: claim.state,
  ...(claim.outcome ? { outcome: claim.outcome } : {}),
  admissionId: claim.admissionId,
  admissionIds: [...claim.admissionIds],
  expiresAtMs: claim.expiresAtMs,
  deadlineMs: claim.deadlineMs,
  resolve: claim.resolve,
  ...(claim.answer ? { answer: claim.answer } : {}),
  reservation: slot.reservations.get(claim.admissionId)?.entries ?? [],
  fence: claim.fence,
});

/** The sums of a counter, to be changed in place. */
export function totalOf(slot: Slot, counter: string): { committed: bigint; reserved: bigint } {
  const { totals } = homeOf(slot, counter);
  const total = totals.get(counter) ?? { committed: 0n, reserved: 0n };
  totals.set(counter, total);
  return total;
}

/** Moves a reservation to another state and its entries with it. Committed stays committed. */
export function moveReservation(slot: Slot, reservation: Reservation, to: Reservation['state']): void {
  if (reservation.state === 'committed' || reservation.state === to) return;
  for (const { counter, add } of reservation.entries ?? []) {
    const total = totalOf(slot, counter);
    if (reservation.state === 'open') total.reserved -= BigInt(add);
    if (to === 'committed') total.committed += BigInt(add);
  }
  reservation.state = to;
}

export function freeConcurrency(slot: Slot, admissionId: string): void {
  for (const { concurrency } of [slot, slot.shared]) for (const entries of concurrency.values()) entries.delete(admissionId);
}
