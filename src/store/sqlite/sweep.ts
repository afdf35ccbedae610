import type { DatabaseSync, StatementSync } from 'node:sqlite';

/** Rows are removed this long after they may be: processes' clocks differ (contract.md section 9 allows 2 s). */
const MARGIN_MS = 5_000;
/** A sweep comes after so many admissions, or after so long, whichever is first. */
const EVERY_ADMISSIONS = 32;
const EVERY_MS = 1_000;
/** Rows removed from each table at once: twice what so many admissions can add, so that a backlog shrinks. */
const ROWS_MAX = 2 * EVERY_ADMISSIONS;

/** Per table: which rows may go (`?1` is the time, `?2` how many), and the key of one. */
const EXPIRED = {
  nonce: ['merchant, nonce', 'untilMs <= ?1'],
  tombstone: ['merchant, admissionId', 'untilMs <= ?1'],
  concurrency: ['merchant, counter, admissionId', 'untilMs <= ?1'],
  claim: ['merchant, keyHash', "state = 'final' AND keepUntilMs <= ?1"],
  reservation: ['merchant, admissionId', "state <> 'open' AND keepUntilMs <= ?1"],
  total: ['merchant, counter', 'reserved = 0 AND windowEndsMs <= ?1'],
  workingKey: ['merchant', 'untilMs <= ?1'],
} as const;

const DROP_ANSWERS = `UPDATE claim SET answer = NULL, answerUntilMs = NULL WHERE (merchant, keyHash) IN
  (SELECT merchant, keyHash FROM claim WHERE answer IS NOT NULL AND answerUntilMs <= ?1 LIMIT ?2)`;

export type Sweeper = {
  /** Told of admissions inside their transaction; now and then removes some expired rows there. Rows, not time, bound the work. */
  readonly admitted: (nowMs: number) => void;
};

/** Removes expired rows in small batches as part of what writes anyway: no timer, and no clock but that of the commands. */
export function createSweeper(database: DatabaseSync): Sweeper {
  const statements: StatementSync[] = Object.entries(EXPIRED).map(([table, [key, expired]]) =>
    database.prepare(`DELETE FROM ${table} WHERE (${key}) IN (SELECT ${key} FROM ${table} WHERE ${expired} LIMIT ?2)`),
  );
  statements.push(database.prepare(DROP_ANSWERS));
  let waiting = 0;
  let sweptAtMs = 0;
  return {
    admitted: (nowMs) => {
      waiting += 1;
      if (waiting < EVERY_ADMISSIONS && nowMs < sweptAtMs + EVERY_MS) return;
      waiting = 0;
      sweptAtMs = nowMs;
      for (const statement of statements) statement.run(nowMs - MARGIN_MS, ROWS_MAX);
    },
  };
}
