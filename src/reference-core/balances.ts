import { formatTime } from './accounting-date.ts';
import { type Answer, failure, success } from './answers.ts';
import { findAccount } from './ledger/accounts.ts';
import type { Database } from './ledger/database.ts';

/** accounts.balance: of the merchant's own settlement account. Any other account is answered like one that does not exist. */
export function getBalance(database: Database, merchantNumber: string, accountNo: string, nowMs: number): Answer {
  const account = findAccount(database, accountNo);
  if (account?.class !== 'MERCHANT_SETTLE' || account.owner !== merchantNumber) return failure('ACCOUNT_NOT_FOUND');
  return success(200, {
    accountNo,
    merchantNumber,
    currency: account.currency,
    balanceFen: account.balanceFen,
    availableFen: account.availableFen,
    frozenFen: account.frozenFen,
    asOf: formatTime(nowMs),
  });
}
