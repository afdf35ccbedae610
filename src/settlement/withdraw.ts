import type { Journal, VoidedFact } from '../ports/journal.ts';
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
  readonly journal: Pick<Journal, 'append' | 'synced'>;
  readonly until: UntilConfirmed;
  readonly nowMs: () => number;
  readonly epoch: () => string;
};

/** Resolves when `voided` is on the disk, where there is one to write and the disk takes it. Never rejects. */
export type Withdraw = (withdrawn: Withdrawn) => Promise<void>;

/**
 * Gives an admission back: a void leaves a tombstone, so that a script still under way cannot claim the key later, and
 * frees the claim if it is still in flight under this admission. Repeated until the store confirms.
 */
export function createWithdraw({ store, journal, until, nowMs, epoch }: WithdrawOptions): Withdraw {
  return async ({ merchantNumber, admissionId, keyHash, journalled }) => {
    const voided = { merchantNumber, admissionId, ...(keyHash === undefined ? {} : { keyHash }) };
    until.run('void', () => store.void({ ...voided, epoch: epoch(), nowMs: nowMs() }));
    if (journalled && keyHash !== undefined) await appendVoided(journal, { type: 'voided', merchantNumber, admissionId, keyHash });
  };
}

/** A journal takes what ends an admission also while its disk refuses; once it is closed, the claim is left to the resolver, which finds that nothing ran. */
async function appendVoided(journal: Pick<Journal, 'append' | 'synced'>, fact: VoidedFact): Promise<void> {
  try {
    await journal.synced(journal.append(fact));
  } catch {
    return;
  }
}
