import { StoreUnavailable } from '../../ports/store.ts';

/** SQLite's result codes (sqlite.org/rescode.html), primary part, that speak of the file or the machine and not of our statement. */
const UNAVAILABLE: ReadonlySet<number> = new Set([3, 4, 7, 8, 9, 10, 11, 13, 14, 15, 16, 17, 22, 26]);
const BUSY: ReadonlySet<number> = new Set([5, 6]);

const codeOf = (error: unknown): number | undefined =>
  error instanceof Error && 'errcode' in error && typeof error.errcode === 'number' ? error.errcode & 0xff : undefined;

/** Whether another process holds the lock. */
export const isBusy = (error: unknown): boolean => BUSY.has(codeOf(error) ?? -1);

/** What the caller is told: StoreUnavailable for disk, lock and file, the error itself for a bug. */
export function readFailure(error: unknown): unknown {
  const code = codeOf(error);
  if (code === undefined || !(UNAVAILABLE.has(code) || BUSY.has(code))) return error;
  return new StoreUnavailable(`SQLite: ${(error as Error).message}`, { cause: error });
}
