import { closeSync, openSync } from 'node:fs';
import { DatabaseSync, type SQLInputValue, type StatementSync } from 'node:sqlite';
import { setTimeout as sleep } from 'node:timers/promises';
import { UserError } from '../../lib/user-error.ts';
import { CoreRefusal } from '../answers.ts';
import { MIGRATIONS } from './schema.ts';

/** How long a step waits for another process's write lock, ms, before it is refused as BUSY (nothing began then). */
const LOCK_WAIT_MS_DEFAULT = 5_000;
const LOCK_RETRY_MS = 4;
/** Only while the file is opened, before there is anything else to do. */
const OPEN_BUSY_MS = 10_000;

/** The ledger's file. Statements are prepared once. Not safe across awaits except through `writeLocked`. */
export type Database = {
  readonly find: <Row>(sql: string, ...values: SQLInputValue[]) => Row | undefined;
  readonly list: <Row>(sql: string, ...values: SQLInputValue[]) => Row[];
  /** Runs one statement; gives the number of rows changed and the last row id. */
  readonly run: (sql: string, ...values: SQLInputValue[]) => { readonly changes: number; readonly rowId: number };
  /**
   * Runs synchronous work as ONE transaction that holds the write lock from its start (BEGIN IMMEDIATE), so that nothing
   * another process has begun and not yet committed is overlooked, as a WAL snapshot would. Work that throws leaves nothing.
   */
  readonly writeLocked: <T>(work: () => T) => Promise<T>;
  readonly close: () => void;
};

/** Extended result codes keep the primary one in the low byte. */
const SQLITE_BUSY = 5;
const isBusy = (error: unknown): boolean => error instanceof Error && 'errcode' in error && (Number(error.errcode) & 0xff) === SQLITE_BUSY;

/**
 * Waits without blocking the event loop: SQLite's own waiting would stop every other request of this process.
 * Throws CoreRefusal BUSY after `lockWaitMsMax`.
 */
async function beginImmediate(raw: DatabaseSync, lockWaitMsMax: number): Promise<void> {
  const giveUpAtMs = performance.now() + lockWaitMsMax;
  for (;;) {
    try {
      raw.exec('BEGIN IMMEDIATE');
      return;
    } catch (error) {
      if (!isBusy(error)) throw error;
      if (performance.now() >= giveUpAtMs) throw new CoreRefusal('BUSY');
    }
    await sleep(LOCK_RETRY_MS);
  }
}

function commitOf<T>(raw: DatabaseSync, work: () => T): T {
  try {
    const result = work();
    raw.exec('COMMIT');
    return result;
  } catch (error) {
    if (raw.isTransaction) raw.exec('ROLLBACK');
    throw error;
  }
}

function migrate(raw: DatabaseSync, file: string): void {
  const versionOf = (): number => Number(raw.prepare('PRAGMA user_version').get()?.user_version);
  raw.exec('BEGIN IMMEDIATE');
  commitOf(raw, () => {
    const version = versionOf();
    if (version > MIGRATIONS.length) {
      throw new UserError(`${file}: written by a newer core (schema ${version}, this one knows ${MIGRATIONS.length}); start the newer one`);
    }
    for (const sql of MIGRATIONS.slice(version)) raw.exec(sql);
    raw.exec(`PRAGMA user_version = ${MIGRATIONS.length}`);
  });
}

function openRaw(file: string): DatabaseSync {
  let raw: DatabaseSync | undefined;
  try {
    // SQLite gives its -wal and -shm files the mode of the database: nobody else reads the ledger.
    closeSync(openSync(file, 'a', 0o600));
    raw = new DatabaseSync(file, { timeout: OPEN_BUSY_MS, enableForeignKeyConstraints: true });
    // A lost commit would let a key run twice after a power cut, so that each commit is synced. Recursive triggers: without
    // them INSERT OR REPLACE would delete rows behind the back of the append-only triggers.
    raw.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA trusted_schema = OFF; PRAGMA recursive_triggers = ON');
    return raw;
  } catch (error) {
    raw?.close();
    const reason = error instanceof Error ? error.message : error;
    throw new UserError(`${file}: cannot be opened as the core's ledger (${reason}); check the path`, { cause: error });
  }
}

/** Opens the ledger's file, makes it when absent (mode 0600) and brings its schema up to date. Throws UserError. */
export function openDatabase(file: string, options: { readonly lockWaitMsMax?: number } = {}): Database {
  const raw = openRaw(file);
  try {
    migrate(raw, file);
  } catch (error) {
    raw.close();
    throw error;
  }
  raw.exec('PRAGMA busy_timeout = 0');
  const prepared = new Map<string, StatementSync>();
  const statement = (sql: string): StatementSync => {
    const known = prepared.get(sql);
    if (known) return known;
    const made = raw.prepare(sql);
    prepared.set(sql, made);
    return made;
  };
  return {
    find: <Row>(sql: string, ...values: SQLInputValue[]) => statement(sql).get(...values) as Row | undefined,
    list: <Row>(sql: string, ...values: SQLInputValue[]) => statement(sql).all(...values) as Row[],
    run: (sql, ...values) => {
      const { changes, lastInsertRowid } = statement(sql).run(...values);
      return { changes: Number(changes), rowId: Number(lastInsertRowid) };
    },
    writeLocked: async (work) => {
      await beginImmediate(raw, options.lockWaitMsMax ?? LOCK_WAIT_MS_DEFAULT);
      return commitOf(raw, work);
    },
    close: () => raw.close(),
  };
}
