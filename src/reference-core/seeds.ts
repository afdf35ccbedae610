import { accountingDateOf } from './accounting-date.ts';
import { openAccount } from './ledger/accounts.ts';
import type { Database } from './ledger/database.ts';
import { isPosted, postJournal } from './ledger/journals.ts';

const CURRENCY = 'CNY';
/** The bank's own accounts: what seeded money was taken from, and what is under way to other banks. */
const INTERNAL_ACCOUNT = '1000000000000001';
const CLEARING_ACCOUNT = '1000000000000002';

/** Accounts that may pay in development, with their first balance, fen. */
const PAYERS = [
  { accountNo: '6200000000000001', owner: 'development payer, rich', balanceFen: 100_000_000_000 },
  { accountNo: '6200000000000002', owner: 'development payer, poor', balanceFen: 100 },
] as const;

export const DEVELOPMENT_MERCHANTS: readonly string[] = ['800000000000001', '800000000000002'];

/** The settlement account of a merchant: 6 and the merchant number, 16 digits. */
export function settlementAccountNo(merchantNumber: string): string {
  return `6${merchantNumber}`;
}

/** Opens the settlement accounts of merchants, with nothing on them: from then on the core serves them. Idempotent. */
export function openSettlementAccounts(database: Database, merchantNumbers: readonly string[]): Promise<void> {
  return database.writeLocked(() => openSettlements(database, merchantNumbers));
}

function openSettlements(database: Database, merchantNumbers: readonly string[]): void {
  for (const owner of merchantNumbers)
    openAccount(database, { accountNo: settlementAccountNo(owner), class: 'MERCHANT_SETTLE', owner, currency: CURRENCY });
}

/**
 * Opens the accounts of development and puts the first money on them, by journals like all money: the bank's internal
 * account is debited. Idempotent: a second start changes nothing, whatever was paid since.
 */
export function seedDevelopment(database: Database, merchantNumbers: readonly string[], nowMs: number): Promise<void> {
  return database.writeLocked(() => {
    openAccount(database, { accountNo: INTERNAL_ACCOUNT, class: 'BANK_INTERNAL', owner: 'bank', currency: CURRENCY });
    openAccount(database, { accountNo: CLEARING_ACCOUNT, class: 'CHANNEL_CLEARING', owner: 'bank', currency: CURRENCY });
    openSettlements(database, merchantNumbers);
    for (const { accountNo, owner, balanceFen } of PAYERS) {
      openAccount(database, { accountNo, class: 'PASSBOOK', owner, currency: CURRENCY });
      const idempotencyKey = `seed:${accountNo}`;
      if (isPosted(database, idempotencyKey)) continue;
      postJournal(database, {
        type: 'SEED',
        idempotencyKey,
        accountingDate: accountingDateOf(nowMs),
        currency: CURRENCY,
        postedAtMs: nowMs,
        postings: [
          { accountNo: INTERNAL_ACCOUNT, side: 'DEBIT', amountFen: balanceFen },
          { accountNo, side: 'CREDIT', amountFen: balanceFen },
        ],
      });
    }
  });
}
