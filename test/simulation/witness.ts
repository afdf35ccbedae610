import type { Memory } from '../../src/admission/model.ts';
import type { AdmitCommand, Decision } from '../../src/ports/store.ts';

/** A business order's key, as the witness follows it. */
export type KeyRecord = {
  readonly name: string;
  readonly merchantNumber: string;
  readonly orderNo: string;
  readonly keyHash: string;
  /** Successful executions. */
  executed: number;
  /** Number of the admission that ran. */
  executedOf: number;
  /** Amount of the execution that began and may have succeeded, fen. */
  begunFen: number;
  /** Whether it is refused, as far as the core remembers. */
  refused: boolean;
  readonly said: Set<'succeeded' | 'failed'>;
  /** Number of the admission after which it was said that nothing ran. */
  notExecutedAfter: number;
  newKeySaid: boolean;
  paymentNo: string | undefined;
};

/** Bytes that may still make the core begin. */
type Sent = { readonly key: string; readonly amountFen: number; readonly untilMs: number };

export type Witness = {
  readonly registerKey: (derivedKey: string, record: Pick<KeyRecord, 'name' | 'merchantNumber' | 'orderNo' | 'keyHash'>) => void;
  readonly registerRequest: (requestId: string, name: string) => void;
  readonly nameOf: (derivedKey: string | undefined) => string;
  readonly requestName: (requestId: string) => string;
  /** A few words about a command to the store. */
  readonly about: (command: unknown) => string;
  readonly ran: (name: string, command: unknown, result: unknown) => void;
  readonly storeLost: () => void;
  readonly sent: (derivedKey: string, requestId: string, amountFen: number, untilMs: number) => void;
  readonly arrived: (requestId: string) => void;
  readonly begun: (derivedKey: string, requestId: string, amountFen: number, merchantNumber: string) => void;
  readonly executed: (derivedKey: string, requestId: string, succeeded: boolean) => void;
  /** The core gave an answer again. */
  readonly repeated: () => void;
  /** An answer left a gateway. */
  readonly said: (derivedKey: string, requestId: string, what: Said) => void;
  readonly alarm: (alarm: string) => void;
  readonly wrong: (what: string) => void;
  /** The first broken invariant. */
  readonly violation: () => string | undefined;
  /** What must hold after every step. */
  readonly check: (memory: Memory, nowMs: number) => void;
  /** What must hold when everything is quiet and resolved; the sentences that do not. */
  readonly whenQuiet: (memory: Memory) => string | undefined;
  readonly isResolved: (memory: Memory) => boolean;
  /** What happened, for the proof that the simulation reaches what it is about. */
  readonly counts: Map<string, number>;
};

/** What an answer says about its key. */
export type Said =
  | { readonly kind: 'succeeded'; readonly paymentNo: string }
  | { readonly kind: 'failed' }
  | { readonly kind: 'notExecuted' }
  | { readonly kind: 'unknown'; readonly code: string };

const CONTRADICTIONS = /success after failure|failure after success|the core now says|may have run twice|had told as succeeded/;

/** The observer who sees everything, and the invariants of the executable specification (contract.md section 13). */
export function createWitness(limitFen: number): Witness {
  const keys = new Map<string, KeyRecord>();
  const requests = new Map<string, string>();
  const hashes = new Map<string, string>();
  const accepted = new Map<string, string>();
  const admittedAt = new Map<string, number>();
  /** How many admissions there were when a request was decided: its refusal speaks of that moment. */
  const decidedAt = new Map<string, number>();
  const underWay = new Map<string, Sent>();
  const counts = new Map<string, number>();
  let admissions = 0;
  let lost = false;
  let violation: string | undefined;

  const count = (what: string) => counts.set(what, (counts.get(what) ?? 0) + 1);
  const wrong = (what: string) => {
    violation ??= what;
  };
  const nameOf = (derivedKey: string | undefined) => keys.get(derivedKey ?? '')?.name ?? '?';
  const requestName = (requestId: string) => requests.get(requestId) ?? requestId;
  const keyOf = (derivedKey: string) => keys.get(derivedKey) as KeyRecord;
  const executedFen = (merchantNumber: string) =>
    [...keys.values()]
      .filter((key) => key.merchantNumber === merchantNumber && key.executed > 0)
      .reduce((sum, { begunFen }) => sum + begunFen, 0);

  const admitted = (command: AdmitCommand, decision: Decision) => {
    count(`admit: ${decision.kind}`);
    if (['rebuilding', 'voided', 'nonce'].includes(decision.kind)) return;
    const before = accepted.get(command.nonce);
    if (before !== undefined && before !== command.admissionId) wrong('(5) a nonce was accepted twice');
    accepted.set(command.nonce, command.admissionId);
    const requestId = command.claim?.resolve.requestId as string;
    if (decision.kind === 'admitted') {
      admissions += 1;
      admittedAt.set(requestId, admissions);
    }
    decidedAt.set(requestId, admissions);
  };

  /** Executed, or begun, or under way with an assertion that is still good: by key, the amount that may move. */
  const exposureOf = (merchantNumber: string, nowMs: number): number => {
    const fen = new Map<string, number>();
    for (const [derivedKey, key] of keys) {
      if (key.merchantNumber === merchantNumber && key.begunFen > 0 && !key.refused) fen.set(derivedKey, key.begunFen);
    }
    for (const { key, amountFen, untilMs } of underWay.values()) {
      if (keyOf(key).merchantNumber === merchantNumber && untilMs > nowMs && !fen.has(key) && !keyOf(key).refused) fen.set(key, amountFen);
    }
    return [...fen.values()].reduce((sum, each) => sum + each, 0);
  };

  const merchants = () => new Set([...keys.values()].map(({ merchantNumber }) => merchantNumber));

  const checkSums = (memory: Memory, merchantNumber: string) => {
    for (const { committed, reserved } of memory.slots.get(merchantNumber)?.totals.values() ?? []) {
      if (committed < 0n || reserved < 0n) wrong('(3) a counter below zero');
      if (committed > BigInt(limitFen)) wrong('(2) committed above the limit');
      if (!lost && committed + reserved > BigInt(limitFen)) wrong('(2) committed + reserved above the limit');
    }
  };

  const said: Witness['said'] = (derivedKey, requestId, what) => {
    const key = keyOf(derivedKey);
    count(`said: ${what.kind === 'unknown' ? what.code : what.kind}`);
    if (what.kind === 'succeeded') {
      key.said.add('succeeded');
      if (key.executed === 0) wrong('(6) said succeeded, but the key has not run');
      key.paymentNo ??= what.paymentNo;
      if (key.paymentNo !== what.paymentNo) wrong('(6) two successes of one key differ');
    }
    if (what.kind === 'failed') {
      key.said.add('failed');
      key.newKeySaid = true;
      if (key.executed > 0) wrong('(4) said retry: new_key, but the key has run');
    }
    if (what.kind === 'notExecuted') {
      const at = decidedAt.get(requestId) ?? admissions;
      key.notExecutedAfter = Math.max(key.notExecutedAfter, at);
      if (key.executed > 0 && key.executedOf <= at) wrong('(4) said not_executed, but the key has run');
    }
    if (key.said.size > 1) wrong('(6) two final answers of one key differ');
  };

  const executed: Witness['executed'] = (derivedKey, requestId, succeeded) => {
    const key = keyOf(derivedKey);
    count(succeeded ? 'core: executed' : 'core: refused');
    if (!succeeded) {
      key.refused = true;
      return;
    }
    key.refused = false;
    key.executed += 1;
    key.executedOf = admittedAt.get(requestId) ?? 0;
    if (key.executed > 1) wrong('(1) the core executed one derived key twice');
    if (key.newKeySaid) wrong('(4) an answer said retry: new_key, and then the key ran');
    if (key.executedOf <= key.notExecutedAfter) wrong('(4) an answer said not_executed, and then an earlier delivery of the key ran');
    const ofOrder = [...keys.values()].filter((other) => other.orderNo === key.orderNo && other.executed > 0);
    if (ofOrder.length > 1) wrong('(1b) one business order was executed twice');
    if (executedFen(key.merchantNumber) > limitFen) wrong('(2) the core has executed more than the limit');
  };

  const stateIn = (memory: Memory, key: KeyRecord) => memory.slots.get(key.merchantNumber)?.claims.get(key.keyHash);

  return {
    registerKey: (derivedKey, record) => {
      const fresh = {
        executed: 0,
        executedOf: 0,
        begunFen: 0,
        refused: false,
        notExecutedAfter: 0,
        newKeySaid: false,
        paymentNo: undefined,
      };
      keys.set(derivedKey, { ...record, ...fresh, said: new Set() });
      hashes.set(record.keyHash, record.name);
    },
    registerRequest: (requestId, name) => requests.set(requestId, name),
    nameOf,
    requestName,
    about: (command) => aboutCommand((command ?? {}) as Named, hashes),
    ran: (name, command, result) => {
      if (name === 'admit') admitted(command as AdmitCommand, result as Decision);
      else if (typeof result === 'string' || typeof result === 'boolean') count(`${name}: ${result}`);
      else if (name === 'lease') count(`lease: ${result ? 'given' : 'refused'}`);
    },
    storeLost: () => {
      lost = true;
      count('store lost');
    },
    sent: (key, requestId, amountFen, untilMs) => underWay.set(requestId, { key, amountFen, untilMs }),
    arrived: (requestId) => underWay.delete(requestId),
    begun: (derivedKey, _requestId, amountFen) => {
      keyOf(derivedKey).begunFen = amountFen;
      keyOf(derivedKey).refused = false;
    },
    executed,
    repeated: () => count('core: repeated'),
    said,
    alarm: (alarm) => {
      count(`alarm: ${alarm.replace(/ [\d-]+ .*/, '')}`);
      if (CONTRADICTIONS.test(alarm)) wrong(`(2) late or contradictory news, though the core keeps its part: ${alarm}`);
    },
    wrong,
    violation: () => violation,
    check: (memory, nowMs) => {
      for (const merchantNumber of merchants()) {
        checkSums(memory, merchantNumber);
        if (exposureOf(merchantNumber, nowMs) > limitFen) wrong('(2) the core has executed or may still execute more than the limit');
      }
    },
    isResolved: (memory) =>
      [...memory.slots.values()].every(
        ({ claims, reservations }) =>
          [...claims.values()].every(({ state }) => state === 'final') && [...reservations.values()].every(({ state }) => state !== 'open'),
      ),
    whenQuiet: (memory) => {
      for (const merchantNumber of merchants()) {
        const totals = [...(memory.slots.get(merchantNumber)?.totals.values() ?? [])];
        const committed = totals.reduce((sum, total) => sum + total.committed, 0n);
        const ran = executedFen(merchantNumber);
        if (committed !== BigInt(ran)) return `(3) quiet and resolved, but committed is ${committed} and the core's ledger says ${ran}`;
        if (totals.some(({ reserved }) => reserved !== 0n)) return '(3) quiet and resolved, but something is still reserved';
      }
      for (const key of keys.values()) {
        const claim = stateIn(memory, key);
        if (key.executed > 0 && !claim) return `(3) ${key.name} ran and has no claim`;
        if (claim && (claim.outcome === 'succeeded') !== key.executed > 0) return `(3) the claim of ${key.name} and the core differ`;
        if (key.said.size > 0 && !claim) return `(6) a final answer of ${key.name} was given, and its claim is gone`;
      }
      return undefined;
    },
    counts,
  };
}

type Named = Partial<Record<'admissionId' | 'keyHash' | 'outcome' | 'instance', string>> & {
  readonly claim?: { readonly keyHash: string };
};

function aboutCommand({ admissionId, keyHash, outcome, instance, claim }: Named, hashes: ReadonlyMap<string, string>): string {
  const hash = keyHash ?? claim?.keyHash;
  const given = [admissionId, hash && hashes.get(hash), outcome, instance].filter((word) => word !== undefined);
  return given.length === 0 ? '' : `(${given.join(' ')})`;
}
