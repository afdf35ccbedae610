/** Raised with every change of the tables; a file of another version is not opened. */
export const SCHEMA_VERSION = 3;

/** Facts beside what is decided; made also in a file that is older than they are. */
export const NOTES = `
CREATE TABLE IF NOT EXISTS note (topic TEXT, name TEXT, value TEXT NOT NULL, PRIMARY KEY (topic, name)) STRICT, WITHOUT ROWID;
`;

/**
 * One file holds nonces, claims and limits, so that one transaction decides (contract.md section 10). Columns are named as
 * the members they hold; times are wall-clock milliseconds, amounts whole fen, lists and records JSON text.
 * `keepUntilMs` and `untilMs` say until when a row is kept at least.
 */
export const SCHEMA = `
CREATE TABLE epoch (one INTEGER PRIMARY KEY CHECK (one = 1), id TEXT NOT NULL, file TEXT NOT NULL, open INTEGER NOT NULL,
  closedUntilMs INTEGER NOT NULL) STRICT;
CREATE TABLE report (instance TEXT PRIMARY KEY) STRICT, WITHOUT ROWID;
CREATE TABLE slot (merchant TEXT PRIMARY KEY, epoch TEXT) STRICT, WITHOUT ROWID;

CREATE TABLE nonce (merchant TEXT, nonce TEXT, admissionId TEXT NOT NULL, keyHash TEXT, decision TEXT, untilMs INTEGER NOT NULL,
  PRIMARY KEY (merchant, nonce)) STRICT, WITHOUT ROWID;
CREATE INDEX nonceUntil ON nonce (untilMs);
CREATE TABLE tombstone (merchant TEXT, admissionId TEXT, untilMs INTEGER NOT NULL, PRIMARY KEY (merchant, admissionId)) STRICT, WITHOUT ROWID;
CREATE INDEX tombstoneUntil ON tombstone (untilMs);

CREATE TABLE rate (merchant TEXT, counter TEXT, tatUs INTEGER NOT NULL, PRIMARY KEY (merchant, counter)) STRICT, WITHOUT ROWID;
CREATE TABLE concurrency (merchant TEXT, counter TEXT, admissionId TEXT, untilMs INTEGER NOT NULL,
  PRIMARY KEY (merchant, counter, admissionId)) STRICT, WITHOUT ROWID;
CREATE INDEX concurrencyAdmission ON concurrency (merchant, admissionId);
CREATE INDEX concurrencyUntil ON concurrency (untilMs);

CREATE TABLE claim (merchant TEXT, keyHash TEXT, fingerprint TEXT NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('inFlight', 'unknown', 'final')), outcome TEXT CHECK (outcome IN ('succeeded', 'failed')),
  admissionId TEXT NOT NULL, admissionIds TEXT NOT NULL, expiresAtMs INTEGER NOT NULL, deadlineMs INTEGER NOT NULL,
  keepUntilMs INTEGER NOT NULL, resolve TEXT NOT NULL, answer BLOB, answerUntilMs INTEGER, fence INTEGER NOT NULL,
  leaseUntilMs INTEGER NOT NULL, nextAskMs INTEGER NOT NULL, CHECK ((state = 'final') = (outcome IS NOT NULL)),
  PRIMARY KEY (merchant, keyHash)) STRICT;
CREATE INDEX claimOpen ON claim (merchant) WHERE state <> 'final';
CREATE INDEX claimKeep ON claim (keepUntilMs) WHERE state = 'final';
CREATE INDEX claimAnswer ON claim (answerUntilMs) WHERE answer IS NOT NULL;

CREATE TABLE reservation (merchant TEXT, admissionId TEXT, keyHash TEXT NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('open', 'released', 'committed')), entries TEXT, keepUntilMs INTEGER NOT NULL,
  PRIMARY KEY (merchant, admissionId)) STRICT, WITHOUT ROWID;
CREATE INDEX reservationOpen ON reservation (merchant, keyHash) WHERE state = 'open';
CREATE INDEX reservationKeep ON reservation (keepUntilMs) WHERE state <> 'open';
CREATE TABLE total (merchant TEXT, counter TEXT, committed INTEGER NOT NULL, reserved INTEGER NOT NULL, windowEndsMs INTEGER NOT NULL,
  PRIMARY KEY (merchant, counter)) STRICT, WITHOUT ROWID;
CREATE INDEX totalEnds ON total (windowEndsMs) WHERE reserved = 0;

CREATE TABLE announcement (version INTEGER PRIMARY KEY, topic TEXT NOT NULL, kind TEXT NOT NULL, subject TEXT NOT NULL,
  actor TEXT NOT NULL, reason TEXT NOT NULL, atMs INTEGER NOT NULL, before TEXT NOT NULL, after TEXT NOT NULL, restored INTEGER NOT NULL) STRICT;
CREATE INDEX announcementSubject ON announcement (topic, subject, atMs);
CREATE TABLE acknowledgement (instance TEXT PRIMARY KEY, version INTEGER NOT NULL, problem TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE workingKey (merchant TEXT PRIMARY KEY, keys TEXT NOT NULL, untilMs INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE INDEX workingKeyUntil ON workingKey (untilMs);

PRAGMA user_version = ${SCHEMA_VERSION};
`;
