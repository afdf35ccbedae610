import { decideGcra, describeGcra } from '../../lib/gcra.ts';
import type { ReservationEntry, ResolveInputs } from '../../ports/journal.ts';
import type { AdmitCommand, ClaimView, Decision, Exceeded, Levels, RateState, Usage } from '../../ports/store.ts';
import type { FinalOutcome } from '../../protocol/outcome.ts';

type Text = Buffer | null | undefined;
const NO_RESOLVE: ResolveInputs = { operationId: '', requestId: '', derivedKey: '', parameters: {}, repeat: {} };
const SUM_MAX = BigInt(Number.MAX_SAFE_INTEGER);

/** A sum as it is read: exact up to 2^53 - 1. */
function readSum(text: Text): number {
  const sum = BigInt(String(text ?? 0));
  return Number(sum > SUM_MAX ? SUM_MAX : sum);
}

/** The claim as `viewOf` of claim.lua shows it. */
export function readClaim(keyHash: string, reply: unknown): ClaimView {
  const fields = reply as readonly Text[];
  const [fingerprint, state, outcome, admissionId, admissionIds, expiresAtMs, deadlineMs, resolve, fence, entries, answer] = fields;
  return {
    keyHash,
    fingerprint: String(fingerprint),
    state: String(state) as ClaimView['state'],
    ...(outcome ? { outcome: String(outcome) as FinalOutcome } : {}),
    admissionId: String(admissionId),
    admissionIds: admissionIds ? (JSON.parse(String(admissionIds)) as string[]) : [String(admissionId)],
    expiresAtMs: Number(expiresAtMs),
    deadlineMs: Number(deadlineMs),
    resolve: resolve ? (JSON.parse(String(resolve)) as ResolveInputs) : NO_RESOLVE,
    ...(answer ? { answer } : {}),
    reservation: entries ? (JSON.parse(String(entries)) as ReservationEntry[]) : [],
    fence: Number(fence ?? 0),
  };
}

/** The reply of admit.lua to this command. */
export function readDecision(command: AdmitCommand, reply: unknown): Decision {
  const [kindText, detail, committed, reserved, decidedAtMs, arrivalsUs, claim] = reply as [
    Buffer,
    Text,
    Text,
    Text,
    Text,
    Text[],
    unknown,
  ];
  const kind = String(kindText) as Decision['kind'];
  if (kind === 'rebuilding' || kind === 'voided' || kind === 'nonce') return { kind };
  const rates = readRates(command, kind === 'rate', arrivalsUs, Number(decidedAtMs));
  switch (kind) {
    case 'rate':
    case 'concurrency':
      return { kind, index: Number(detail), rates };
    case 'total':
      return { kind, index: Number(detail), committed: readSum(committed), reserved: readSum(reserved), rates };
    case 'inFlight':
      return { kind, deadlineMs: Number(detail), rates };
    case 'unknown':
    case 'final':
      return { kind, claim: readClaim(command.claim?.keyHash ?? '', claim), rates };
    case 'mismatch':
    case 'barred':
      return { kind, rates };
    case 'admitted':
      return { kind, rates, ...readExceeded(String(detail ?? '')) };
  }
}

/** The script tells the arrival times that stand after the step; what they mean is said by the same function as everywhere. */
function readRates({ rates }: AdmitCommand, isShort: boolean, arrivals: readonly Text[], nowMs: number): readonly RateState[] {
  const arrivalsUs = arrivals.map((text) => Math.abs(Number(text)));
  const nowUs = nowMs * 1000;
  if (isShort) return decideGcra(rates, arrivalsUs, nowUs).states;
  return rates.map((step, i) => ({ conforms: !String(arrivals[i]).startsWith('-'), ...describeGcra(step, arrivalsUs[i] ?? 0, nowUs) }));
}

/** Shadow bounds that were passed, as admit.lua lists them: `c0 t1`. */
function readExceeded(passed: string): { readonly exceeded?: Exceeded } {
  if (passed === '') return {};
  const of = (mark: string) =>
    passed
      .split(' ')
      .filter((text) => text.startsWith(mark))
      .map((text) => Number(text.slice(1)));
  return { exceeded: { concurrency: of('c'), totals: of('t') } };
}

/** The reply of usage.lua to these counters. */
export function readUsage(counters: readonly string[], reply: unknown): readonly Usage[] {
  const sums = reply as readonly Text[];
  return counters.map((counter, i) => ({ counter, committed: readSum(sums[2 * i]), reserved: readSum(sums[2 * i + 1]) }));
}

/** The reply of levels.lua: arrival times of `rates` rates, then what runs. */
export function readLevels(rates: number, reply: unknown): Levels {
  const numbers = (reply as readonly (Text | number)[]).map((number) => Number(number ?? 0));
  return { arrivalsUs: numbers.slice(0, rates), running: numbers.slice(rates) };
}

/** Strings of a reply. */
export function readTexts(reply: unknown): readonly string[] {
  return (reply as readonly Buffer[]).map(String);
}
