import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { SHARED_MARK } from '../../ports/store.ts';

/** A sum is kept exactly in 64 bits and read at most as 2^53 - 1. Numbers are bound as REAL, hence the casts before adding. */
const READ_MAX = Number.MAX_SAFE_INTEGER;

/** Every statement there is, by name. Parameters stand in the order of the columns, the merchant first. */
const SQL = {
  findSlot: 'SELECT 1 FROM slot WHERE merchant = ? AND epoch = ?',
  findTombstone: 'SELECT 1 FROM tombstone WHERE merchant = ? AND admissionId = ?',
  putTombstone:
    'INSERT INTO tombstone VALUES (?, ?, ?) ON CONFLICT (merchant, admissionId) DO UPDATE SET untilMs = max(untilMs, excluded.untilMs)',
  findNonce: 'SELECT admissionId, keyHash, decision FROM nonce WHERE merchant = ? AND nonce = ?',
  putNonce: 'INSERT INTO nonce VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (merchant, nonce) DO NOTHING',

  findRate: 'SELECT tatUs FROM rate WHERE merchant = ? AND counter = ?',
  putRate: 'INSERT INTO rate VALUES (?, ?, ?) ON CONFLICT (merchant, counter) DO UPDATE SET tatUs = excluded.tatUs',
  countConcurrency: 'SELECT count(*) AS running FROM concurrency WHERE merchant = ? AND counter = ? AND untilMs > ?',
  putConcurrency: 'INSERT OR REPLACE INTO concurrency VALUES (?, ?, ?, ?)',
  freeConcurrency: `DELETE FROM concurrency WHERE merchant IN (?, '${SHARED_MARK}') AND admissionId = ?`,

  findTotal: `SELECT min(committed, ${READ_MAX}) AS committed, min(reserved, ${READ_MAX}) AS reserved FROM total WHERE merchant = ? AND counter = ?`,
  addTotal: `INSERT INTO total VALUES (?, ?, CAST(? AS INTEGER), CAST(? AS INTEGER), ?) ON CONFLICT (merchant, counter)
    DO UPDATE SET committed = committed + excluded.committed, reserved = reserved + excluded.reserved`,

  findClaim: `SELECT keyHash, fingerprint, state, outcome, admissionId, admissionIds, expiresAtMs, deadlineMs, keepUntilMs, resolve,
    answer, answerUntilMs, fence, leaseUntilMs, nextAskMs FROM claim WHERE merchant = ? AND keyHash = ?`,
  putClaim: `INSERT OR REPLACE INTO claim (merchant, keyHash, fingerprint, state, outcome, admissionId, admissionIds, expiresAtMs,
    deadlineMs, keepUntilMs, resolve, answer, answerUntilMs, fence, leaseUntilMs, nextAskMs)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
  dropClaim: 'DELETE FROM claim WHERE merchant = ? AND keyHash = ?',
  findDue: `SELECT keyHash FROM claim WHERE merchant = ?1 AND state <> 'final' AND iif(state = 'inFlight', deadlineMs <= ?2,
    nextAskMs <= ?2 AND leaseUntilMs <= ?2) LIMIT ?3`,

  findReservation: 'SELECT admissionId, keyHash, state, entries, keepUntilMs FROM reservation WHERE merchant = ? AND admissionId = ?',
  findOpenReservations: `SELECT admissionId, keyHash, state, entries, keepUntilMs FROM reservation
    WHERE merchant = ? AND keyHash = ? AND state = 'open'`,
  putReservation: 'INSERT OR REPLACE INTO reservation VALUES (?, ?, ?, ?, ?, ?)',

  findEpoch: 'SELECT id, file, open, closedUntilMs FROM epoch',
  putEpoch: 'INSERT OR REPLACE INTO epoch VALUES (1, ?, ?, 0, 0)',
  openEpoch: 'UPDATE epoch SET open = 1',
  delayEpoch: 'UPDATE epoch SET closedUntilMs = max(closedUntilMs, CAST(? AS INTEGER))',
  allReports: 'SELECT instance FROM report ORDER BY instance',
  putReport: 'INSERT OR IGNORE INTO report VALUES (?)',
  dropReports: 'DELETE FROM report',
  allSlots: 'SELECT merchant FROM slot',
  makeSlot: 'INSERT OR IGNORE INTO slot VALUES (?, NULL)',
  openSlot: 'INSERT OR REPLACE INTO slot VALUES (?, ?)',
  closeSlots: 'UPDATE slot SET epoch = NULL',

  findWorkingKeys: 'SELECT keys FROM workingKey WHERE merchant = ?',
  putWorkingKeys: 'INSERT OR REPLACE INTO workingKey VALUES (?, ?, ?)',

  announcementVersion: 'SELECT max(version) AS version FROM announcement',
  announcementsSince: `SELECT version, kind, subject, actor, reason, atMs, before, after, restored FROM announcement
    WHERE version > ? ORDER BY version`,
  latestAnnouncement: 'SELECT max(atMs) AS atMs FROM announcement WHERE topic = ? AND subject = ?',
  putAnnouncement: 'INSERT INTO announcement VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)',
  allAcknowledgements: 'SELECT instance, version, problem FROM acknowledgement',
  putAcknowledgement: 'INSERT OR REPLACE INTO acknowledgement VALUES (?, ?, ?)',

  putNote: 'INSERT OR REPLACE INTO note VALUES (?, ?, ?)',
  putNewNote: 'INSERT OR IGNORE INTO note VALUES (?, ?, ?)',
  findNote: 'SELECT value FROM note WHERE topic = ? AND name = ?',
  allNotes: 'SELECT name, value FROM note WHERE topic = ?',
} as const;

export type Statements = Readonly<Record<keyof typeof SQL, StatementSync>>;

/** Prepares every statement once for a connection. */
export function prepareStatements(database: DatabaseSync): Statements {
  return Object.fromEntries(Object.entries(SQL).map(([name, sql]) => [name, database.prepare(sql)])) as Record<
    keyof typeof SQL,
    StatementSync
  >;
}
