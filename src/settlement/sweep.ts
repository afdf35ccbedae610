import type { Store } from '../ports/store.ts';
import type { Resolver } from './resolve.ts';

export type SweepOptions = {
  readonly store: Store;
  readonly resolver: Resolver;
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

  const resolveDue = async (merchantNumber: string) => {
    const due = await options.store.findDue({ merchantNumber, nowMs: options.nowMs(), limit: CLAIMS_PER_MERCHANT });
    for (let i = 0; i < due.length; i += AT_ONCE) {
      await Promise.all(due.slice(i, i + AT_ONCE).map((keyHash) => options.resolver.resolve(merchantNumber, keyHash)));
    }
  };

  const roundOnce = async () => {
    if (!options.isOpen()) return;
    try {
      if (waiting.length === 0) waiting = [...(await options.merchantNumbers())];
      const now = waiting.splice(0, MERCHANTS_PER_ROUND);
      for (let i = 0; i < now.length; i += AT_ONCE) await Promise.all(now.slice(i, i + AT_ONCE).map(resolveDue));
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
