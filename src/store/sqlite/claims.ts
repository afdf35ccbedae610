import type { ReservationEntry, ResolveInputs } from '../../ports/journal.ts';
import { BARE_CLAIM_MS, type ClaimView } from '../../ports/store.ts';
import type { FinalOutcome } from '../../protocol/outcome.ts';
import { ownerOf } from './counters.ts';
import type { Statements } from './statements.ts';

/** A row of `claim`, to be changed and put back. */
export type Claim = {
  readonly keyHash: string;
  fingerprint: string;
  state: 'inFlight' | 'unknown' | 'final';
  outcome: FinalOutcome | null;
  admissionId: string;
  /** JSON array of text. */
  admissionIds: string;
  expiresAtMs: number;
  deadlineMs: number;
  keepUntilMs: number;
  /** JSON of ResolveInputs. */
  resolve: string;
  answer: Uint8Array | null;
  answerUntilMs: number | null;
  fence: number;
  leaseUntilMs: number;
  nextAskMs: number;
};

/** A row of `reservation`. Without entries only its outcome is known; they come with its `admitted` record. */
export type Reservation = {
  readonly admissionId: string;
  readonly keyHash: string;
  readonly state: 'open' | 'released' | 'committed';
  /** JSON array of ReservationEntry. */
  readonly entries: string | null;
  readonly keepUntilMs: number;
};

export const findClaim = (s: Statements, merchant: string, keyHash: string): Claim | undefined =>
  s.findClaim.get(merchant, keyHash) as Claim | undefined;

export function putClaim(s: Statements, merchant: string, claim: Claim): void {
  const { keyHash, fingerprint, state, outcome, admissionId, admissionIds, expiresAtMs, deadlineMs, keepUntilMs, resolve } = claim;
  const { answer, answerUntilMs, fence, leaseUntilMs, nextAskMs } = claim;
  const key = [merchant, keyHash, fingerprint, state, outcome, admissionId, admissionIds] as const;
  s.putClaim.run(...key, expiresAtMs, deadlineMs, keepUntilMs, resolve, answer, answerUntilMs, fence, leaseUntilMs, nextAskMs);
}

const NO_RESOLVE: ResolveInputs = { operationId: '', requestId: '', derivedKey: '', parameters: {}, repeat: {} };

/** A claim that only an outcome tells of: no request matches its fingerprint. */
export const bareClaim = (keyHash: string, admissionId: string, nowMs: number): Claim => ({
  keyHash,
  fingerprint: '',
  state: 'unknown',
  outcome: null,
  admissionId,
  admissionIds: JSON.stringify([admissionId]),
  expiresAtMs: 0,
  deadlineMs: 0,
  keepUntilMs: nowMs + BARE_CLAIM_MS,
  resolve: JSON.stringify(NO_RESOLVE),
  answer: null,
  answerUntilMs: null,
  fence: 0,
  leaseUntilMs: 0,
  nextAskMs: nowMs,
});

export const admissionsOf = (claim: Claim): string[] => JSON.parse(claim.admissionIds) as string[];
export const entriesOf = (reservation: Reservation | undefined): ReservationEntry[] =>
  reservation?.entries ? (JSON.parse(reservation.entries) as ReservationEntry[]) : [];

/** A claim and what its reservation holds must be kept until the last of their windows has ended. */
export const keepUntil = (keepUntilMs: number, entries: readonly ReservationEntry[]): number =>
  Math.max(keepUntilMs, ...entries.map(({ windowEndsMs }) => windowEndsMs));

export const findReservation = (s: Statements, merchant: string, admissionId: string): Reservation | undefined =>
  s.findReservation.get(merchant, admissionId) as Reservation | undefined;

export function putReservation(s: Statements, merchant: string, { admissionId, keyHash, state, entries, keepUntilMs }: Reservation): void {
  s.putReservation.run(merchant, admissionId, keyHash, state, entries, keepUntilMs);
}

/** Adds to both sums of each entry: `committed` and `reserved` are -1, 0 or 1 times its amount. */
export function addEntries(
  s: Statements,
  merchant: string,
  entries: readonly ReservationEntry[],
  sign: { readonly committed: 0 | 1; readonly reserved: -1 | 0 | 1 },
): void {
  for (const { counter, add, windowEndsMs } of entries) {
    s.addTotal.run(ownerOf(merchant, counter), counter, sign.committed * add, sign.reserved * add, windowEndsMs);
  }
}

/** Moves a reservation to another state and its entries with it. Committed stays committed. */
export function moveReservation(s: Statements, merchant: string, reservation: Reservation, to: 'released' | 'committed'): void {
  if (reservation.state === 'committed' || reservation.state === to) return;
  addEntries(s, merchant, entriesOf(reservation), {
    committed: to === 'committed' ? 1 : 0,
    reserved: reservation.state === 'open' ? -1 : 0,
  });
  putReservation(s, merchant, { ...reservation, state: to });
}

/** Releases every open reservation of a key, except one. */
export function releaseOthers(s: Statements, merchant: string, keyHash: string, exceptAdmissionId?: string): void {
  for (const row of s.findOpenReservations.all(merchant, keyHash)) {
    const reservation = row as Reservation;
    if (reservation.admissionId !== exceptAdmissionId) moveReservation(s, merchant, reservation, 'released');
  }
}

/** Lets go of an in-flight claim whose owner's lease has ended: unknown, never free. Puts it back if it changed. */
export function expireLease(s: Statements, merchant: string, claim: Claim, nowMs: number): void {
  if (claim.state !== 'inFlight' || nowMs < claim.deadlineMs) return;
  claim.state = 'unknown';
  putClaim(s, merchant, claim);
}

const bufferOf = (bytes: Uint8Array): Buffer => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);

export function viewOf(s: Statements, merchant: string, claim: Claim): ClaimView {
  return {
    keyHash: claim.keyHash,
    fingerprint: claim.fingerprint,
    state: claim.state,
    ...(claim.outcome ? { outcome: claim.outcome } : {}),
    admissionId: claim.admissionId,
    admissionIds: admissionsOf(claim),
    expiresAtMs: claim.expiresAtMs,
    deadlineMs: claim.deadlineMs,
    resolve: JSON.parse(claim.resolve) as ResolveInputs,
    ...(claim.answer ? { answer: bufferOf(claim.answer) } : {}),
    reservation: entriesOf(findReservation(s, merchant, claim.admissionId)),
    fence: claim.fence,
  };
}
