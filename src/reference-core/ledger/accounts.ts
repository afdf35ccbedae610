import type { Database } from './database.ts';

export type Side = 'DEBIT' | 'CREDIT';

/** Kinds of account. What the bank owes its customers grows by credits and never falls below zero; the bank's own may. */
const CLASSES = {
  PASSBOOK: { normalSide: 'CREDIT', mayOverdraw: false, mayPay: true },
  CLASS_II: { normalSide: 'CREDIT', mayOverdraw: false, mayPay: true },
  MERCHANT_SETTLE: { normalSide: 'CREDIT', mayOverdraw: false, mayPay: false },
  CHANNEL_CLEARING: { normalSide: 'DEBIT', mayOverdraw: true, mayPay: false },
  BANK_INTERNAL: { normalSide: 'DEBIT', mayOverdraw: true, mayPay: false },
} as const satisfies Record<string, { normalSide: Side; mayOverdraw: boolean; mayPay: boolean }>;

export type AccountClass = keyof typeof CLASSES;

/** An account as it is now; `available + frozen = balance`, fen. */
export type Account = {
  readonly accountNo: string;
  readonly class: AccountClass;
  readonly owner: string;
  readonly currency: string;
  readonly balanceFen: number;
  readonly frozenFen: number;
  readonly availableFen: number;
};

const COLUMNS = `account_no AS accountNo, class, owner, currency, balance_fen AS balanceFen, frozen_fen AS frozenFen, available_fen AS availableFen`;

export function findAccount(database: Database, accountNo: string): Account | undefined {
  return database.find<Account>(`SELECT ${COLUMNS} FROM accounts WHERE account_no = ?`, accountNo);
}

/**
 * An account that a payment may take money from. A merchant's or the bank's own is none: whoever names one as payer
 * gets the same answer as for an account that does not exist.
 */
export function findPayer(database: Database, accountNo: string): Account | undefined {
  const account = findAccount(database, accountNo);
  return account && CLASSES[account.class].mayPay ? account : undefined;
}

/** Where a merchant's payments go, one account per currency. */
export function findSettlement(database: Database, merchantNumber: string, currency: string): Account | undefined {
  return database.find<Account>(
    `SELECT ${COLUMNS} FROM accounts WHERE class = 'MERCHANT_SETTLE' AND owner = ? AND currency = ?`,
    merchantNumber,
    currency,
  );
}

/** Whether the core serves a merchant at all. */
export function hasSettlement(database: Database, merchantNumber: string): boolean {
  return database.find(`SELECT 1 FROM accounts WHERE class = 'MERCHANT_SETTLE' AND owner = ? LIMIT 1`, merchantNumber) !== undefined;
}

/** Opens an account with nothing on it; an account that exists stays as it is. Call inside a transaction. */
export function openAccount(database: Database, account: Pick<Account, 'accountNo' | 'class' | 'owner' | 'currency'>): void {
  const { normalSide, mayOverdraw } = CLASSES[account.class];
  database.run(
    `INSERT INTO accounts (account_no, class, owner, currency, normal_side, may_overdraw) VALUES (?, ?, ?, ?, ?, ?)
     ON CONFLICT (account_no) DO NOTHING`,
    account.accountNo,
    account.class,
    account.owner,
    account.currency,
    normalSide,
    mayOverdraw ? 1 : 0,
  );
}
