import type { GatewayConfig } from '../config/schema.ts';
import { type OpenJournal, openJournal } from '../journal/journal.ts';
import { readJournals } from '../journal/journals.ts';
import type { Keyring } from '../keys/keyring.ts';
import { systemClock } from '../lib/clock.ts';
import type { Log } from '../lib/log.ts';
import type { Store } from '../ports/store.ts';
import { createEpochKeeper, type EpochKeeper } from '../settlement/epoch-keeper.ts';
import { trackUnforwarded, type Unforwarded } from '../settlement/unforwarded.ts';
import { createUntilConfirmed, type UntilConfirmed } from '../settlement/until-confirmed.ts';
import { openDeadJournals } from './dead-journals.ts';
import { openStore } from './open-store.ts';

/** What outlives a request: the journal, the store, and what keeps the two together. */
export type State = {
  readonly journal: OpenJournal;
  /** Notes every admission before it is sent; see settlement/unforwarded. */
  readonly store: Store;
  readonly unforwarded: Unforwarded;
  readonly keeper: EpochKeeper;
  readonly until: UntilConfirmed;
  readonly close: (timeoutMs: number) => Promise<void>;
};

const { nowMs } = systemClock;

/** Opens journal and store. Nothing is replayed yet: see EpochKeeper.look. */
export async function openState(
  config: GatewayConfig,
  keyring: Keyring,
  merchantNumbers: () => readonly string[],
  log: Log,
): Promise<State> {
  const { instance, instances } = config;
  const { directory, groupMsMax, groupRecordsMax, segmentBytesMax } = config.journal;
  const own = (await readJournals(directory)).find((summary) => summary.instance === instance);
  const onAlarm = (line: string) => log.error({ alarm: line }, 'journal');
  const journal = await openJournal({
    directory,
    instance,
    signer: keyring.journal,
    clock: systemClock,
    groupMsMax,
    groupRecordsMax,
    segmentBytesMax,
    onAlarm,
  });
  try {
    const unforwarded = trackUnforwarded(await openStore(config));
    const { store } = unforwarded;
    const until = createUntilConfirmed((what, error) =>
      log.warn({ command: what, cause: String(error) }, 'a command to the store is repeated'),
    );
    const keeper = createEpochKeeper({
      store,
      journal,
      unforwarded,
      instance,
      instances,
      merchantNumbers,
      deadJournals: () => openDeadJournals(directory, instance),
      ownUncleanEndMs: own && !own.cleanlyClosed ? own.lastRecordAtMs : undefined,
      nowMs,
      onChange: (line) => log.info({ standing: line }, 'store'),
    });
    const close = async (timeoutMs: number) => {
      keeper.stop();
      const left = await until.drain(timeoutMs);
      if (left > 0) log.warn({ left }, 'commands to the store are left to the replay of the journal');
      await journal.close();
      await store.close();
    };
    return { journal, store, unforwarded, keeper, until, close };
  } catch (error) {
    await journal.close();
    throw error;
  }
}
