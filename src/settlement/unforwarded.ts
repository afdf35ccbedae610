import type { Journal, NonceFact } from '../ports/journal.ts';
import type { AdmitCommand, Decision, Store } from '../ports/store.ts';

/**
 * The admissions of this process that were sent to the store and are in no journal yet. A report to a new epoch must
 * name their nonces, or a replayed request could be accepted twice after a store loss (contract.md section 8).
 */
export type Unforwarded = {
  /** The store, with every admission noted before it is sent. */
  readonly store: Store;
  /** The admission's nonce is in the journal now. */
  readonly journalled: (admissionId: string) => void;
  /** Appends the nonce of every admission that is still only in memory. */
  readonly appendAll: (journal: Journal) => void;
};

export const nonceFactOf = (command: AdmitCommand): NonceFact => ({
  type: 'nonce',
  merchantNumber: command.merchantNumber,
  admissionId: command.admissionId,
  nonce: command.nonce,
  nonceUntilMs: command.nonceUntilMs,
});

export function trackUnforwarded(store: Store): Unforwarded {
  const pending = new Map<string, NonceFact>();
  const admit = (command: AdmitCommand): Promise<Decision> => {
    pending.set(command.admissionId, nonceFactOf(command));
    return store.admit(command);
  };
  return {
    store: { ...store, admit },
    journalled: (admissionId) => pending.delete(admissionId),
    appendAll: (journal) => {
      for (const fact of pending.values()) journal.append(fact);
      pending.clear();
    },
  };
}
