import type { Database } from './database.ts';

/** What tests compare the gateway's counters with: what really happened, from the rows that only a real run writes. */
export type Figures = {
  /** Real runs, replays not counted: at most 1 each. */
  readonly executions: readonly { merchantNumber: string; derivedKey: string; operation: string; orderNo: string; count: number }[];
  /** Payments that moved money: at most 1 for each order. */
  readonly orders: readonly { merchantNumber: string; orderNo: string; count: number; amountFen: number }[];
  readonly days: readonly { merchantNumber: string; accountingDate: string; currency: string; count: number; amountFen: number }[];
  /** What is wrong with the books; empty when they are whole. */
  readonly problems: readonly string[];
};

/** Rules of the books as queries that find nothing when the rule holds. */
const RULES: readonly (readonly [rule: string, sql: string])[] = [
  [
    'debits differ from credits in journal',
    `SELECT journal_no AS what FROM journals LEFT JOIN postings USING (journal_no) GROUP BY journal_no
     HAVING total(CASE side WHEN 'DEBIT' THEN amount_fen ELSE -amount_fen END) <> 0 OR count(leg) < 2`,
  ],
  [
    'balance is not the sum of its postings on account',
    `SELECT account_no AS what FROM accounts a WHERE balance_fen <>
       (SELECT coalesce(sum(CASE WHEN side = a.normal_side THEN amount_fen ELSE -amount_fen END), 0) FROM postings WHERE account_no = a.account_no)`,
  ],
  [
    'below zero is customer account',
    `SELECT account_no AS what FROM accounts WHERE may_overdraw = 0 AND (available_fen < 0 OR frozen_fen < 0)`,
  ],
  [
    'paid without exactly one success is order',
    `SELECT order_no AS what FROM orders o WHERE (status = 'PAID') <>
       (SELECT count(*) FROM attempts a WHERE a.merchant_number = o.merchant_number AND a.order_no = o.order_no AND a.status = 'SUCCESS')`,
  ],
  [
    'success without its journal is attempt',
    `SELECT attempt_no AS what FROM attempts a LEFT JOIN postings p ON p.journal_no = a.journal_no AND p.side = 'CREDIT'
     WHERE (a.status = 'SUCCESS') <> (p.amount_fen IS a.amount_fen)`,
  ],
  [
    'payment journal without its attempt is journal',
    `SELECT journal_no AS what FROM journals WHERE type = 'PAYMENT' AND journal_no NOT IN (SELECT journal_no FROM attempts WHERE journal_no IS NOT NULL)`,
  ],
  [
    'run more than once, or without a kept answer, is key',
    `SELECT derived_key AS what FROM runs LEFT JOIN executions e USING (merchant_number, derived_key)
     GROUP BY merchant_number, derived_key HAVING count(*) > 1 OR count(e.status) <> 1`,
  ],
];

/** What is wrong with the books, each with its rule and its row; empty when they are whole. */
export function findLedgerProblems(database: Database): string[] {
  return RULES.flatMap(([rule, sql]) => database.list<{ what: unknown }>(sql).map(({ what }) => `${rule} ${what}`));
}

export function readFigures(database: Database): Figures {
  return {
    executions: database.list(
      `SELECT merchant_number AS merchantNumber, derived_key AS derivedKey, operation, order_no AS orderNo, count(*) AS count
       FROM runs GROUP BY merchant_number, derived_key ORDER BY min(run_no)`,
    ),
    orders: database.list(
      `SELECT merchant_number AS merchantNumber, order_no AS orderNo, count(*) AS count, sum(amount_fen) AS amountFen
       FROM attempts WHERE status = 'SUCCESS' GROUP BY merchant_number, order_no ORDER BY min(attempt_no)`,
    ),
    days: database.list(
      `SELECT merchant_number AS merchantNumber, accounting_date AS accountingDate, a.currency AS currency, count(*) AS count,
         sum(amount_fen) AS amountFen
       FROM attempts a JOIN journals USING (journal_no) WHERE status = 'SUCCESS'
       GROUP BY merchant_number, accounting_date, a.currency ORDER BY accounting_date, merchant_number`,
    ),
    problems: findLedgerProblems(database),
  };
}
