import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import type { AdmittedFact, Fact } from '../../src/ports/journal.ts';
import type { AdmitCommand, Decision, RateStep, SettleCommand, SettleResult, Store, TotalStep } from '../../src/ports/store.ts';

/** Opens an empty store for one test; `dispose` closes it and removes what it left. */
export type OpenStore = () => Promise<{ readonly store: Store; readonly dispose: () => Promise<void> }>;

/** The present, since a server may count lifetimes by its own clock; everything else is counted from here. */
export const NOW = Math.floor(Date.now() / 1000) * 1000;
export const DAY = 86_400_000;
export const FIRST = '800000000000001';
export const SECOND = '800000000000002';
export const COUNTER = 'total:amount:merchant:*:day:2026-11-03:CNY';

export const total = (add: number, max: number, counter = COUNTER): TotalStep => ({
  counter,
  add,
  max,
  windowEndsMs: NOW + DAY,
  code: 'LIMIT_DAILY_AMOUNT',
});

/** `allow` requests per second with bursts of `burst`. */
export const rate = (allow: number, burst: number, counter = 'rate:merchant:*:1000'): RateStep => {
  const incrementUs = Math.ceil(1_000_000 / allow);
  return { counter, incrementUs, toleranceUs: incrementUs * burst };
};

export const resolveOf = (id: string) => ({
  operationId: 'executions.get',
  requestId: `request-${id}`,
  derivedKey: `derived-${id}`,
  parameters: { derivedKey: `derived-${id}` },
  repeat: { '/body/amountFen': 100, '/body/currency': 'CNY' },
});

type Changes = Omit<Partial<AdmitCommand>, 'claim'> & {
  readonly key?: string;
  readonly fingerprint?: string;
  readonly otherFingerprints?: readonly string[];
  readonly claimless?: boolean;
};

/** An admission `id` under the key `key-ID`, that passes unless changed. */
export function admission(id: string, { key, fingerprint, otherFingerprints, claimless, ...changes }: Changes = {}): AdmitCommand {
  const nowMs = changes.nowMs ?? NOW;
  const claim = {
    keyHash: key ?? `key-${id}`,
    fingerprint: fingerprint ?? 'print-1',
    ...(otherFingerprints && { otherFingerprints }),
    expiresAtMs: nowMs + 20_000,
    deadlineMs: nowMs + 25_000,
    keepUntilMs: nowMs + 180 * DAY,
    resolve: resolveOf(id),
  };
  return {
    merchantNumber: FIRST,
    admissionId: id,
    epoch: 'e1',
    nowMs,
    nonce: `nonce-${id}`,
    nonceUntilMs: nowMs + 660_000,
    rates: [],
    barred: false,
    concurrency: [],
    concurrencyUntilMs: nowMs + 25_000,
    totals: [],
    ...(claimless ? {} : { claim }),
    ...changes,
  };
}

/** The `admitted` record of an admission. */
export function admittedFact(command: AdmitCommand): AdmittedFact {
  assert.ok(command.claim);
  const { merchantNumber, admissionId, nonce, nonceUntilMs, claim, totals } = command;
  const reservation = totals.map(({ counter, add, windowEndsMs }) => ({ counter, add, windowEndsMs }));
  return { type: 'admitted', merchantNumber, admissionId, nonce, nonceUntilMs, ...claim, reservation };
}

export const outcomeFact = (admissionId: string, outcome: 'succeeded' | 'failed', key = `key-${admissionId}`): Fact => ({
  type: 'outcome',
  merchantNumber: FIRST,
  admissionId,
  keyHash: key,
  outcome,
  by: 'answered',
});

export const voidedFact = (admissionId: string, key = `key-${admissionId}`): Fact => ({
  type: 'voided',
  merchantNumber: FIRST,
  admissionId,
  keyHash: key,
});

export const nonceFact = (admissionId: string): Fact => ({
  type: 'nonce',
  merchantNumber: FIRST,
  admissionId,
  nonce: `nonce-${admissionId}`,
  nonceUntilMs: NOW + 660_000,
});

/** Begins an epoch, lets one instance report and opens it for these merchants. */
export async function openEpoch(store: Store, epoch: string, merchantNumbers: readonly string[], previous?: string): Promise<void> {
  assert.equal(await store.beginEpoch({ epoch, ...(previous === undefined ? {} : { previous }) }), true);
  await store.report({ epoch, instance: 'gateway-1', closedUntilMs: 0 });
  assert.equal(await store.openEpoch({ epoch, instances: ['gateway-1'], merchantNumbers, nowMs: NOW }), true);
}

/** A store with the epoch `e1` open for two merchants, and its commands with the tests' defaults. */
export type World = {
  readonly store: Store;
  readonly admit: (id: string, changes?: Changes) => Promise<Decision>;
  readonly void: (id: string, changes?: { key?: string; epoch?: string }) => Promise<boolean>;
  readonly hold: (id: string, changes?: { key?: string; epoch?: string; nextAskMs?: number; answer?: Buffer }) => Promise<boolean>;
  readonly settle: (
    id: string,
    outcome: 'succeeded' | 'failed',
    changes?: Partial<SettleCommand> & { key?: string },
  ) => Promise<SettleResult>;
  readonly replay: (facts: readonly Fact[], epoch?: string) => Promise<void>;
  /** Committed and reserved of a counter of the first merchant. */
  readonly sums: (counter?: string) => Promise<readonly [number, number]>;
  readonly claim: (key: string) => ReturnType<Store['findClaim']>;
};

export async function openWorld(t: TestContext, open: OpenStore): Promise<World> {
  const { store, dispose } = await open();
  t.after(dispose);
  await openEpoch(store, 'e1', [FIRST, SECOND]);
  return worldOf(store);
}

export function worldOf(store: Store): World {
  const named = (id: string, key?: string) => ({ merchantNumber: FIRST, admissionId: id, keyHash: key ?? `key-${id}`, nowMs: NOW });
  return {
    store,
    admit: (id, changes) => store.admit(admission(id, changes)),
    void: (id, { key, epoch = 'e1' } = {}) => store.void({ ...named(id, key), epoch }),
    hold: (id, { key, epoch = 'e1', nextAskMs = NOW + 1000, answer } = {}) =>
      store.hold({ ...named(id, key), epoch, nextAskMs, ...(answer ? { answer, answerUntilMs: NOW + DAY } : {}) }),
    settle: (id, outcome, { key, ...changes } = {}) =>
      store.settle({ ...named(id, key), epoch: 'e1', outcome, ...(changes.answer ? { answerUntilMs: NOW + DAY } : {}), ...changes }),
    replay: (facts, epoch = 'e1') => store.replay({ merchantNumber: FIRST, epoch, nowMs: NOW, facts }),
    sums: async (counter = COUNTER) => {
      const [use] = await store.usage({ merchantNumber: FIRST, counters: [counter] });
      assert.equal(use?.counter, counter);
      return [use.committed, use.reserved];
    },
    claim: (keyHash) => store.findClaim({ merchantNumber: FIRST, keyHash }),
  };
}
