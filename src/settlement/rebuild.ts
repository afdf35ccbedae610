import type { Fact, Journal } from '../ports/journal.ts';
import type { Store } from '../ports/store.ts';

/** A journal of an instance that is not running now: its facts are replayed by whoever starts on this host. */
export type DeadJournal = {
  readonly instance: string;
  readonly cleanlyClosed: boolean;
  readonly lastRecordAtMs: number;
  readonly facts: () => AsyncIterable<Fact>;
};

/** How long a slot stays closed for nonces that a lost journal may have held: twice the time window (contract.md section 8). */
export const NONCE_CLOSURE_MS = 600_000;

const BATCH = 500;

/** Facts that can no longer matter: a nonce out of its window, everything of a claim that is no longer kept. */
const isStale = (fact: Fact, nowMs: number): boolean => fact.type === 'nonce' && fact.nonceUntilMs <= nowMs;

/** Gives facts back to the store, each merchant's in journal order. Idempotent: the store counts an admission once by its id. Returns the merchants seen. */
export async function replayFacts(store: Store, epoch: string, facts: AsyncIterable<Fact>, nowMs: () => number): Promise<Set<string>> {
  const batches = new Map<string, Fact[]>();
  const merchants = new Set<string>();
  const flush = async (merchantNumber: string, batch: Fact[]) => {
    await store.replay({ merchantNumber, epoch, nowMs: nowMs(), facts: batch });
  };
  for await (const fact of facts) {
    merchants.add(fact.merchantNumber);
    if (isStale(fact, nowMs())) continue;
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
  readonly journal: Journal;
  readonly deadJournals: () => Promise<{ readonly journals: readonly DeadJournal[]; readonly release: () => Promise<void> }>;
  /** Whether the store was lost; then the unclean end of a process closes the slots for its nonces. */
  readonly storeLost: boolean;
  /** When this process's own journal was last written by an earlier boot that ended uncleanly; undefined when it ended well. */
  readonly ownUncleanEndMs: number | undefined;
  readonly nowMs: () => number;
};

/** Replays this process's journal and those of dead instances of this host, and reports each for the epoch. Returns the merchants seen. */
export async function reportTo(options: ReportOptions): Promise<Set<string>> {
  const { store, epoch, instance, journal, storeLost, ownUncleanEndMs, nowMs } = options;
  const closure = (uncleanEndMs: number | undefined) =>
    storeLost && uncleanEndMs !== undefined ? Math.max(nowMs(), uncleanEndMs) + NONCE_CLOSURE_MS : 0;
  const merchants = await replayFacts(store, epoch, journal.facts(), nowMs);
  const dead = await options.deadJournals();
  try {
    for (const other of dead.journals) {
      for (const merchantNumber of await replayFacts(store, epoch, other.facts(), nowMs)) merchants.add(merchantNumber);
      await store.report({
        epoch,
        instance: other.instance,
        closedUntilMs: closure(other.cleanlyClosed ? undefined : other.lastRecordAtMs),
      });
    }
  } finally {
    await dead.release();
  }
  await store.report({ epoch, instance, closedUntilMs: closure(ownUncleanEndMs) });
  return merchants;
}
