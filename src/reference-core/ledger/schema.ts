import { ATTEMPT_STATES, illegalStep, ORDER_STATES, stateList } from '../states.ts';

/** Refuses UPDATE and DELETE: what is written once is never changed; a correction is a new row. */
const appendOnly = (table: string): string => `
  CREATE TRIGGER ${table}_keep_rows BEFORE DELETE ON ${table} BEGIN SELECT RAISE(ABORT, '${table}: append-only'); END;
  CREATE TRIGGER ${table}_keep_values BEFORE UPDATE ON ${table} BEGIN SELECT RAISE(ABORT, '${table}: append-only'); END;`;

const LEDGER = `
  CREATE TABLE accounts (
    account_no TEXT PRIMARY KEY,
    class TEXT NOT NULL,
    owner TEXT NOT NULL,
    currency TEXT NOT NULL,
    -- The side that makes the balance larger: credit for what the bank owes its customers.
    normal_side TEXT NOT NULL CHECK (normal_side IN ('DEBIT', 'CREDIT')),
    -- Customer accounts never fall below zero; the bank's own may.
    may_overdraw INTEGER NOT NULL CHECK (may_overdraw IN (0, 1)),
    balance_fen INTEGER NOT NULL DEFAULT 0 CHECK (abs(balance_fen) <= ${Number.MAX_SAFE_INTEGER}),
    frozen_fen INTEGER NOT NULL DEFAULT 0 CHECK (frozen_fen >= 0),
    available_fen INTEGER NOT NULL GENERATED ALWAYS AS (balance_fen - frozen_fen) VIRTUAL,
    version INTEGER NOT NULL DEFAULT 0,
    CHECK (may_overdraw = 1 OR balance_fen >= frozen_fen)
  ) STRICT, WITHOUT ROWID;
  CREATE UNIQUE INDEX accounts_one_settlement ON accounts (owner, currency) WHERE class = 'MERCHANT_SETTLE';

  CREATE TABLE journals (
    journal_no INTEGER PRIMARY KEY AUTOINCREMENT,
    type TEXT NOT NULL,
    -- The same key posts once, whatever happens.
    idempotency_key TEXT NOT NULL UNIQUE,
    accounting_date TEXT NOT NULL,
    currency TEXT NOT NULL,
    posted_at_ms INTEGER NOT NULL
  ) STRICT;

  CREATE TABLE postings (
    journal_no INTEGER NOT NULL REFERENCES journals,
    leg INTEGER NOT NULL,
    account_no TEXT NOT NULL REFERENCES accounts,
    side TEXT NOT NULL CHECK (side IN ('DEBIT', 'CREDIT')),
    amount_fen INTEGER NOT NULL CHECK (amount_fen > 0),
    PRIMARY KEY (journal_no, leg)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX postings_by_account ON postings (account_no);
  CREATE TRIGGER postings_one_currency BEFORE INSERT ON postings
    WHEN (SELECT currency FROM accounts WHERE account_no = NEW.account_no) <> (SELECT currency FROM journals WHERE journal_no = NEW.journal_no)
    BEGIN SELECT RAISE(ABORT, 'postings: another currency than the journal'); END;
  -- A balance moves only by a posting, in the same statement.
  CREATE TRIGGER postings_move_balance AFTER INSERT ON postings BEGIN
    UPDATE accounts SET version = version + 1,
      balance_fen = balance_fen + CASE WHEN normal_side = NEW.side THEN NEW.amount_fen ELSE -NEW.amount_fen END
    WHERE account_no = NEW.account_no;
  END;
  ${appendOnly('journals')}
  ${appendOnly('postings')}`;

const ORDERS = `
  CREATE TABLE orders (
    merchant_number TEXT NOT NULL,
    order_no TEXT NOT NULL,
    amount_fen INTEGER NOT NULL CHECK (amount_fen > 0),
    currency TEXT NOT NULL,
    subject TEXT NOT NULL,
    status TEXT NOT NULL CHECK (status IN (${stateList(ORDER_STATES)})),
    created_at_ms INTEGER NOT NULL,
    expires_at_ms INTEGER,
    paid_at_ms INTEGER,
    payment_no TEXT,
    closed_at_ms INTEGER,
    close_reason TEXT,
    PRIMARY KEY (merchant_number, order_no)
  ) STRICT, WITHOUT ROWID;
  CREATE TRIGGER orders_machine BEFORE UPDATE OF status ON orders WHEN ${illegalStep(ORDER_STATES)}
    BEGIN SELECT RAISE(ABORT, 'orders: illegal step'); END;
  CREATE TRIGGER orders_keep_rows BEFORE DELETE ON orders BEGIN SELECT RAISE(ABORT, 'orders: never deleted'); END;

  CREATE TABLE attempts (
    attempt_no INTEGER PRIMARY KEY AUTOINCREMENT,
    merchant_number TEXT NOT NULL,
    order_no TEXT NOT NULL,
    method TEXT NOT NULL,
    payer_account_no TEXT NOT NULL,
    amount_fen INTEGER NOT NULL CHECK (amount_fen > 0),
    currency TEXT NOT NULL,
    status TEXT NOT NULL CHECK (status IN (${stateList(ATTEMPT_STATES)})),
    failure_code TEXT,
    journal_no INTEGER UNIQUE REFERENCES journals,
    begun_at_ms INTEGER NOT NULL,
    FOREIGN KEY (merchant_number, order_no) REFERENCES orders
  ) STRICT;
  -- At most one success per order, and none beside one that may still succeed.
  CREATE UNIQUE INDEX attempts_one_live ON attempts (merchant_number, order_no) WHERE status NOT IN ('FAILED', 'REVERSED');
  CREATE TRIGGER attempts_machine BEFORE UPDATE OF status ON attempts WHEN ${illegalStep(ATTEMPT_STATES)}
    BEGIN SELECT RAISE(ABORT, 'attempts: illegal step'); END;
  CREATE TRIGGER attempts_keep_rows BEFORE DELETE ON attempts BEGIN SELECT RAISE(ABORT, 'attempts: never deleted'); END;`;

const EXECUTIONS = `
  CREATE TABLE executions (
    merchant_number TEXT NOT NULL,
    derived_key TEXT NOT NULL,
    method TEXT NOT NULL,
    target TEXT NOT NULL,
    body_digest TEXT NOT NULL,
    status TEXT NOT NULL CHECK (status IN ('SUCCEEDED', 'FAILED')),
    http_status INTEGER NOT NULL,
    body BLOB NOT NULL,
    order_no TEXT NOT NULL,
    amount_fen INTEGER,
    currency TEXT,
    executed_at_ms INTEGER NOT NULL,
    PRIMARY KEY (merchant_number, derived_key)
  ) STRICT, WITHOUT ROWID;

  -- One row each time an operation was really run, for the audit: which request of which certificate began it.
  -- It has no unique key on purpose: a second run would show here.
  CREATE TABLE runs (
    run_no INTEGER PRIMARY KEY AUTOINCREMENT,
    merchant_number TEXT NOT NULL,
    derived_key TEXT NOT NULL,
    operation TEXT NOT NULL,
    order_no TEXT NOT NULL,
    request_id TEXT NOT NULL,
    certificate TEXT NOT NULL,
    begun_at_ms INTEGER NOT NULL
  ) STRICT;
  ${appendOnly('executions')}
  ${appendOnly('runs')}`;

/** Schema versions in order; a database at version n has had the first n. Never edit one that was released: add the next. */
export const MIGRATIONS: readonly string[] = [LEDGER + ORDERS + EXECUTIONS];
