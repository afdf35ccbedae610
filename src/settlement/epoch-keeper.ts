import { randomUUID } from 'node:crypto';
import type { Standing } from '../admission/admit.ts';
import type { Journal } from '../ports/journal.ts';
import type { EpochState, Store } from '../ports/store.ts';
import { type DeadJournals, reportTo } from './rebuild.ts';
import type { Unforwarded } from './unforwarded.ts';

export type KeeperOptions = {
  readonly store: Store;
  readonly journal: Journal;
  readonly unforwarded: Unforwarded;
  readonly instance: string;
  readonly instances: readonly string[];
  readonly merchantNumbers: () => readonly string[];
  readonly deadJournals: () => Promise<DeadJournals>;
  readonly nowMs: () => number;
  /** Told in one line whenever the standing changes, and why. */
  readonly onChange: (line: string) => void;
};

export type EpochKeeper = {
  readonly standing: () => Standing;
  /** The epoch this process has reported to; '' before the first and while it joins another. */
  readonly epoch: () => string;
  /** One look at the store, and whatever follows from it. Called by the timer; tests and start-up call it directly. Never rejects. */
  readonly look: () => Promise<void>;
  /** Opens the slots of merchants that were configured since the epoch began; those of a closed epoch open with it. Rejects with StoreUnavailable. */
  readonly welcome: () => Promise<void>;
  readonly start: () => void;
  readonly stop: () => void;
};

/** How often the store is asked, ms. */
const LOOK_EVERY_MS = 500;
/** More than this off the store's clock and money is refused (contract.md section 9). */
const CLOCK_SKEW_MS_MAX = 2_000;

type Joinable = Exclude<EpochState, { kind: 'lost' }>;

type Keeper = KeeperOptions & {
  joined: string;
  standing: Standing;
  reason: string;
  /** The epoch whose new merchants have their slots. */
  slotsOpenedIn: string;
  /** Merchants that a journal knows while the store, its epoch being open, had no slot for them. */
  withoutSlot: ReadonlySet<string>;
  timer: NodeJS.Timeout | undefined;
  looking: Promise<void> | undefined;
};

/**
 * Watches the store's epoch (contract.md section 8). When the store was lost it writes a new epoch, replays the journals,
 * reports, and opens once all configured instances have reported. Until then money operations are refused.
 */
export function createEpochKeeper(options: KeeperOptions): EpochKeeper {
  const standing: Standing = { kind: 'closed', code: 'REBUILDING' };
  const idle = { joined: '', reason: '', slotsOpenedIn: '', withoutSlot: new Set<string>(), timer: undefined, looking: undefined };
  const keeper: Keeper = { ...options, ...idle, standing };
  const look = (): Promise<void> => {
    keeper.looking ??= lookOnce(keeper).finally(() => {
      keeper.looking = undefined;
    });
    return keeper.looking;
  };
  return {
    standing: () => keeper.standing,
    epoch: () => keeper.joined,
    look,
    welcome: async () => {
      keeper.slotsOpenedIn = '';
      if (keeper.standing.kind === 'open') await openNewSlots(keeper);
    },
    start: () => {
      keeper.timer = setInterval(() => void look(), LOOK_EVERY_MS);
      keeper.timer.unref();
    },
    stop: () => clearInterval(keeper.timer),
  };
}

function become(keeper: Keeper, standing: Standing, why: string): void {
  keeper.standing = standing;
  if (why !== keeper.reason) keeper.onChange(why);
  keeper.reason = why;
}

const close = (keeper: Keeper, code: Exclude<Standing, { kind: 'open' }>['code'], why: string): void =>
  become(keeper, { kind: 'closed', code }, why);

async function lookOnce(keeper: Keeper): Promise<void> {
  try {
    const askedMs = keeper.nowMs();
    const { state, storeNowMs } = await keeper.store.epoch();
    const skewMs = storeNowMs === undefined ? 0 : skewOf(storeNowMs, askedMs, keeper.nowMs());
    if (skewMs > CLOCK_SKEW_MS_MAX) close(keeper, 'CLOCK_SKEW', `this clock is ${skewMs} ms off the store's`);
    else await follow(keeper, state);
  } catch (error) {
    close(keeper, 'STORE_UNAVAILABLE', `the store is not usable: ${error instanceof Error ? error.message : String(error)}`);
  }
}

/** How far the store's clock is outside the time between question and answer: a slow answer is no skew. */
const skewOf = (storeNowMs: number, askedMs: number, answeredMs: number): number =>
  Math.max(askedMs - storeNowMs, storeNowMs - answeredMs, 0);

/** Goes from the state of the store as far towards an open epoch as it can now; the next look goes on. */
async function follow(keeper: Keeper, seen: EpochState): Promise<void> {
  const begun = seen.kind === 'lost' ? await begin(keeper, seen.previous) : seen;
  const state = begun.kind === 'lost' || begun.epoch === keeper.joined ? begun : await join(keeper, begun);
  if (state.kind === 'lost' || state.epoch !== keeper.joined) {
    close(keeper, 'REBUILDING', 'the store was lost again meanwhile');
    return;
  }
  if (state.kind === 'rebuilding' && !(await openEpoch(keeper, state))) return;
  await openNewSlots(keeper);
  become(keeper, { kind: 'open', epoch: keeper.joined }, `epoch ${keeper.joined} is open`);
}

async function begin(keeper: Keeper, previous: string | undefined): Promise<EpochState> {
  const epoch = randomUUID();
  close(keeper, 'REBUILDING', `the store was lost or is new: writing epoch ${epoch}`);
  await keeper.store.beginEpoch({ epoch, ...(previous === undefined ? {} : { previous }) });
  return (await keeper.store.epoch()).state;
}

/**
 * Leaves the old epoch first: from here on nothing admitted under it is appended or forwarded, and no question asked in it
 * decides anything. Then replays and reports; returns what the store's state is after that.
 */
async function join(keeper: Keeper, { epoch, kind }: Joinable): Promise<EpochState> {
  close(keeper, 'REBUILDING', `joining epoch ${epoch}: replaying the journals`);
  keeper.joined = '';
  keeper.unforwarded.appendAll(keeper.journal);
  // The journal is read as it stands now, before anything else can be appended.
  const facts = keeper.journal.facts();
  const slots = kind === 'open' ? new Set(await keeper.store.merchants()) : undefined;
  const replayed = await reportTo({ ...keeper, epoch, facts, noncesLostAtMs: keeper.journal.noncesLostAtMs, storeLost: !slots });
  keeper.withoutSlot = slots ? new Set([...replayed].filter((merchantNumber) => !slots.has(merchantNumber))) : new Set();
  keeper.joined = epoch;
  return (await keeper.store.epoch()).state;
}

/** Opens the epoch with the slots of all merchants that are configured or were replayed; false, and why, while it must wait. */
async function openEpoch(keeper: Keeper, state: Joinable): Promise<boolean> {
  const { store, instances, nowMs } = keeper;
  if (state.slotsClosedUntilMs > nowMs()) {
    const until = new Date(state.slotsClosedUntilMs).toISOString();
    close(keeper, 'REBUILDING', `closed until ${until}: nonces may be lost with the store and a process that ended uncleanly`);
    return false;
  }
  const missing = instances.filter((name) => !state.reported.includes(name));
  if (missing.length > 0) {
    close(keeper, 'REBUILDING', `waiting for the reports of ${missing.join(', ')}`);
    return false;
  }
  // Asked for only now: all have replayed, so every merchant that a journal knows is among them.
  const merchantNumbers = [...new Set([...keeper.merchantNumbers(), ...(await store.merchants())])];
  if (await store.openEpoch({ epoch: state.epoch, instances, merchantNumbers, nowMs: nowMs() })) return true;
  close(keeper, 'REBUILDING', `epoch ${state.epoch} could not be opened yet`);
  return false;
}

/** Merchants that were configured since the epoch began. One that a journal knows has lost its slot: that is for an operator. */
async function openNewSlots(keeper: Keeper): Promise<void> {
  const { store, joined: epoch } = keeper;
  if (keeper.slotsOpenedIn === epoch) return;
  const known = new Set(await store.merchants());
  for (const merchantNumber of keeper.merchantNumbers()) {
    if (keeper.withoutSlot.has(merchantNumber))
      keeper.onChange(`merchant ${merchantNumber} has records in a journal but had no slot in the store: it stays closed`);
    else if (!known.has(merchantNumber)) await store.openSlot({ merchantNumber, epoch });
  }
  keeper.slotsOpenedIn = epoch;
}
