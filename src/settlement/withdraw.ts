import type { Journal } from '../ports/journal.ts';
import type { Store } from '../ports/store.ts';
import type { UntilConfirmed } from './until-confirmed.ts';

/** An admission that this process will never forward, whatever became of it in the store. */
export type Withdrawn = {
  readonly merchantNumber: string;
  readonly admissionId: string;
  readonly keyHash?: string;
  /** Whether its `admitted` record was appended: then `voided` is, before the answer says that nothing ran. */
  readonly journalled?: boolean;
};

export type WithdrawOptions = {
  readonly store: Store;
  readonly journal: Pick<Journal, 'append'>;
  readonly until: UntilConfirmed;
  readonly nowMs: () => number;
  readonly epoch: () => string;
};

/**
 * Gives an admission back: a void leaves a tombstone, so that a script still under way cannot claim the key later, and
 * frees the claim if it is still in flight under this admission. Repeated until the store confirms. Never throws.
 */
export function createWithdraw({ store, journal, until, nowMs, epoch }: WithdrawOptions): (withdrawn: Withdrawn) => void {
  return ({ merchantNumber, admissionId, keyHash, journalled }) => {
    if (journalled && keyHash !== undefined) appendVoided(journal, merchantNumber, admissionId, keyHash);
    const voided = { merchantNumber, admissionId, ...(keyHash === undefined ? {} : { keyHash }) };
    until.run('void', () => store.void({ ...voided, epoch: epoch(), nowMs: nowMs() }));
  };
}

/** A journal takes outcomes also while its disk refuses; once it is closed, the claim is left to the resolver, which finds that nothing ran. */
function appendVoided(journal: Pick<Journal, 'append'>, merchantNumber: string, admissionId: string, keyHash: string): void {
  try {
    journal.append({ type: 'voided', merchantNumber, admissionId, keyHash });
  } catch {
    return;
  }
}
