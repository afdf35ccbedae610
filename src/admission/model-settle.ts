import type { AdmittedFact, Fact } from '../ports/journal.ts';
import type { SettleCommand, SettleResult, Store } from '../ports/store.ts';
import { bareClaim, type Claim, freeConcurrency, moveReservation, type Reservation, type Slot, totalOf } from './model-slot.ts';

type Command<Method extends 'void' | 'hold'> = Parameters<Store[Method]>[0];
/** What settles, from a live process (with answer and fence) or from a journal. */
type Outcome = Pick<SettleCommand, 'keyHash' | 'admissionId' | 'nowMs' | 'outcome' | 'answer' | 'fence'>;

const releaseOpen = (slot: Slot, reservation: Reservation | undefined): void => {
  if (reservation?.state === 'open') moveReservation(slot, reservation, 'released');
};

/** Voids an admission: the tombstone always, the claim only while nobody can be asking about it. */
export function voidInModel(slot: Slot, { admissionId, keyHash }: Pick<Command<'void'>, 'admissionId' | 'keyHash'>): void {
  slot.tombstones.add(admissionId);
  freeConcurrency(slot, admissionId);
  if (keyHash === undefined) return;
  const claim = slot.claims.get(keyHash);
  const joined = claim?.admissionIds.has(admissionId) === true;
  if (claim?.state === 'unknown' && joined) return;
  releaseOpen(slot, slot.reservations.get(admissionId));
  if (claim?.state === 'inFlight' && joined) slot.claims.delete(keyHash);
}

/** In flight becomes unknown, under its own admission id. */
export function holdInModel(slot: Slot, command: Omit<Command<'hold'>, 'merchantNumber' | 'epoch'>): void {
  freeConcurrency(slot, command.admissionId);
  const claim = slot.claims.get(command.keyHash);
  if (claim?.state !== 'inFlight' || !claim.admissionIds.has(command.admissionId)) return;
  claim.state = 'unknown';
  claim.nextAskMs = command.nextAskMs;
  claim.answer = command.answer;
}

/** Open becomes final once; only a success that comes after a failure changes a final claim. */
export function settleInModel(slot: Slot, command: Outcome): SettleResult {
  const existing = slot.claims.get(command.keyHash);
  if (command.fence !== undefined && existing?.fence !== command.fence) return 'fenced';
  freeConcurrency(slot, command.admissionId);
  const claim = existing ?? bareClaim(command.admissionId, command.nowMs);
  slot.claims.set(command.keyHash, claim);
  if (command.outcome === 'failed' && !claim.admissionIds.has(command.admissionId)) {
    releaseOpen(slot, slot.reservations.get(command.admissionId));
    return 'foreign';
  }
  if (claim.state === 'final') return settleFinal(slot, claim, command);
  conclude(slot, claim, command);
  return 'settled';
}

function settleFinal(slot: Slot, claim: Claim, command: Outcome): SettleResult {
  if (command.outcome === 'succeeded' && claim.outcome === 'failed') {
    conclude(slot, claim, command);
    return 'late';
  }
  releaseOpen(slot, slot.reservations.get(command.admissionId));
  if (command.outcome !== claim.outcome) return 'contradicted';
  claim.answer ??= command.answer;
  return 'already';
}

/** Writes an outcome: its admission's reservation follows it, every other open one of the key is released. */
function conclude(slot: Slot, claim: Claim, { keyHash, admissionId, outcome, answer }: Outcome): void {
  const to = outcome === 'succeeded' ? 'committed' : 'released';
  claim.state = 'final';
  claim.outcome = outcome;
  claim.answer = answer;
  claim.leaseUntilMs = 0;
  if (outcome === 'succeeded') {
    claim.admissionIds.add(admissionId);
    claim.admissionId = admissionId;
  }
  const own = slot.reservations.get(admissionId);
  if (own) moveReservation(slot, own, to);
  else slot.reservations.set(admissionId, { keyHash, state: to });
  for (const reservation of slot.reservations.values()) if (reservation.keyHash === keyHash) releaseOpen(slot, reservation);
}

/** Gives one fact of a journal back to the slot. */
export function replayInModel(slot: Slot, fact: Fact, nowMs: number): void {
  if (fact.type === 'voided') voidInModel(slot, fact);
  else if (fact.type === 'outcome') settleInModel(slot, { ...fact, nowMs });
  else if (fact.nonceUntilMs > nowMs && !slot.nonces.has(fact.nonce)) slot.nonces.set(fact.nonce, { admissionId: fact.admissionId });
  if (fact.type === 'admitted') replayAdmitted(slot, fact, nowMs);
}

function replayAdmitted(slot: Slot, fact: AdmittedFact, nowMs: number): void {
  const claim = slot.claims.get(fact.keyHash);
  const dead = slot.tombstones.has(fact.admissionId);
  replayReservation(slot, fact, claim?.state === 'final' ? 'released' : 'open', dead);
  if (claim?.state === 'final') {
    // Its outcome came first, out of another journal; the rest is told now.
    if (claim.fingerprint === '' && claim.admissionIds.has(fact.admissionId)) describe(claim, fact);
  } else if (dead) return;
  else if (!claim) {
    slot.claims.set(fact.keyHash, describe({ ...bareClaim(fact.admissionId, nowMs), keepUntilMs: 0 }, fact));
  } else {
    if (!claim.admissionIds.has(fact.admissionId)) join(slot, claim, fact);
    if (claim.state === 'inFlight') claim.nextAskMs = nowMs;
    claim.state = 'unknown';
  }
}

function replayReservation(slot: Slot, fact: AdmittedFact, state: 'open' | 'released', dead: boolean): void {
  const known = slot.reservations.get(fact.admissionId);
  if (known?.entries || (!known && dead)) return;
  const reservation = known ?? { keyHash: fact.keyHash, state };
  slot.reservations.set(fact.admissionId, { ...reservation, entries: fact.reservation });
  if (reservation.state === 'released') return;
  for (const { counter, add } of fact.reservation) {
    const total = totalOf(slot, counter);
    if (reservation.state === 'open') total.reserved += BigInt(add);
    else total.committed += BigInt(add);
  }
}

/** A void that the store forgot left a claim behind: the journalled admission's reservation and fingerprint replace the other's. */
function join(slot: Slot, claim: Claim, fact: AdmittedFact): void {
  for (const [admissionId, reservation] of slot.reservations) {
    if (reservation.keyHash === fact.keyHash && admissionId !== fact.admissionId) releaseOpen(slot, reservation);
  }
  claim.admissionIds.add(fact.admissionId);
  claim.admissionId = fact.admissionId;
  describe(claim, fact);
}

function describe(claim: Claim, fact: AdmittedFact): Claim {
  claim.fingerprint = fact.fingerprint;
  claim.resolve = fact.resolve;
  claim.deadlineMs = fact.deadlineMs;
  claim.expiresAtMs = Math.max(claim.expiresAtMs, fact.expiresAtMs);
  claim.keepUntilMs = Math.max(claim.keepUntilMs, fact.keepUntilMs);
  return claim;
}
