import { statSync } from 'node:fs';
import { UserError } from '../lib/user-error.ts';

/** Throws a UserError when others than the owner may read or write a file that holds a secret. Windows has no such modes. */
export function checkKeyFileMode(path: string): void {
  if (process.platform === 'win32') return;
  const mode = findMode(path);
  if ((mode & 0o077) === 0) return;
  throw new UserError(`${path} may be read by others than its owner (mode ${(mode & 0o777).toString(8)}): run chmod 600 ${path}`);
}

function findMode(path: string): number {
  try {
    return statSync(path).mode;
  } catch (cause) {
    throw new UserError(`${path} cannot be read (${(cause as NodeJS.ErrnoException).code}): check the path`, { cause });
  }
}
