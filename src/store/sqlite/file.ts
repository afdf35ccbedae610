import { chmodSync, closeSync, existsSync, mkdirSync, openSync, rmSync, statfsSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { UserError } from '../../lib/user-error.ts';
import { NOTES, SCHEMA, SCHEMA_VERSION } from './schema.ts';

/**
 * Linux file system types (statfs(2)) on which several hosts may write, or on which locks and shared memory cannot be relied on:
 * SQLite's write-ahead log needs both, and a lock that is only believed would let two processes admit at once.
 */
const NETWORK_FILE_SYSTEMS: ReadonlyMap<number, string> = new Map([
  [0x6969, 'NFS'],
  [0x517b, 'SMB'],
  [0xfe534d42, 'SMB 2'],
  [0xff534d42, 'CIFS'],
  [0x5346414f, 'AFS'],
  [0x6b414653, 'AFS'],
  [0x73757245, 'Coda'],
  [0x564c, 'NCP'],
  [0x00c36400, 'Ceph'],
  [0x0bd00bd0, 'Lustre'],
  [0x01161970, 'GFS2'],
  [0x7461636f, 'OCFS2'],
  [0x47504653, 'GPFS'],
  [0x01021997, '9P'],
  [0x65735546, 'FUSE'],
]);

/** The name of the network file system a statfs type stands for; undefined for local ones. Types are signed on some machines. */
export const findNetworkFileSystem = (type: number): string | undefined => NETWORK_FILE_SYSTEMS.get(type >>> 0);

/** Which file is open. A new file under the old name has another inode, and one that reuses an inode another birth. */
export type Identity = {
  readonly device: bigint;
  readonly inode: bigint;
  /** Kept in the epoch: without the device, whose number may change when the machine starts again. */
  readonly text: string;
};

/** The identity of the file that has this name now; undefined when there is none. */
export function findIdentity(file: string): Identity | undefined {
  const stat = statSync(file, { bigint: true, throwIfNoEntry: false });
  return stat && { device: stat.dev, inode: stat.ino, text: `${stat.ino}:${stat.birthtimeNs}` };
}

export const sameFile = (a: Identity | undefined, b: Identity | undefined): boolean =>
  a !== undefined && b !== undefined && a.device === b.device && a.inode === b.inode;

/** Files that SQLite keeps beside the database. */
const COMPANIONS = ['-wal', '-shm'] as const;

export type OpenFile = {
  readonly database: DatabaseSync;
  readonly identity: Identity;
  /** Identities of the companions, to know them again when they outlive their database. */
  readonly companions: readonly (Identity | undefined)[];
};

/**
 * Opens the store's file, making it when there is none, readable by its owner only. Opening is exclusive among processes:
 * companions that a deleted or replaced database left behind must go before the first of them opens the new one.
 * `former` is what this process had open under the name.
 *
 * Throws a UserError for a network file system and a file of another schema version, else what the system or SQLite throws.
 */
export function openFile(file: string, busyTimeoutMs: number, former?: OpenFile): OpenFile {
  const directory = dirname(file);
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  checkLocal(existsSync(file) ? file : directory);
  touch(`${file}.lock`);
  const lock = new DatabaseSync(`${file}.lock`, { timeout: busyTimeoutMs });
  try {
    lock.exec('BEGIN EXCLUSIVE');
    removeStale(file, former);
    touch(file);
    const database = openDatabase(file, busyTimeoutMs);
    const identity = findIdentity(file);
    if (!identity) throw new Error(`${file} vanished while it was opened`);
    return { database, identity, companions: COMPANIONS.map((suffix) => findIdentity(file + suffix)) };
  } finally {
    lock.close();
  }
}

function checkLocal(path: string): void {
  const name = process.platform === 'linux' ? findNetworkFileSystem(statfsSync(path).type) : undefined;
  if (name) throw new UserError(`store: ${path} is on ${name}; the SQLite store needs a local disk, or use redis://`);
}

/** Makes the file when absent; nobody but its owner may read it, also when it came from elsewhere. */
function touch(file: string): void {
  closeSync(openSync(file, 'a', 0o600));
  chmodSync(file, 0o600);
}

function removeStale(file: string, former: OpenFile | undefined): void {
  const absent = !existsSync(file);
  for (const [i, suffix] of COMPANIONS.entries()) {
    if (absent || sameFile(findIdentity(file + suffix), former?.companions[i])) rmSync(file + suffix, { force: true });
  }
}

function openDatabase(file: string, busyTimeoutMs: number): DatabaseSync {
  const database = new DatabaseSync(file, { timeout: busyTimeoutMs });
  try {
    database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA trusted_schema = OFF');
    const version = database.prepare('PRAGMA user_version').get()?.user_version;
    if (version === 0) database.exec(`BEGIN IMMEDIATE; ${SCHEMA} COMMIT`);
    else if (version !== SCHEMA_VERSION) {
      throw new UserError(
        `store: ${file} has version ${version}, this program reads ${SCHEMA_VERSION}; stop, move it away and start: it is rebuilt from the journals`,
      );
    }
    database.exec(NOTES);
    return database;
  } catch (error) {
    database.close();
    throw error;
  }
}
