import type { AdmittedFact } from '../ports/journal.ts';
import { type CheckpointEntry, type CommittedSum, type Entry, windowKey } from './record.ts';

/**
 * What a checkpoint sums up: this journal's admissions without an outcome, and the committed sums of those with one.
 * Outcomes of foreign admissions, and successes that come after a failure, stay single records.
 */
export type Ledger = {
  /** Takes over a record that is on the disk, in order. */
  readonly apply: (entry: Entry) => void;
  /** Open admissions whose key is still kept, and sums of windows that have not ended. */
  readonly summary: (nowMs: number) => Pick<CheckpointEntry, 'open' | 'committed'>;
};

export function createLedger(): Ledger {
  const open = new Map<string, AdmittedFact>();
  const committed = new Map<string, CommittedSum>();

  const commit = (admission: AdmittedFact): void => {
    for (const entry of admission.reservation) {
      const key = windowKey(entry);
      const sum = (committed.get(key)?.sum ?? 0) + entry.add;
      committed.set(key, { counter: entry.counter, windowEndsMs: entry.windowEndsMs, sum });
    }
  };

  const restore = (checkpoint: CheckpointEntry): void => {
    open.clear();
    committed.clear();
    for (const fact of checkpoint.open) if (fact.type === 'admitted') open.set(fact.admissionId, fact);
    for (const sum of checkpoint.committed) committed.set(windowKey(sum), sum);
  };

  const apply = (entry: Entry): void => {
    switch (entry.type) {
      case 'checkpoint':
        restore(entry);
        return;
      case 'admitted':
        open.set(entry.admissionId, entry);
        return;
      case 'voided':
        open.delete(entry.admissionId);
        return;
      case 'outcome': {
        const admission = open.get(entry.admissionId);
        if (!admission) return;
        open.delete(entry.admissionId);
        if (entry.outcome === 'succeeded') commit(admission);
      }
    }
  };

  const summary = (nowMs: number): Pick<CheckpointEntry, 'open' | 'committed'> => {
    for (const [id, fact] of open) if (fact.keepUntilMs <= nowMs) open.delete(id);
    for (const [key, sum] of committed) if (sum.windowEndsMs <= nowMs) committed.delete(key);
    return { open: [...open.values()], committed: [...committed.values()] };
  };

  return { apply, summary };
}
