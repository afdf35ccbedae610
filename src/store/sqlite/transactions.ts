import { randomInt } from 'node:crypto';
import type { DatabaseSync } from 'node:sqlite';
import { StoreUnavailable } from '../../ports/store.ts';
import { isBusy, readFailure } from './failure.ts';

/** Commands that share one transaction at most: other processes wait meanwhile. */
const BATCH_MAX = 128;
/** Pause before the next attempt when another process holds the lock, ms; spread, so that two do not meet again and again. */
const RETRY_MS = [2, 12] as const;

type Job<Access> = {
  readonly run: (access: Access) => unknown;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: unknown) => void;
  readonly sinceMs: number;
};

export type TransactionOptions<Access> = {
  /** The present connection and what commands need of it; throws StoreUnavailable when there is none. Asked for each transaction. */
  readonly connect: () => Access;
  /** How long a command waits for the lock before it fails, ms. */
  readonly giveUpMs: number;
  readonly monotonicMs: () => number;
};

export type Transactions<Access> = {
  /** Runs a command in a write transaction, together with the others of this turn of the event loop. */
  readonly write: <T>(run: (access: Access) => T) => Promise<T>;
  /** The same, at once: when this returns, the command has run, unless another process holds the lock or more than a batch waits. */
  readonly writeNow: <T>(run: (access: Access) => T) => Promise<T>;
  /** Runs queries that see one state of the file; writers are not waited for. */
  readonly read: <T>(run: (access: Access) => T) => Promise<T>;
  /** Fails what waits, and everything from now on. */
  readonly close: () => void;
};

const retryMs = (): number => randomInt(...RETRY_MS);

/**
 * node:sqlite is synchronous, so a long busy timeout would stop the event loop: a short one, then a pause off the loop, until
 * the command gives up with StoreUnavailable (contract.md section 10).
 */
export function createTransactions<Access extends { readonly database: DatabaseSync }>(
  options: TransactionOptions<Access>,
): Transactions<Access> {
  const { connect, giveUpMs, monotonicMs } = options;
  const queue: Job<Access>[] = [];
  let immediate: NodeJS.Immediate | undefined;
  let retry: NodeJS.Timeout | undefined;
  let closed = false;

  const put = <T>(run: (access: Access) => T): Promise<T> => {
    if (closed) return Promise.reject(gone());
    return new Promise((resolve, reject) => {
      queue.push({ run, resolve: resolve as Job<Access>['resolve'], reject, sinceMs: monotonicMs() });
    });
  };

  const schedule = (): void => {
    if (!retry) immediate ??= setImmediate(flush);
  };

  const dropLate = (error: unknown): void => {
    while (queue[0] && monotonicMs() - queue[0].sinceMs >= giveUpMs) queue.shift()?.reject(readFailure(error));
  };

  function flush(): void {
    clearImmediate(immediate);
    immediate = undefined;
    if (queue.length === 0) return;
    const jobs = queue.splice(0, BATCH_MAX);
    try {
      runBatch(connect(), jobs);
    } catch (error) {
      if (isBusy(error)) {
        queue.unshift(...jobs);
        dropLate(error);
        if (queue.length > 0) retry = setTimeout(again, retryMs());
        return;
      }
      for (const job of jobs) job.reject(readFailure(error));
    }
    if (queue.length > 0) schedule();
  }

  const again = (): void => {
    retry = undefined;
    flush();
  };

  return {
    write: (run) => {
      const result = put(run);
      schedule();
      return result;
    },
    writeNow: (run) => {
      const result = put(run);
      if (!retry) flush();
      return result;
    },
    read: (run) => readWithin(options, () => closed, run),
    close: () => {
      closed = true;
      clearImmediate(immediate);
      clearTimeout(retry);
      for (const job of queue.splice(0)) job.reject(gone());
    },
  };
}

const gone = () => new StoreUnavailable('SQLite: the store is closed');

/** Queries wait for nobody but a process that is recovering the file. */
async function readWithin<Access extends { readonly database: DatabaseSync }, T>(
  { connect, giveUpMs, monotonicMs }: TransactionOptions<Access>,
  isClosed: () => boolean,
  run: (access: Access) => T,
): Promise<T> {
  const sinceMs = monotonicMs();
  for (;;) {
    if (isClosed()) throw gone();
    try {
      return inSnapshot(connect(), run);
    } catch (error) {
      if (!isBusy(error) || monotonicMs() - sinceMs >= giveUpMs) throw readFailure(error);
    }
    await new Promise((resolve) => setTimeout(resolve, retryMs()));
  }
}

type Outcome = { readonly value: unknown } | { readonly error: unknown };

/** One transaction for all; each command has its own savepoint, so that a bug in one does not take the others down. */
function runBatch<Access extends { readonly database: DatabaseSync }>(access: Access, jobs: readonly Job<Access>[]): void {
  const { database } = access;
  database.exec('BEGIN IMMEDIATE');
  let outcomes: Outcome[];
  try {
    outcomes = jobs.map((job) => runInSavepoint(access, job));
    database.exec('COMMIT');
  } catch (error) {
    if (database.isTransaction) database.exec('ROLLBACK');
    // The lock is ours by now, so this is not contention: the commands fail, and may be tried again by whoever sent them.
    throw isBusy(error) ? new StoreUnavailable('SQLite: the transaction could not be completed', { cause: error }) : error;
  }
  for (const [i, outcome] of outcomes.entries()) {
    if ('error' in outcome) jobs[i]?.reject(readFailure(outcome.error));
    else jobs[i]?.resolve(outcome.value);
  }
}

function runInSavepoint<Access extends { readonly database: DatabaseSync }>(access: Access, job: Job<Access>): Outcome {
  const { database } = access;
  database.exec('SAVEPOINT command');
  try {
    const value = job.run(access);
    database.exec('RELEASE command');
    return { value };
  } catch (error) {
    // A full disk or a broken file ends the whole transaction by itself.
    if (!database.isTransaction) throw error;
    database.exec('ROLLBACK TO command; RELEASE command');
    return { error };
  }
}

function inSnapshot<Access extends { readonly database: DatabaseSync }, T>(access: Access, run: (access: Access) => T): T {
  access.database.exec('BEGIN');
  try {
    return run(access);
  } finally {
    if (access.database.isTransaction) access.database.exec('ROLLBACK');
  }
}
