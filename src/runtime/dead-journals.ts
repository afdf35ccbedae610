import { readJournals } from '../journal/journals.ts';
import { tryLock } from '../journal/lock.ts';
import { readFacts } from '../journal/read.ts';
import type { DeadJournal } from '../settlement/rebuild.ts';

/** Takes the locks of all journals of this host that nobody writes, so that their owners cannot start while they are replayed. */
export async function openDeadJournals(
  root: string,
  ownInstance: string,
): Promise<{ journals: DeadJournal[]; release: () => Promise<void> }> {
  const journals: DeadJournal[] = [];
  const unlocks: (() => void)[] = [];
  for (const { instance, directory, locked, cleanlyClosed, lastRecordAtMs } of await readJournals(root)) {
    const unlock = instance === ownInstance || locked ? undefined : tryLock(directory);
    if (!unlock) continue;
    unlocks.push(unlock);
    journals.push({ instance, cleanlyClosed, lastRecordAtMs, facts: () => readFacts(directory) });
  }
  return {
    journals,
    release: async () => {
      for (const unlock of unlocks) unlock();
    },
  };
}
