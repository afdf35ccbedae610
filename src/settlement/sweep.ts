import type { Store } from '../ports/store.ts';
import type { Resolver } from './resolve.ts';

export type SweepOptions = {
  readonly store: Store;
  readonly resolver: Pick<Resolver, 'resolve'>;
  readonly merchantNumbers: () => Promise<readonly string[]>;
  readonly isOpen: () => boolean;
  readonly nowMs: () => number;
  readonly onFailure: (error: unknown) => void;
};

export type Sweep = {
  readonly start: () => void /** One round over the next merchants; tests call it directly. Never rejects. */;
  readonly round: () => Promise<void>;
  readonly stop: () => void;
};

const EVERY_MS = 1_000;
/** Bounds on one round, so that it stays short whatever the number of merchants and of unknown outcomes. */
const MERCHANTS_PER_ROUND = 200;
const CLAIMS_PER_MERCHANT = 20;
const AT_ONCE = 8;

/** Resolves in the background what nobody asks about: unknown outcomes whose time has come, and claims whose process died. */
export function createSweep(options: SweepOptions): Sweep {
  let timer: NodeJS.Timeout | undefined;
  let running: Promise<void> | undefined;
  let waiting: string[] = [];

  /** A few at once, each to its end: one merchant or claim that fails keeps no other waiting. Stops when the store is closed. */
  const forEach = async <T>(list: readonly T[], act: (each: T) => Promise<unknown>): Promise<void> => {
    let failure: PromiseRejectedResult | undefined;
    for (let i = 0; i < list.length && options.isOpen(); i += AT_ONCE) {
      const results = await Promise.allSettled(list.slice(i, i + AT_ONCE).map(act));
      failure ??= results.find((result) => result.status === 'rejected');
    }
    if (failure) throw failure.reason;
  };

  const resolveDue = async (merchantNumber: string) => {
    const due = await options.store.findDue({ merchantNumber, nowMs: options.nowMs(), limit: CLAIMS_PER_MERCHANT });
    await forEach(due, (keyHash) => options.resolver.resolve(merchantNumber, keyHash));
  };

  const roundOnce = async () => {
    if (!options.isOpen()) return;
    try {
      if (waiting.length === 0) waiting = [...(await options.merchantNumbers())];
      await forEach(waiting.splice(0, MERCHANTS_PER_ROUND), resolveDue);
    } catch (error) {
      options.onFailure(error);
    }
  };

  const round = (): Promise<void> => {
    running ??= roundOnce().finally(() => {
      running = undefined;
    });
    return running;
  };

  return {
    round,
    start: () => {
      timer = setInterval(() => void round(), EVERY_MS);
      timer.unref();
    },
    stop: () => clearInterval(timer),
  };
}
