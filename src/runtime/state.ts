import type { GatewayConfig } from '../config/schema.ts';
import { type OpenJournal, openJournal } from '../journal/journal.ts';
import type { Keyring } from '../keys/keyring.ts';
import { systemClock } from '../lib/clock.ts';
import type { Log } from '../lib/log.ts';
import type { Event } from '../pipeline/event.ts';
import type { Announcements } from '../ports/announcements.ts';
import type { Journal } from '../ports/journal.ts';
import type { Notes } from '../ports/notes.ts';
import type { Store } from '../ports/store.ts';
import type { WorkingKeyShelf } from '../ports/working-keys.ts';
import { createEpochKeeper, type EpochKeeper, type KeeperOptions } from '../settlement/epoch-keeper.ts';
import { trackUnforwarded, type Unforwarded } from '../settlement/unforwarded.ts';
import { createUntilConfirmed, type UntilConfirmed, type UntilConfirmedOptions } from '../settlement/until-confirmed.ts';
import { openDeadJournals } from './dead-journals.ts';
import { openStore } from './open-store.ts';

/** A process's journal; `boot` is a part of its admission ids. */
type BootedJournal = Journal & Pick<OpenJournal, 'boot'>;

/** What outlives a request: the journal, the store, and what keeps the two together. */
export type State = {
  readonly journal: BootedJournal;
  /** Notes every admission before it is sent; see settlement/unforwarded. */
  readonly store: Store;
  readonly unforwarded: Unforwarded;
  readonly keeper: EpochKeeper;
  readonly until: UntilConfirmed;
  /** Lets commands to the store come to their end, at most until the time-out, then closes journal and store; tells how many commands are left to the replay. */
  readonly close: (timeoutMs: number) => Promise<number>;
};

export type JoinOptions = Omit<KeeperOptions, 'store' | 'unforwarded' | 'journal'> &
  UntilConfirmedOptions & { readonly store: Store; readonly journal: BootedJournal };

/** Joins a journal and a store; the same in the gateway and in its simulation. Nothing is replayed yet: see EpochKeeper.look. */
export function joinState(options: JoinOptions): State {
  const { journal } = options;
  const unforwarded = trackUnforwarded(options.store);
  const { store } = unforwarded;
  const until = createUntilConfirmed(options);
  const keeper = createEpochKeeper({ ...options, store, unforwarded });
  const close = async (timeoutMs: number) => {
    keeper.stop();
    const left = await until.drain(timeoutMs);
    await journal.close(noteNonces(unforwarded, journal) ? undefined : options.nowMs());
    await store.close();
    return left;
  };
  return { journal, store, unforwarded, keeper, until, close };
}

/** A journal that is closed holds every nonce that was sent, or says that some are lost. */
function noteNonces(unforwarded: Unforwarded, journal: Journal): boolean {
  try {
    unforwarded.appendAll(journal);
    return true;
  } catch {
    return false;
  }
}

/** How long to wait for the own journal at start, ms: another gateway of this host may be replaying it. */
const LOCK_WAIT_MS = 5_000;
const { nowMs } = systemClock;

/** Opens journal and store. Nothing is replayed yet: see EpochKeeper.look. */
export async function openState(
  config: GatewayConfig,
  keyring: Keyring,
  merchantNumbers: () => readonly string[],
  { log, alarm }: { readonly log: Log; readonly alarm: Event['alarm'] },
): Promise<State & { readonly announcements: Announcements; readonly notes: Notes; readonly workingKeys: WorkingKeyShelf }> {
  const { instance, instances } = config;
  const { directory, groupMsMax, groupRecordsMax, segmentBytesMax } = config.journal;
  const onAlarm = (line: string) => alarm(line, { of: 'journal' });
  const groups = { groupMsMax, groupRecordsMax, segmentBytesMax, lockWaitMs: LOCK_WAIT_MS };
  const journal = await openJournal({ directory, instance, signer: keyring.journal, clock: systemClock, ...groups, onAlarm });
  const store = await openStore(config, (line) => log.warn({ warning: line }, 'store')).catch(async (error) => {
    await journal.close();
    throw error;
  });
  const joined = joinState({
    journal,
    store,
    instance,
    instances,
    merchantNumbers,
    deadJournals: () => openDeadJournals(directory, instance, nowMs),
    nowMs,
    onChange: (line) => log.info({ standing: line }, 'store'),
    onFailure: (what, error) => log.warn({ command: what, cause: String(error) }, 'a command to the store is repeated'),
  });
  const close = async (timeoutMs: number) => {
    const left = await joined.close(timeoutMs);
    if (left > 0) log.warn({ left }, 'commands to the store are left to the replay of the journal');
    return left;
  };
  return { ...joined, announcements: store.announcements, notes: store.notes, workingKeys: store.workingKeys, close };
}
