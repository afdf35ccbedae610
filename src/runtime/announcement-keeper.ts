import { type Bans, foldBans } from '../identity/bans.ts';
import { createPoll, type Poll } from '../lib/poll.ts';
import type { Announced, Announcement, Announcements } from '../ports/announcements.ts';
import type { Journal } from '../ports/journal.ts';
import { StoreUnavailable } from '../ports/store.ts';

export type AnnouncementKeeperOptions = {
  readonly announcements: Announcements;
  readonly journal: Pick<Journal, 'append' | 'synced'>;
  readonly instance: string;
  /** The epoch of the store that this process belongs to; '' while there is none. */
  readonly epoch: () => string;
  /** What the files of this process forbid, to be told to a store that knows nothing. */
  readonly written: () => readonly Announced[];
  /** Bans are in force, up to this version: closes what must be closed. */
  readonly onBans: (version: number) => void;
  /** Changes that this process had not seen before; those at its start may be old. */
  readonly onFresh: (changes: readonly Announcement[]) => void;
  /** Reads the files anew after changes. Returns why they were not taken, else ''. Never rejects. */
  readonly onChanges: () => Promise<string>;
  readonly onAlarm: (line: string) => void;
  readonly monotonicMs: () => number;
};

/** Each look asks the store once; `look` itself also waits for whatever follows from it. */
export type AnnouncementKeeper = Poll & {
  readonly bans: () => Bans;
  /** Whether this process knew within the last 2 s that no change had passed it by (contract.md section 2). */
  readonly isConfirmed: () => boolean;
};

const LOOK_EVERY_MS = 500;
const CONFIRMED_MS = 2_000;

/** Which changes are in the journal of this instance already, and those that are to be. */
type Records = {
  /** Returns those that are new. */
  readonly add: (changes: readonly Announcement[]) => readonly Announcement[];
  readonly skip: (changes: readonly Announcement[]) => void;
  /** Resolves when all are on the disk; rejects with a Refusal JOURNAL_UNAVAILABLE, and goes on where it was the next time. */
  readonly write: () => Promise<void>;
};

/** The same change under another version, as after a loss of the store, is no new one. */
const idOf = ({ kind, subject, actor, atMs }: Announced): string => JSON.stringify([atMs, kind, subject, actor]);

function createRecords(journal: Pick<Journal, 'append' | 'synced'>): Records {
  const known = new Set<string>();
  let waiting: readonly Announcement[] = [];
  let sequence = 0;
  return {
    add: (changes) => {
      const fresh = changes.filter((change) => !known.has(idOf(change)));
      for (const change of fresh) known.add(idOf(change));
      waiting = [...waiting, ...fresh];
      return fresh;
    },
    skip: (changes) => {
      for (const change of changes) known.add(idOf(change));
    },
    write: async () => {
      for (let change = waiting[0]; change; change = waiting[0]) {
        sequence = journal.append({ type: 'operator', data: change });
        waiting = waiting.slice(1);
      }
      if (sequence > 0) await journal.synced(sequence);
    },
  };
}

type Keeper = AnnouncementKeeperOptions & {
  readonly records: Records;
  bans: Bans;
  /** Version up to which the bans are in force. */
  applied: number;
  acknowledged: number;
  /** Changes were applied since the files were read. */
  isUnread: boolean;
  /** What was wrong with the files when they were last read. */
  problem: string;
  /** The epoch in which everything was last given to and read from the store; undefined before the first time. */
  syncedEpoch: string | undefined;
  confirmedAtMs: number;
  following: Promise<void> | undefined;
};

/**
 * Follows the changes that operators announce (contract.md section 2): applies them, writes them to the journal, and
 * acknowledges only then. In a new epoch of the store it first gives back what it knows, since the store may have lost it; so
 * a ban is forgotten only when every process and every file has forgotten it.
 */
export function createAnnouncementKeeper(options: AnnouncementKeeperOptions): AnnouncementKeeper {
  const keeper: Keeper = {
    ...options,
    records: createRecords(options.journal),
    bans: foldBans([]),
    applied: 0,
    acknowledged: -1,
    isUnread: false,
    problem: '',
    syncedEpoch: undefined,
    confirmedAtMs: Number.NEGATIVE_INFINITY,
    following: undefined,
  };
  const poll = createPoll(() => lookOnce(keeper), LOOK_EVERY_MS);
  const pushed = createPushed(poll.look);
  let stopWatching: (() => void) | undefined;
  return {
    bans: () => keeper.bans,
    isConfirmed: () => options.monotonicMs() - keeper.confirmedAtMs < CONFIRMED_MS,
    ...poll,
    start: () => {
      stopWatching = options.announcements.watch?.(pushed);
      poll.start();
    },
    stop: () => {
      stopWatching?.();
      poll.stop();
    },
    look: async () => {
      await poll.look();
      await keeper.following;
    },
  };
}

/** Looks for what a push told. A look that was under way when it came may have asked too early, so it is followed by another. */
function createPushed(look: () => Promise<void>): () => void {
  let told = false;
  let looking = false;
  return () => {
    told = true;
    if (looking) return;
    looking = true;
    void (async () => {
      while (told) {
        told = false;
        await look();
        await look();
      }
      looking = false;
    })();
  };
}

async function lookOnce(keeper: Keeper): Promise<void> {
  const { announcements, onAlarm, epoch } = keeper;
  const askedAtMs = keeper.monotonicMs();
  try {
    if (keeper.syncedEpoch === undefined || (epoch() !== '' && epoch() !== keeper.syncedEpoch)) await synchronize(keeper);
    const { version, changes } = await announcements.since(keeper.applied);
    if (version < keeper.applied) await synchronize(keeper);
    else if (version > keeper.applied) take(keeper, foldBans(changes, keeper.bans.latest()), version, changes);
    keeper.confirmedAtMs = askedAtMs;
  } catch (error) {
    // That the store is away is told by the epoch keeper; here it is enough that nothing is confirmed.
    if (!(error instanceof StoreUnavailable)) onAlarm(`operators' changes cannot be read: ${(error as Error).message}`);
    return;
  }
  keeper.following ??= follow(keeper)
    .catch((error: unknown) => onAlarm(`an operator's change is not acknowledged: ${(error as Error).message}`))
    .finally(() => {
      keeper.following = undefined;
    });
}

/** The first look, and after every change of epoch: what is known goes to the store, and all that it has is read anew. */
async function synchronize(keeper: Keeper): Promise<void> {
  const { announcements } = keeper;
  const epoch = keeper.epoch();
  const isFirst = keeper.syncedEpoch === undefined;
  const present = await announcements.since(0);
  if (!isFirst) await announcements.restore(keeper.bans.latest());
  else if (present.version === 0) await announcements.restore(keeper.written());
  if (isFirst) await skipJournalled(keeper, present.changes);
  const { version, changes } = await announcements.since(0);
  take(keeper, foldBans(changes), version, changes, isFirst);
  keeper.syncedEpoch = epoch;
}

/** What this instance has acknowledged before it was started anew is in its journal. */
async function skipJournalled({ announcements, instance, records }: Keeper, changes: readonly Announcement[]): Promise<void> {
  const own = (await announcements.acknowledgements()).find((row) => row.instance === instance);
  records.skip(changes.filter(({ version }) => version <= (own?.version ?? 0)));
}

function take(keeper: Keeper, bans: Bans, version: number, changes: readonly Announcement[], isFirst = false): void {
  const fresh = keeper.records.add(changes);
  if (fresh.length > 0) keeper.onFresh(fresh);
  keeper.bans = bans;
  keeper.applied = version;
  keeper.acknowledged = -1;
  // At the start the files were just read; only what was announced meanwhile asks for more.
  keeper.isUnread ||= !isFirst || fresh.length > 0;
  keeper.onBans(version);
}

/** What follows from bans that are in force already; it may take its time, and the store is asked meanwhile. */
async function follow(keeper: Keeper): Promise<void> {
  while (keeper.isUnread || keeper.acknowledged !== keeper.applied) {
    const version = keeper.applied;
    if (keeper.isUnread) {
      keeper.isUnread = false;
      keeper.problem = await keeper.onChanges();
    }
    await keeper.records.write();
    await keeper.announcements.acknowledge({ instance: keeper.instance, version, problem: keeper.problem });
    if (version === keeper.applied) keeper.acknowledged = version;
  }
}
