import { randomUUID } from 'node:crypto';
import type { Standing } from '../admission/admit.ts';
import type { Journal } from '../ports/journal.ts';
import type { EpochState, Store } from '../ports/store.ts';
import { type DeadJournal, reportTo } from './rebuild.ts';
import type { Unforwarded } from './unforwarded.ts';

export type KeeperOptions = {
  readonly store: Store;
  readonly journal: Journal;
  readonly unforwarded: Unforwarded;
  readonly instance: string;
  readonly instances: readonly string[];
  readonly merchantNumbers: () => readonly string[];
  readonly deadJournals: () => Promise<{ readonly journals: readonly DeadJournal[]; readonly release: () => Promise<void> }>;
  readonly ownUncleanEndMs: number | undefined;
  readonly nowMs: () => number;
  /** Told in one line whenever the standing changes, and why. */
  readonly onChange: (line: string) => void;
};

export type EpochKeeper = {
  readonly standing: () => Standing;
  /** The epoch this process belongs to; '' before the first. */
  readonly epoch: () => string;
  /** One look at the store, and whatever follows from it. Called by the timer; tests and start-up call it directly. Never rejects. */
  readonly look: () => Promise<void>;
  readonly start: () => void;
  readonly stop: () => void;
};

/** How often the store is asked, ms. */
const LOOK_EVERY_MS = 500;
/** More than this off the store's clock and money is refused (contract.md section 9). */
const CLOCK_SKEW_MS_MAX = 2_000;

type Joinable = Exclude<EpochState, { kind: 'lost' }>;

const closed = (code: 'REBUILDING' | 'STORE_UNAVAILABLE' | 'CLOCK_SKEW'): Standing => ({ kind: 'closed', code });

/**
 * Watches the store's epoch (contract.md section 8). When the store was lost it writes a new epoch, replays the journals,
 * reports, and opens once all configured instances have reported. Until then money operations are refused.
 */
export function createEpochKeeper(options: KeeperOptions): EpochKeeper {
  const { store, nowMs } = options;
  let joined = '';
  let standing: Standing = closed('REBUILDING');
  let reason = '';
  let merchantsSeen = new Set<string>();
  let timer: NodeJS.Timeout | undefined;
  let looking: Promise<void> | undefined;

  const become = (next: Standing, why: string) => {
    standing = next;
    if (why !== reason) options.onChange(why);
    reason = why;
  };

  /** Leaves the old epoch first: from here on nothing admitted under it is appended or forwarded. */
  const join = async ({ epoch, kind }: Joinable) => {
    become(closed('REBUILDING'), `joining epoch ${epoch}: replaying the journals`);
    joined = '';
    options.unforwarded.appendAll(options.journal);
    merchantsSeen = await reportTo({ ...options, epoch, storeLost: kind === 'rebuilding' });
    if (kind === 'open') await openNewSlots(epoch);
    joined = epoch;
  };

  /** Merchants that were configured since the epoch began. One that a journal knows has lost its slot: that is for an operator. */
  const openNewSlots = async (epoch: string) => {
    const known = new Set(await store.merchants());
    for (const merchantNumber of options.merchantNumbers()) {
      if (known.has(merchantNumber)) continue;
      if (merchantsSeen.has(merchantNumber))
        options.onChange(`merchant ${merchantNumber} has records in a journal but no slot in the store: it stays closed`);
      else await store.openSlot({ merchantNumber, epoch });
    }
  };

  const tryToOpen = async (state: Joinable) => {
    const missing = options.instances.filter((name) => !state.reported.includes(name) && name !== options.instance);
    if (state.slotsClosedUntilMs > nowMs()) {
      become(
        closed('REBUILDING'),
        `closed until ${new Date(state.slotsClosedUntilMs).toISOString()}: nonces may be lost with the store and a process that ended uncleanly`,
      );
      return;
    }
    const merchantNumbers = [...new Set([...options.merchantNumbers(), ...merchantsSeen])];
    const opened = await store.openEpoch({ epoch: state.epoch, instances: options.instances, merchantNumbers, nowMs: nowMs() });
    if (opened) become({ kind: 'open', epoch: state.epoch }, `epoch ${state.epoch} is open`);
    else become(closed('REBUILDING'), `waiting for the reports of ${missing.join(', ') || 'other instances'}`);
  };

  const follow = async (state: EpochState): Promise<void> => {
    if (state.kind === 'lost') {
      const epoch = randomUUID();
      become(closed('REBUILDING'), `the store was lost or is new: writing epoch ${epoch}`);
      await store.beginEpoch({ epoch, ...(state.previous === undefined ? {} : { previous: state.previous }) });
      return follow((await store.epoch()).state);
    }
    if (state.epoch !== joined) await join(state);
    if (state.kind === 'rebuilding') return tryToOpen(state);
    return become({ kind: 'open', epoch: joined }, `epoch ${joined} is open`);
  };

  const lookOnce = async () => {
    try {
      const { state, storeNowMs } = await store.epoch();
      const skewMs = storeNowMs === undefined ? 0 : Math.abs(storeNowMs - nowMs());
      if (skewMs > CLOCK_SKEW_MS_MAX) become(closed('CLOCK_SKEW'), `this clock is ${skewMs} ms off the store's`);
      else await follow(state);
    } catch (error) {
      become(closed('STORE_UNAVAILABLE'), `the store is not usable: ${error instanceof Error ? error.message : String(error)}`);
    }
  };

  const look = (): Promise<void> => {
    looking ??= lookOnce().finally(() => {
      looking = undefined;
    });
    return looking;
  };

  return {
    standing: () => standing,
    epoch: () => joined,
    look,
    start: () => {
      timer = setInterval(() => void look(), LOOK_EVERY_MS);
      timer.unref();
    },
    stop: () => clearInterval(timer),
  };
}
