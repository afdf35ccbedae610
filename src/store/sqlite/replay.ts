import type { AdmittedFact, Fact } from '../../ports/journal.ts';
import {
  addEntries,
  admissionsOf,
  bareClaim,
  type Claim,
  findClaim,
  findReservation,
  keepUntil,
  putClaim,
  putReservation,
  releaseOthers,
} from './claims.ts';
import { settle, voidAdmission } from './settle.ts';
import type { Statements } from './statements.ts';

/** Gives one fact of a journal back; idempotent by admission id (contract.md section 8). Runs inside a write transaction. */
export function replayFact(s: Statements, fact: Fact, nowMs: number): void {
  if (fact.type === 'voided') voidAdmission(s, { ...fact, nowMs });
  else if (fact.type === 'outcome') settle(s, { ...fact, nowMs });
  else if (fact.nonceUntilMs > nowMs) s.putNonce.run(fact.merchantNumber, fact.nonce, fact.admissionId, null, null, fact.nonceUntilMs);
  if (fact.type === 'admitted') replayAdmitted(s, fact, nowMs);
}

function replayAdmitted(s: Statements, fact: AdmittedFact, nowMs: number): void {
  const { merchantNumber, keyHash, admissionId } = fact;
  const claim = findClaim(s, merchantNumber, keyHash);
  const dead = s.findTombstone.get(merchantNumber, admissionId) !== undefined;
  replayReservation(s, fact, claim?.state === 'final' ? 'released' : 'open', dead);
  if (claim?.state === 'final') {
    // Its outcome came first, out of another journal; the rest is told now.
    if (claim.fingerprint === '' && admissionsOf(claim).includes(admissionId)) putClaim(s, merchantNumber, describe(claim, fact));
  } else if (dead) return;
  else if (!claim) {
    putClaim(s, merchantNumber, describe({ ...bareClaim(keyHash, admissionId, nowMs), keepUntilMs: 0 }, fact));
  } else {
    if (!admissionsOf(claim).includes(admissionId)) join(s, claim, fact);
    if (claim.state === 'inFlight') claim.nextAskMs = nowMs;
    claim.state = 'unknown';
    putClaim(s, merchantNumber, claim);
  }
}

function replayReservation(s: Statements, fact: AdmittedFact, state: 'open' | 'released', dead: boolean): void {
  const { merchantNumber, admissionId, keyHash, reservation: entries } = fact;
  const known = findReservation(s, merchantNumber, admissionId);
  if (known?.entries || (!known && dead)) return;
  const reached = known?.state ?? state;
  const keepUntilMs = keepUntil(Math.max(fact.keepUntilMs, known?.keepUntilMs ?? 0), entries);
  putReservation(s, merchantNumber, { admissionId, keyHash, state: reached, entries: JSON.stringify(entries), keepUntilMs });
  if (reached !== 'released')
    addEntries(s, merchantNumber, entries, reached === 'open' ? { committed: 0, reserved: 1 } : { committed: 1, reserved: 0 });
}

/** A void that the store forgot left a claim behind: the journalled admission's reservation and fingerprint replace the other's. */
function join(s: Statements, claim: Claim, fact: AdmittedFact): void {
  releaseOthers(s, fact.merchantNumber, fact.keyHash, fact.admissionId);
  claim.admissionIds = JSON.stringify([...admissionsOf(claim), fact.admissionId]);
  claim.admissionId = fact.admissionId;
  describe(claim, fact);
}

function describe(claim: Claim, fact: AdmittedFact): Claim {
  claim.fingerprint = fact.fingerprint;
  claim.resolve = JSON.stringify(fact.resolve);
  claim.deadlineMs = fact.deadlineMs;
  claim.expiresAtMs = Math.max(claim.expiresAtMs, fact.expiresAtMs);
  claim.keepUntilMs = keepUntil(Math.max(claim.keepUntilMs, fact.keepUntilMs), fact.reservation);
  return claim;
}
