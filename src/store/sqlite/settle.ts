import { type SettleCommand, type SettleResult, type Store, TOMBSTONE_MS } from '../../ports/store.ts';
import {
  admissionsOf,
  bareClaim,
  type Claim,
  entriesOf,
  findClaim,
  findReservation,
  keepUntil,
  moveReservation,
  putClaim,
  putReservation,
  releaseOthers,
} from './claims.ts';
import type { Statements } from './statements.ts';

type Command<Method extends 'void' | 'hold'> = Omit<Parameters<Store[Method]>[0], 'epoch'>;
/** What settles: from a live process (with answer and fence) or from a journal. */
export type Outcome = Omit<SettleCommand, 'epoch'>;

const releaseOwn = (s: Statements, merchant: string, admissionId: string): void => {
  const reservation = findReservation(s, merchant, admissionId);
  if (reservation?.state === 'open') moveReservation(s, merchant, reservation, 'released');
};

/** Voids an admission: the tombstone always, the claim only while nobody can be asking about it. */
export function voidAdmission(s: Statements, { merchantNumber, admissionId, keyHash, nowMs }: Command<'void'>): void {
  s.putTombstone.run(merchantNumber, admissionId, nowMs + TOMBSTONE_MS);
  s.freeConcurrency.run(merchantNumber, admissionId);
  if (keyHash === undefined) return;
  const claim = findClaim(s, merchantNumber, keyHash);
  const joined = claim !== undefined && admissionsOf(claim).includes(admissionId);
  if (claim?.state === 'unknown' && joined) return;
  const reservation = findReservation(s, merchantNumber, admissionId);
  if (reservation?.state === 'open') {
    const keepUntilMs = keepUntil(nowMs + TOMBSTONE_MS, entriesOf(reservation));
    moveReservation(s, merchantNumber, { ...reservation, keepUntilMs }, 'released');
  }
  if (claim?.state === 'inFlight' && joined) s.dropClaim.run(merchantNumber, keyHash);
}

/** In flight becomes unknown, under its own admission id. */
export function hold(s: Statements, command: Command<'hold'>): void {
  const { merchantNumber, keyHash, admissionId } = command;
  s.freeConcurrency.run(merchantNumber, admissionId);
  const claim = findClaim(s, merchantNumber, keyHash);
  if (claim?.state !== 'inFlight' || !admissionsOf(claim).includes(admissionId)) return;
  claim.state = 'unknown';
  claim.nextAskMs = command.nextAskMs;
  keepAnswer(claim, command);
  putClaim(s, merchantNumber, claim);
}

function keepAnswer(claim: Claim, { answer, answerUntilMs }: Pick<Outcome, 'answer' | 'answerUntilMs'>): void {
  claim.answer = answer ?? null;
  claim.answerUntilMs = answer ? (answerUntilMs ?? null) : null;
}

/** Open becomes final once; only a success that comes after a failure changes a final claim. */
export function settle(s: Statements, command: Outcome): SettleResult {
  const { merchantNumber, keyHash, admissionId, fence } = command;
  const existing = findClaim(s, merchantNumber, keyHash);
  if (fence !== undefined && existing?.fence !== fence) return 'fenced';
  s.freeConcurrency.run(merchantNumber, admissionId);
  const claim = existing ?? bareClaim(keyHash, admissionId, command.nowMs);
  if (command.outcome === 'failed' && !admissionsOf(claim).includes(admissionId)) {
    releaseOwn(s, merchantNumber, admissionId);
    return 'foreign';
  }
  if (claim.outcome !== null && (claim.outcome === 'succeeded' || command.outcome === 'failed')) return settleFinal(s, claim, command);
  const late = claim.state === 'final';
  conclude(s, claim, command);
  return late ? 'late' : 'settled';
}

/** The claim keeps its outcome. */
function settleFinal(s: Statements, claim: Claim, command: Outcome): SettleResult {
  releaseOwn(s, command.merchantNumber, command.admissionId);
  if (command.outcome !== claim.outcome) return 'contradicted';
  if (command.answer && !claim.answer) {
    keepAnswer(claim, command);
    putClaim(s, command.merchantNumber, claim);
  }
  return 'already';
}

/** Writes an outcome: its admission's reservation follows it, every other open one of the key is released. */
function conclude(s: Statements, claim: Claim, command: Outcome): void {
  const { merchantNumber, keyHash, admissionId, outcome } = command;
  const to = outcome === 'succeeded' ? 'committed' : 'released';
  claim.state = 'final';
  claim.outcome = outcome;
  claim.leaseUntilMs = 0;
  keepAnswer(claim, command);
  if (outcome === 'succeeded') {
    claim.admissionIds = JSON.stringify([...new Set([...admissionsOf(claim), admissionId])]);
    claim.admissionId = admissionId;
  }
  putClaim(s, merchantNumber, claim);
  const own = findReservation(s, merchantNumber, admissionId);
  if (own) moveReservation(s, merchantNumber, { ...own, keepUntilMs: Math.max(own.keepUntilMs, claim.keepUntilMs) }, to);
  else putReservation(s, merchantNumber, { admissionId, keyHash, state: to, entries: null, keepUntilMs: claim.keepUntilMs });
  releaseOthers(s, merchantNumber, keyHash);
}
