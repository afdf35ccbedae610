import type { Standing } from '../admission/admit.ts';
import type { Journal } from '../ports/journal.ts';
import { Refusal } from '../protocol/errors.ts';
import type { Admitted, Journalled } from '../protocol/messages.ts';
import type { Unforwarded } from '../settlement/unforwarded.ts';
import type { Withdraw, Withdrawn } from '../settlement/withdraw.ts';
import type { Evidence } from './evidence.ts';

export type JournalStageOptions = {
  readonly journal: Journal;
  readonly standing: () => Standing;
  readonly unforwarded: Unforwarded;
  readonly withdraw: Withdraw;
  readonly evidence: Evidence;
};

type Holding = Admitted & { readonly claim: NonNullable<Admitted['claim']> };

const holdsClaim = (admitted: Admitted): admitted is Holding => admitted.claim !== undefined;

/**
 * Writes `admitted` before anything can reach the core. Where money moves, the record is on the disk before this resolves;
 * a read is only appended. Refuses with REBUILDING or another reason to wait when the store was lost since admission, with
 * JOURNAL_UNAVAILABLE when the disk fails; whatever it refuses is given back.
 */
export function createJournalStage(options: JournalStageOptions): (admitted: Admitted) => Promise<Journalled> {
  return async (admitted) => {
    if (!holdsClaim(admitted)) return { ...admitted, sequence: appendRead(options, admitted) };
    checkEpoch(options, admitted);
    return { ...admitted, sequence: await appendAndSync(options, admitted) };
  };
}

const withdrawnOf = ({ merchant, admissionId, claim }: Admitted): Withdrawn => ({
  merchantNumber: merchant.number,
  admissionId,
  ...(claim ? { keyHash: claim.keyHash } : {}),
});

function appendRead({ evidence, withdraw }: JournalStageOptions, admitted: Admitted): number {
  try {
    return evidence.appendRequest(admitted);
  } catch (error) {
    void withdraw(withdrawnOf(admitted));
    throw error;
  }
}

/** An admission that is in no journal when its process reports to a new epoch must never be forwarded (contract.md section 8). */
function checkEpoch({ standing, journal, unforwarded, withdraw }: JournalStageOptions, admitted: Holding): void {
  const now = standing();
  if (now.kind === 'open' && now.epoch === admitted.epoch) return;
  const { merchant, admissionId, nonce, claim } = admitted;
  void withdraw(withdrawnOf(admitted));
  journal.append({ type: 'nonce', merchantNumber: merchant.number, admissionId, nonce, nonceUntilMs: claim.nonceUntilMs });
  unforwarded.journalled(admissionId);
  throw new Refusal(now.kind === 'closed' ? now.code : 'REBUILDING', { retryAfterSeconds: 1 });
}

async function appendAndSync({ journal, unforwarded, withdraw, evidence }: JournalStageOptions, admitted: Holding): Promise<number> {
  const { merchant, admissionId, nonce, claim } = admitted;
  const { keyHash, fingerprint, expiresAtMs, nonceUntilMs, deadlineMs, keepUntilMs, resolve, reservation } = claim;
  let journalled = false;
  try {
    evidence.appendRequest(admitted);
    const facts = { merchantNumber: merchant.number, admissionId, nonce, nonceUntilMs, keyHash, fingerprint };
    const sequence = journal.append({ type: 'admitted', ...facts, expiresAtMs, deadlineMs, keepUntilMs, resolve, reservation });
    journalled = true;
    unforwarded.journalled(admissionId);
    await journal.synced(sequence);
    return sequence;
  } catch (error) {
    // Nothing was sent, which this process knows from its own memory; the record may be written yet, and `voided` behind it.
    void withdraw({ ...withdrawnOf(admitted), journalled });
    throw error instanceof Refusal ? new Refusal(error.code, { ...error.options, outcome: 'not_executed', retryAfterSeconds: 1 }) : error;
  }
}
