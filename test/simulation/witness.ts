import type { Memory } from '../../src/admission/model.ts';
import type { AdmitCommand, Decision, SettleCommand } from '../../src/ports/store.ts';
import { createReservations } from './reservations.ts';
import { createSums } from './sums.ts';

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
  /** The request that began, and the one whose execution succeeded. */
  begunBy: string;
  executedBy: string;
  /** Whether it is refused, as far as the core remembers. */
  refused: boolean;
  readonly said: Set<'succeeded' | 'failed'>;
  /** Number of the admission after which it was said that nothing ran. */
  notExecutedAfter: number;
  newKeySaid: boolean;
  paymentNo: string | undefined;
  /** An operator called it failed while the core was still about it: what follows from that is his. */
  misjudged: boolean;
};

/** Bytes that may still make the core begin. */
type Sent = { readonly key: string; readonly untilMs: number };

export type Witness = {
  readonly registerKey: (derivedKey: string, record: Pick<KeyRecord, 'name' | 'merchantNumber' | 'orderNo' | 'keyHash'>) => void;
  readonly keyOf: (merchantNumber: string, keyHash: string) => { readonly derivedKey: string; readonly name: string } | undefined;
  readonly find: (derivedKey: string) => KeyRecord;
  readonly misjudged: (derivedKey: string) => void;
  readonly registerRequest: (requestId: string, name: string) => void;
  readonly nameOf: (derivedKey: string | undefined) => string;
  readonly requestName: (requestId: string) => string;
  /** A few words about a command to the store. */
  readonly about: (command: unknown) => string;
  readonly ran: (name: string, command: unknown, result: unknown) => void;
  readonly storeLost: () => void;
  readonly sent: (derivedKey: string, requestId: string, untilMs: number) => void;
  readonly arrived: (requestId: string) => void;
  readonly begun: (derivedKey: string, requestId: string) => void;
  readonly executed: (derivedKey: string, requestId: string, succeeded: boolean) => void;
  /** The core gave an answer again. */
  readonly repeated: () => void;
  /** An answer left a gateway. */
  readonly said: (derivedKey: string, requestId: string, what: Said) => void;
  readonly alarm: (alarm: string, facts: Readonly<Record<string, unknown>>) => void;
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
  readonly count: (what: string) => void;
};

/** What an answer says about its key. */
export type Said =
  | { readonly kind: 'succeeded'; readonly paymentNo: string }
  | { readonly kind: 'failed' }
  | { readonly kind: 'notExecuted' }
  | { readonly kind: 'unknown'; readonly code: string };

const CONTRADICTIONS = /success after failure|failure after success|the core now says|may have run twice|had told as succeeded/;

/** What changes sums and reservations. */
const WRITING: ReadonlySet<string> = new Set(['admit', 'settle', 'void', 'hold', 'replay']);

/** The observer who sees everything, and the invariants of the executable specification (contract.md section 13). */
export function createWitness(): Witness {
  const keys = new Map<string, KeyRecord>();
  const requests = new Map<string, string>();
  const hashes = new Map<string, string>();
  const byAdmission = new Map<string, string>();
  const sums = createSums();
  const accepted = new Map<string, string>();
  const reservations = createReservations();
  const admittedAt = new Map<string, number>();
  /** How many admissions there were when a request was decided: its refusal speaks of that moment. */
  const decidedAt = new Map<string, number>();
  const underWay = new Map<string, Sent>();
  const counts = new Map<string, number>();
  let admissions = 0;
  let lost = false;
  /** Whether anything happened since the last look that could break what must hold after every step. */
  let touched = true;
  let violation: string | undefined;

  const count = (what: string) => counts.set(what, (counts.get(what) ?? 0) + 1);
  const wrong = (what: string) => {
    violation ??= what;
  };
  const nameOf = (derivedKey: string | undefined) => keys.get(derivedKey ?? '')?.name ?? '?';
  const requestName = (requestId: string) => requests.get(requestId) ?? requestId;
  const keyOf = (derivedKey: string) => keys.get(derivedKey) as KeyRecord;

  const admitted = (command: AdmitCommand, decision: Decision) => {
    count(`admit: ${decision.kind}`);
    sums.asked(command);
    byAdmission.set(command.admissionId, command.claim?.keyHash ?? '');
    if (decision.kind === 'admitted' && decision.exceeded) count('admit: on trial, would be refused');
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

  /** Of each key that ran, or has begun, or is under way with an assertion that is still good: the request that moves it. */
  const exposed = (nowMs: number): Iterable<string> => {
    const moving = new Map<string, string>();
    for (const [derivedKey, key] of keys) if (key.begunBy && !key.refused && !key.misjudged) moving.set(derivedKey, key.begunBy);
    for (const [requestId, { key, untilMs }] of underWay) {
      const { refused, misjudged } = keyOf(key);
      if (untilMs > nowMs && !moving.has(key) && !refused && !misjudged) moving.set(key, requestId);
    }
    return moving.values();
  };

  const said: Witness['said'] = (derivedKey, requestId, what) => {
    const key = keyOf(derivedKey);
    if (key.misjudged) return;
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
    key.executedBy = requestId;
    if (key.executed > 1) wrong('(1) the core executed one derived key twice');
    if (key.misjudged) return;
    if (key.newKeySaid) wrong('(4) an answer said retry: new_key, and then the key ran');
    if (key.executedOf <= key.notExecutedAfter) wrong('(4) an answer said not_executed, and then an earlier delivery of the key ran');
    const ofOrder = [...keys.values()].filter((other) => other.orderNo === key.orderNo && other.executed > 0 && !other.misjudged);
    if (ofOrder.length > 1) wrong('(1b) one business order was executed twice');
  };

  const isMisjudged = (keyHash: string) => [...keys.values()].some((key) => key.keyHash === keyHash && key.misjudged);
  const late = ({ keyHash, admissionId }: SettleCommand) => {
    count('settle: late');
    if (isMisjudged(keyHash)) sums.late(admissionId);
  };

  const stateIn = (memory: Memory, key: KeyRecord) => memory.slots.get(key.merchantNumber)?.claims.get(key.keyHash);

  /** An operator was wrong, and nobody has told the gateway since. */
  const isForgotten = (memory: Memory, key: KeyRecord) => key.misjudged && stateIn(memory, key)?.outcome === 'failed';

  return {
    registerKey: (derivedKey, record) => {
      const fresh = {
        executed: 0,
        executedOf: 0,
        executedBy: '',
        begunBy: '',
        misjudged: false,
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
    find: keyOf,
    keyOf: (merchantNumber, keyHash) => {
      for (const [derivedKey, key] of keys)
        if (key.keyHash === keyHash && key.merchantNumber === merchantNumber) return { derivedKey, name: key.name };
      return undefined;
    },
    misjudged: (derivedKey) => {
      keyOf(derivedKey).misjudged = true;
    },
    requestName,
    about: (command) => aboutCommand((command ?? {}) as Named, hashes),
    ran: (name, command, result) => {
      touched ||= WRITING.has(name);
      if (name === 'admit') admitted(command as AdmitCommand, result as Decision);
      else if (name === 'settle' && result === 'late') late(command as SettleCommand);
      else if (typeof result === 'string' || typeof result === 'boolean') count(`${name}: ${result}`);
      else if (name === 'lease') count(`lease: ${result ? 'given' : 'refused'}`);
    },
    storeLost: () => {
      lost = true;
      touched = true;
      count('store lost');
    },
    sent: (key, requestId, untilMs) => {
      underWay.set(requestId, { key, untilMs });
      touched = true;
    },
    arrived: (requestId) => underWay.delete(requestId),
    begun: (derivedKey, requestId) => {
      keyOf(derivedKey).begunBy = requestId;
      touched = true;
      keyOf(derivedKey).refused = false;
    },
    executed,
    repeated: () => count('core: repeated'),
    said,
    alarm: (alarm, { admissionId }) => {
      count(`alarm: ${alarm.replace(/ [\d-]+ .*/, '')}`);
      if (CONTRADICTIONS.test(alarm) && !isMisjudged(byAdmission.get(String(admissionId)) ?? ''))
        wrong(`(2) late or contradictory news, though the core keeps its part: ${alarm}`);
    },
    wrong,
    violation: () => violation,
    check: (memory, nowMs) => {
      if (!touched) return;
      touched = false;
      const broken = sums.findBroken(memory, lost) ?? reservations(memory);
      if (broken) wrong(broken);
      const over = sums.findExposed(exposed(nowMs));
      if (over !== undefined) wrong(`(2) the core has executed or may still execute more than the limit: ${over}`);
    },
    isResolved: (memory) =>
      [...memory.slots.values()].every(
        ({ claims, reservations }) =>
          [...claims.values()].every(({ state }) => state === 'final') && [...reservations.values()].every(({ state }) => state !== 'open'),
      ),
    whenQuiet: (memory) => {
      const unequal = sums.findUnequal(
        memory,
        [...keys.values()].flatMap((key) => (key.executed > 0 && !isForgotten(memory, key) ? [key.executedBy] : [])),
      );
      if (unequal) return unequal;
      for (const key of keys.values()) {
        const claim = stateIn(memory, key);
        if (isForgotten(memory, key)) continue;
        if (key.executed > 0 && !claim) return `(3) ${key.name} ran and has no claim`;
        if (claim && (claim.outcome === 'succeeded') !== key.executed > 0) return `(3) the claim of ${key.name} and the core differ`;
        if (key.said.size > 0 && !claim) return `(6) a final answer of ${key.name} was given, and its claim is gone`;
      }
      return undefined;
    },
    counts,
    count,
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
