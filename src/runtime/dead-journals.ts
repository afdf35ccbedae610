import { readJournals } from '../journal/journals.ts';
import { tryLock } from '../journal/lock.ts';
import { readFacts } from '../journal/read.ts';
import type { DeadJournals } from '../settlement/rebuild.ts';

/** Takes the locks of all journals of this host that nobody writes, so that their owners cannot start while they are replayed. */
export async function openDeadJournals(root: string, ownInstance: string, nowMs: () => number): Promise<DeadJournals> {
  const held = new Map<string, () => void>();
  for (const { instance, directory, locked } of await readJournals(root)) {
    const unlock = instance === ownInstance || locked ? undefined : tryLock(directory);
    if (unlock) held.set(instance, unlock);
  }
  // Read again under the lock: an owner may have started and died since the folder was found.
  const journals = (await readJournals(root)).filter(({ instance }) => held.has(instance));
  return {
    journals: journals.map(({ instance, directory, cleanlyClosed, noncesLostAtMs }) => ({
      instance,
      noncesLostAtMs: cleanlyClosed ? noncesLostAtMs : nowMs(),
      facts: () => readFacts(directory),
    })),
    release: async () => {
      for (const unlock of held.values()) unlock();
    },
  };
}
