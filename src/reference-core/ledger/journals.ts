import { isFen } from '../../lib/money.ts';
import type { Side } from './accounts.ts';
import type { Database } from './database.ts';

/** One leg of a journal: moves `amountFen` (at least 1) on one side of an account. */
export type Posting = { readonly accountNo: string; readonly side: Side; readonly amountFen: number };

/** A journal (分录) before it is posted. Its debits equal its credits. */
export type Journal = {
  readonly type: 'SEED' | 'PAYMENT';
  /** The same key posts once: a second journal under it is refused by the database. */
  readonly idempotencyKey: string;
  readonly accountingDate: string;
  readonly currency: string;
  readonly postedAtMs: number;
  readonly postings: readonly Posting[];
};

/** Throws a RangeError for a journal that would break the books; a bug of the caller. */
function checkBalanced(journal: Journal): void {
  let debitFen = 0;
  let creditFen = 0;
  for (const { side, amountFen } of journal.postings) {
    if (!isFen(amountFen) || amountFen === 0) throw new RangeError(`journal: not an amount to post: ${amountFen}`);
    if (side === 'DEBIT') debitFen += amountFen;
    else creditFen += amountFen;
  }
  if (journal.postings.length === 0) throw new RangeError('journal: no postings');
  if (!isFen(debitFen) || !isFen(creditFen)) throw new RangeError('journal: the sum is out of bounds');
  if (debitFen !== creditFen) throw new RangeError(`journal: debits ${debitFen} fen, credits ${creditFen} fen`);
}

/**
 * Posts a journal; gives its number. Balances move with the postings (a trigger), so that a balance is always the signed
 * sum of its postings. Throws when debits and credits differ, when the key was posted before, when a customer account would
 * fall below zero, or when an account has another currency. Call inside a transaction, and let it roll back.
 */
export function postJournal(database: Database, journal: Journal): number {
  checkBalanced(journal);
  const { rowId: journalNo } = database.run(
    'INSERT INTO journals (type, idempotency_key, accounting_date, currency, posted_at_ms) VALUES (?, ?, ?, ?, ?)',
    journal.type,
    journal.idempotencyKey,
    journal.accountingDate,
    journal.currency,
    journal.postedAtMs,
  );
  journal.postings.forEach(({ accountNo, side, amountFen }, leg) => {
    database.run(
      'INSERT INTO postings (journal_no, leg, account_no, side, amount_fen) VALUES (?, ?, ?, ?, ?)',
      journalNo,
      leg,
      accountNo,
      side,
      amountFen,
    );
  });
  return journalNo;
}

/** Whether a journal was posted under a key. */
export function isPosted(database: Database, idempotencyKey: string): boolean {
  return database.find('SELECT 1 FROM journals WHERE idempotency_key = ?', idempotencyKey) !== undefined;
}
