import type { AdmittedFact, Fact } from '../ports/journal.ts';
import type { Store } from '../ports/store.ts';

/** A journal of an instance that is not running now: its facts are replayed by whoever starts on this host. */
export type DeadJournal = {
  readonly instance: string;
  /** See Journal.noncesLostAtMs; of a journal without `closed` at its end, now. */
  readonly noncesLostAtMs: number | undefined;
  readonly facts: () => AsyncIterable<Fact>;
};

/** The dead journals of this host, held until they are released. */
export type DeadJournals = { readonly journals: readonly DeadJournal[]; readonly release: () => Promise<void> };

/**
 * How long after the end of a process the nonces it had sent and not noted could still be replayed: twice the time window
 * (contract.md section 8), and a minute for clocks and for scripts that run late.
 */
export const NONCE_CLOSURE_MS = 660_000;

const BATCH = 500;

/** Whether nothing of an admission is kept any more: its claim, its nonce, its windows. */
const isOver = ({ keepUntilMs, nonceUntilMs, reservation }: AdmittedFact, nowMs: number): boolean =>
  Math.max(keepUntilMs, nonceUntilMs, ...reservation.map(({ windowEndsMs }) => windowEndsMs)) <= nowMs;

/**
 * The facts of a journal in the order in which they are given back: each admission with its outcome, and those without at the
 * end. A voided one comes behind its void, so that only its nonce counts: it holds nothing, and its key is free.
 * Left out is what can no longer matter: nonces out of their window, and admissions that are over and whose outcome is here.
 */
async function* arranged(facts: AsyncIterable<Fact>, nowMs: number): AsyncGenerator<Fact> {
  const open = new Map<string, AdmittedFact>();
  for await (const fact of facts) {
    if (fact.type === 'admitted') open.set(fact.admissionId, fact);
    else if (fact.type !== 'nonce') {
      const admitted = open.get(fact.admissionId);
      open.delete(fact.admissionId);
      if (!admitted) yield fact;
      else if (!isOver(admitted, nowMs)) yield* fact.type === 'voided' ? [fact, admitted] : [admitted, fact];
    } else if (fact.nonceUntilMs > nowMs) yield fact;
  }
  // A claim never becomes free by time: without an outcome it is still asked about, however old.
  yield* open.values();
}

/**
 * Gives facts back to the store, each merchant's in journal order. Idempotent: the store counts an admission once by its
 * id. Returns the merchants of whom something was given.
 */
export async function replayFacts(store: Store, epoch: string, facts: AsyncIterable<Fact>, nowMs: () => number): Promise<Set<string>> {
  const batches = new Map<string, Fact[]>();
  const merchants = new Set<string>();
  const flush = async (merchantNumber: string, batch: Fact[]) => {
    await store.replay({ merchantNumber, epoch, nowMs: nowMs(), facts: batch });
  };
  for await (const fact of arranged(facts, nowMs())) {
    merchants.add(fact.merchantNumber);
    const batch = batches.get(fact.merchantNumber) ?? [];
    batches.set(fact.merchantNumber, batch);
    batch.push(fact);
    if (batch.length < BATCH) continue;
    batches.delete(fact.merchantNumber);
    await flush(fact.merchantNumber, batch);
  }
  for (const [merchantNumber, batch] of batches) await flush(merchantNumber, batch);
  return merchants;
}

export type ReportOptions = {
  readonly store: Store;
  readonly epoch: string;
  readonly instance: string;
  /** Of this process's own journal, as it stood when the process left the old epoch. */
  readonly facts: AsyncIterable<Fact>;
  readonly noncesLostAtMs: number | undefined;
  readonly deadJournals: () => Promise<DeadJournals>;
  /** Whether the store was lost; then nonces that a process lost keep the slots closed until nobody can replay them. */
  readonly storeLost: boolean;
  readonly nowMs: () => number;
};

/** Replays this process's journal and those of dead instances of this host, and reports each for the epoch. Returns the merchants seen. */
export async function reportTo(options: ReportOptions): Promise<Set<string>> {
  const { store, epoch, instance, storeLost, nowMs } = options;
  const report = (name: string, lostAtMs: number | undefined) =>
    store.report({ epoch, instance: name, closedUntilMs: storeLost && lostAtMs !== undefined ? lostAtMs + NONCE_CLOSURE_MS : 0 });
  const merchants = await replayFacts(store, epoch, options.facts, nowMs);
  const dead = await options.deadJournals();
  try {
    for (const other of dead.journals) {
      for (const merchantNumber of await replayFacts(store, epoch, other.facts(), nowMs)) merchants.add(merchantNumber);
      await report(other.instance, other.noncesLostAtMs);
    }
  } finally {
    await dead.release();
  }
  await report(instance, options.noncesLostAtMs);
  return merchants;
}
