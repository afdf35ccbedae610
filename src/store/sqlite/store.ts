import { systemClock } from '../../lib/clock.ts';
import { UserError } from '../../lib/user-error.ts';
import type { AnnouncingStore } from '../../ports/announcements.ts';
import { StoreUnavailable } from '../../ports/store.ts';
import type { KeyKeepingStore } from '../../ports/working-keys.ts';
import { announcementCommands } from './announcements.ts';
import { decisions, epochs, questions } from './commands.ts';
import { readEpoch } from './epoch.ts';
import { isBusy, readFailure } from './failure.ts';
import { findIdentity, type OpenFile, openFile, sameFile } from './file.ts';
import { noteCommands } from './notes.ts';
import { prepareStatements, type Statements } from './statements.ts';
import { createSweeper, type Sweeper } from './sweep.ts';
import { createTransactions } from './transactions.ts';
import { workingKeyCommands } from './working-keys.ts';

export type SqliteOptions = {
  readonly file: string;
  /** How long one attempt to get the lock may stop the event loop, ms, at most 50. */
  readonly busyTimeoutMs?: number;
  /** How long a command may wait for the lock in all, ms. */
  readonly giveUpMs?: number;
};

/** The file as it is open now, with what commands need of it. */
type Access = OpenFile & { readonly statements: Statements; readonly sweeper: Sweeper };

const BUSY_TIMEOUT_MS_MAX = 50;

/**
 * The store in one SQLite file that several processes of one machine share (contract.md section 10). A file that is deleted
 * or replaced while it is open is a lost store: commands fail with StoreUnavailable until `epoch()` has opened the new one.
 *
 * Throws a UserError for a file that cannot be used, StoreUnavailable when other processes are opening it for too long.
 */
export async function openSqliteStore({
  file,
  busyTimeoutMs = 10,
  giveUpMs = 1000,
}: SqliteOptions): Promise<AnnouncingStore & KeyKeepingStore> {
  const timeoutMs = Math.min(busyTimeoutMs, BUSY_TIMEOUT_MS_MAX);
  let former: Access = await openFirst(file, timeoutMs, giveUpMs);
  let current: Access | undefined = former;

  const isPresent = (): boolean => sameFile(current?.identity, findIdentity(file));
  const connect = (): Access => {
    if (current && isPresent()) return current;
    throw new StoreUnavailable('SQLite: the file of the store was deleted or replaced');
  };
  const reconnect = (): void => {
    current = undefined;
    if (former.database.isOpen) former.database.close();
    current = open(file, timeoutMs, former);
    former = current;
  };
  const transactions = createTransactions({ connect, giveUpMs, monotonicMs: systemClock.monotonicMs });

  return {
    kind: 'sqlite',
    ...decisions(transactions),
    ...questions(transactions),
    ...epochs(transactions),
    announcements: announcementCommands(transactions),
    notes: noteCommands(transactions),
    workingKeys: workingKeyCommands(transactions),
    epoch: async () => {
      if (!isPresent()) attempt(reconnect);
      return { state: await transactions.read(({ statements, identity }) => readEpoch(statements, identity.text)) };
    },
    close: async () => {
      transactions.close();
      if (former.database.isOpen) former.database.close();
    },
  };
}

function open(file: string, busyTimeoutMs: number, former?: OpenFile): Access {
  const opened = openFile(file, busyTimeoutMs, former);
  return { ...opened, statements: prepareStatements(opened.database), sweeper: createSweeper(opened.database) };
}

/** Whatever goes wrong with the file while running: the store is away, and the next look tries again. */
function attempt(act: () => void): void {
  try {
    act();
  } catch (error) {
    throw new StoreUnavailable(`SQLite: ${(error as Error).message}`, { cause: error });
  }
}

/** The first opening tells the user what is wrong; it tries again only while another process is opening the file. */
async function openFirst(file: string, busyTimeoutMs: number, giveUpMs: number): Promise<Access> {
  const untilMs = systemClock.monotonicMs() + giveUpMs;
  for (;;) {
    try {
      return open(file, busyTimeoutMs);
    } catch (error) {
      if (error instanceof UserError) throw error;
      if (!isBusy(error)) throw new UserError(`store: cannot use ${file}: ${(error as Error).message}`, { cause: error });
      if (systemClock.monotonicMs() >= untilMs) throw readFailure(error);
    }
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
