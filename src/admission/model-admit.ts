import { decideGcra } from '../lib/gcra.ts';
import type { AdmitCommand, Decision, Exceeded, RateState } from '../ports/store.ts';
import { claimOf, expireLease, homeOf, runningIn, type Slot, totalOf, viewOf } from './model-slot.ts';

/** Contract.md section 5, steps 0 to 5, on one slot. */
export function admitInModel(slot: Slot, command: AdmitCommand): Decision {
  if (slot.epoch !== command.epoch) return { kind: 'rebuilding' };
  if (slot.tombstones.has(command.admissionId)) return { kind: 'voided' };
  if (slot.nonces.has(command.nonce)) return repeated(slot, command);
  const decision = decide(slot, command);
  slot.nonces.set(command.nonce, {
    admissionId: command.admissionId,
    decision,
    ...(command.claim ? { keyHash: command.claim.keyHash } : {}),
  });
  return decision;
}

/** The nonce was seen: under this very admission id the same decision holds, its claim shown as it stands now. */
function repeated(slot: Slot, command: AdmitCommand): Decision {
  const seen = slot.nonces.get(command.nonce);
  if (!seen?.decision || seen.admissionId !== command.admissionId) return { kind: 'nonce' };
  if (seen.decision.kind !== 'unknown' && seen.decision.kind !== 'final') return seen.decision;
  const claim = seen.keyHash === undefined ? undefined : slot.claims.get(seen.keyHash);
  return claim ? { ...seen.decision, claim: viewOf(slot, seen.keyHash as string, claim) } : { kind: 'nonce' };
}

function decide(slot: Slot, command: AdmitCommand): Decision {
  const nowUs = command.nowMs * 1000;
  const tatsUs = command.rates.map((step) => homeOf(slot, step.counter).rates.get(step.counter) ?? 0);
  const { taken, states: rates } = decideGcra(command.rates, tatsUs, nowUs);
  if (!taken) return { kind: 'rate', index: rates.findIndex((state, i) => !state.conforms && !command.rates[i]?.shadow), rates };
  for (const [i, step] of command.rates.entries()) homeOf(slot, step.counter).rates.set(step.counter, taken[i] as number);
  return findKnown(slot, command, rates) ?? findRefusal(slot, command, rates) ?? write(slot, command, rates);
}

/** Step 3: the key has a claim already. */
function findKnown(slot: Slot, command: AdmitCommand, rates: readonly RateState[]): Decision | undefined {
  const claim = command.claim && slot.claims.get(command.claim.keyHash);
  if (!command.claim || !claim) return undefined;
  const { fingerprint, otherFingerprints = [] } = command.claim;
  if (claim.fingerprint !== fingerprint && !otherFingerprints.includes(claim.fingerprint)) return { kind: 'mismatch', rates };
  expireLease(claim, command.nowMs);
  if (claim.state === 'inFlight') return { kind: 'inFlight', deadlineMs: claim.deadlineMs, rates };
  return { kind: claim.state, claim: viewOf(slot, command.claim.keyHash, claim), rates };
}

const READ_MAX = BigInt(Number.MAX_SAFE_INTEGER);
/** A sum as it is read: exact up to 2^53 - 1. */
export const readSum = (sum: bigint): number => Number(sum > READ_MAX ? READ_MAX : sum);

/** Step 4: reads everything, writes nothing. */
function findRefusal(slot: Slot, command: AdmitCommand, rates: readonly RateState[]): Decision | undefined {
  if (command.barred) return { kind: 'barred', rates };
  const full = command.concurrency.findIndex(({ counter, max }) => runningIn(slot, counter, command.nowMs) >= max);
  if (full >= 0) return { kind: 'concurrency', index: full, rates };
  const over = command.totals.findIndex((step) => {
    const { committed, reserved } = totalOf(slot, step.counter);
    return committed + reserved + BigInt(step.add) > BigInt(step.max);
  });
  if (over < 0) return undefined;
  const { committed, reserved } = totalOf(slot, command.totals[over]?.counter as string);
  return { kind: 'total', index: over, committed: readSum(committed), reserved: readSum(reserved), rates };
}

/** Shadow bounds that this request passes, by index; undefined when none. */
function findExceeded(slot: Slot, command: AdmitCommand): Exceeded | undefined {
  const concurrency = command.concurrency.flatMap(({ counter, shadowMax }, i) =>
    shadowMax !== undefined && runningIn(slot, counter, command.nowMs) >= shadowMax ? [i] : [],
  );
  const totals = command.totals.flatMap(({ counter, add, shadowMax }, i) => {
    const { committed, reserved } = totalOf(slot, counter);
    return shadowMax !== undefined && committed + reserved + BigInt(add) > BigInt(shadowMax) ? [i] : [];
  });
  return concurrency.length + totals.length > 0 ? { concurrency, totals } : undefined;
}

/** Step 5. */
function write(slot: Slot, command: AdmitCommand, rates: readonly RateState[]): Decision {
  const exceeded = findExceeded(slot, command);
  for (const { counter } of command.concurrency) {
    const { concurrency } = homeOf(slot, counter);
    const entries = concurrency.get(counter) ?? new Map<string, number>();
    concurrency.set(counter, entries.set(command.admissionId, command.concurrencyUntilMs));
  }
  if (command.claim) {
    const { keyHash } = command.claim;
    slot.claims.set(keyHash, claimOf(command, command.claim));
    const entries = command.totals.map(({ counter, add, windowEndsMs }) => ({ counter, add, windowEndsMs }));
    slot.reservations.set(command.admissionId, { keyHash, state: 'open', entries });
    for (const { counter, add } of entries) totalOf(slot, counter).reserved += BigInt(add);
  }
  return { kind: 'admitted', rates, ...(exceeded ? { exceeded } : {}) };
}
