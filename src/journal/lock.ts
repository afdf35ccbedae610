import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';

const SQLITE_BUSY = 5;

/**
 * Takes a journal folder for this process: an exclusive transaction on `lock.db`, which the operating system ends with
 * the process however it dies (Node has no flock). Returns a function that gives it up, or undefined when another holds it.
 */
export function tryLock(directory: string): (() => void) | undefined {
  const database = new DatabaseSync(join(directory, 'lock.db'), { timeout: 0 });
  try {
    database.exec('BEGIN EXCLUSIVE');
  } catch (error) {
    database.close();
    if ((error as { errcode?: number }).errcode === SQLITE_BUSY) return undefined;
    throw error;
  }
  return () => database.close();
}

/** Whether a process holds the folder now. Makes no lock file where there is none. */
export function isLocked(directory: string): boolean {
  if (!existsSync(join(directory, 'lock.db'))) return false;
  const release = tryLock(directory);
  release?.();
  return release === undefined;
}
