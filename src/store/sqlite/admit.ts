import { decideGcra } from '../../lib/gcra.ts';
import type { AdmitCommand, Decision, Exceeded, RateState } from '../../ports/store.ts';
import { addEntries, expireLease, findClaim, keepUntil, putClaim, putReservation, viewOf } from './claims.ts';
import { arrivalOf, findTotal, ownerOf, runningIn } from './counters.ts';
import type { Statements } from './statements.ts';

/** Contract.md section 5, steps 0 to 5. Runs inside a write transaction. */
export function admit(s: Statements, command: AdmitCommand): Decision {
  const { merchantNumber, admissionId, nonce } = command;
  if (!s.findSlot.get(merchantNumber, command.epoch)) return { kind: 'rebuilding' };
  if (s.findTombstone.get(merchantNumber, admissionId)) return { kind: 'voided' };
  const seen = s.findNonce.get(merchantNumber, nonce) as SeenNonce | undefined;
  if (seen) return repeated(s, command, seen);
  const decision = decide(s, command);
  s.putNonce.run(merchantNumber, nonce, admissionId, command.claim?.keyHash ?? null, textOf(decision), command.nonceUntilMs);
  return decision;
}

type SeenNonce = { readonly admissionId: string; readonly keyHash: string | null; readonly decision: string | null };

/** A claim is not written with the decision: it is shown as it stands when the decision is repeated. */
const textOf = (decision: Decision): string =>
  JSON.stringify('claim' in decision ? { kind: decision.kind, rates: decision.rates } : decision);

function repeated(s: Statements, command: AdmitCommand, seen: SeenNonce): Decision {
  if (seen.decision === null || seen.admissionId !== command.admissionId) return { kind: 'nonce' };
  const decision = JSON.parse(seen.decision) as Decision;
  if (decision.kind !== 'unknown' && decision.kind !== 'final') return decision;
  const claim = seen.keyHash === null ? undefined : findClaim(s, command.merchantNumber, seen.keyHash);
  return claim ? { ...decision, claim: viewOf(s, command.merchantNumber, claim) } : { kind: 'nonce' };
}

function decide(s: Statements, command: AdmitCommand): Decision {
  const { merchantNumber, rates: steps, nowMs } = command;
  const tatsUs = steps.map(({ counter }) => arrivalOf(s, merchantNumber, counter));
  const { taken, states: rates } = decideGcra(steps, tatsUs, nowMs * 1000);
  if (!taken) return { kind: 'rate', index: rates.findIndex(({ conforms }, i) => !conforms && !steps[i]?.shadow), rates };
  for (const [i, { counter }] of steps.entries()) s.putRate.run(ownerOf(merchantNumber, counter), counter, taken[i] as number);
  return findKnown(s, command, rates) ?? findRefusal(s, command, rates) ?? write(s, command, rates);
}

/** Step 3: the key has a claim already. */
function findKnown(s: Statements, command: AdmitCommand, rates: readonly RateState[]): Decision | undefined {
  const claim = command.claim && findClaim(s, command.merchantNumber, command.claim.keyHash);
  if (!claim) return undefined;
  const { fingerprint, otherFingerprints = [] } = command.claim as NonNullable<AdmitCommand['claim']>;
  if (claim.fingerprint !== fingerprint && !otherFingerprints.includes(claim.fingerprint)) return { kind: 'mismatch', rates };
  expireLease(s, command.merchantNumber, claim, command.nowMs);
  if (claim.state === 'inFlight') return { kind: 'inFlight', deadlineMs: claim.deadlineMs, rates };
  return { kind: claim.state, claim: viewOf(s, command.merchantNumber, claim), rates };
}

/** Step 4: reads everything, writes nothing. */
function findRefusal(s: Statements, command: AdmitCommand, rates: readonly RateState[]): Decision | undefined {
  const { merchantNumber, nowMs } = command;
  if (command.barred) return { kind: 'barred', rates };
  for (const [index, { counter, max }] of command.concurrency.entries()) {
    if (runningIn(s, merchantNumber, counter, nowMs) >= max) return { kind: 'concurrency', index, rates };
  }
  for (const [index, { counter, add, max }] of command.totals.entries()) {
    const { committed, reserved } = findTotal(s, merchantNumber, counter);
    // Subtracting keeps every step within 2^53; the sum of three amounts might not.
    if (max - committed - reserved < add) return { kind: 'total', index, committed, reserved, rates };
  }
  return undefined;
}

/** Shadow bounds that this request passes, by index; undefined when none. */
function findExceeded(s: Statements, { merchantNumber, nowMs, ...command }: AdmitCommand): Exceeded | undefined {
  const concurrency = command.concurrency.flatMap(({ counter, shadowMax }, i) =>
    shadowMax !== undefined && runningIn(s, merchantNumber, counter, nowMs) >= shadowMax ? [i] : [],
  );
  const totals = command.totals.flatMap(({ counter, add, shadowMax }, i) => {
    if (shadowMax === undefined) return [];
    const { committed, reserved } = findTotal(s, merchantNumber, counter);
    return shadowMax - committed - reserved < add ? [i] : [];
  });
  return concurrency.length + totals.length > 0 ? { concurrency, totals } : undefined;
}

/** Step 5. */
function write(s: Statements, command: AdmitCommand, rates: readonly RateState[]): Decision {
  const { merchantNumber, admissionId, claim } = command;
  const exceeded = findExceeded(s, command);
  for (const { counter } of command.concurrency) {
    s.putConcurrency.run(ownerOf(merchantNumber, counter), counter, admissionId, command.concurrencyUntilMs);
  }
  if (claim) {
    const entries = command.totals.map(({ counter, add, windowEndsMs }) => ({ counter, add, windowEndsMs }));
    const keepUntilMs = keepUntil(claim.keepUntilMs, entries);
    putClaim(s, merchantNumber, {
      ...claim,
      state: 'inFlight',
      outcome: null,
      admissionId,
      admissionIds: JSON.stringify([admissionId]),
      keepUntilMs,
      resolve: JSON.stringify(claim.resolve),
      answer: null,
      answerUntilMs: null,
      fence: 0,
      leaseUntilMs: 0,
      nextAskMs: claim.deadlineMs,
    });
    putReservation(s, merchantNumber, {
      admissionId,
      keyHash: claim.keyHash,
      state: 'open',
      entries: JSON.stringify(entries),
      keepUntilMs,
    });
    addEntries(s, merchantNumber, entries, { committed: 0, reserved: 1 });
  }
  return { kind: 'admitted', rates, ...(exceeded ? { exceeded } : {}) };
}
