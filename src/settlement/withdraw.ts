import type { Journal } from '../ports/journal.ts';
import type { Store } from '../ports/store.ts';
import type { UntilConfirmed } from './until-confirmed.ts';

/** An admission that this process will never forward, whatever became of it in the store. */
export type Withdrawn = { readonly merchantNumber: string; readonly admissionId: string; readonly keyHash?: string };

/**
 * Gives an admission back: a void leaves a tombstone, so that a script still under way cannot claim the key later, and
 * frees the claim if it is still in flight under this admission. Repeated until the store confirms.
 */
export function createWithdraw(options: {
  readonly store: Store;
  readonly until: UntilConfirmed;
  readonly nowMs: () => number;
  readonly epoch: () => string;
}): (withdrawn: Withdrawn) => void {
  const { store, until, nowMs, epoch } = options;
  return (withdrawn) => until.run('void', () => store.void({ ...withdrawn, epoch: epoch(), nowMs: nowMs() }));
}

/** For an admission that is already in the journal: `voided` is appended before the answer says that nothing ran. */
export function appendVoided(journal: Journal, merchantNumber: string, admissionId: string, keyHash: string): void {
  journal.append({ type: 'voided', merchantNumber, admissionId, keyHash });
}
