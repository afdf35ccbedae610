import { randomInt } from 'node:crypto';
import { startRedis } from '../../test/support/redis.ts';
import { startSystem } from '../../test/support/system.ts';
import { type Books, RULES, readBooks } from './books.ts';
import type { Fault } from './faults.ts';
import { startLoad } from './load.ts';

export type Round = {
  readonly store: 'sqlite' | 'redis';
  readonly faults: readonly Fault[];
  readonly cycles: number;
};

/** `recoveries`: by fault, ms. */
export type RoundResult = Books & { readonly cycles: number; readonly recoveries: readonly (readonly [string, number])[] };

/** A run that is ended leaves no process behind. */
const SIGNALS = ['SIGINT', 'SIGTERM'] as const;
const SETTINGS = 'resolve: { scheduleMs: [200, 500, 1000], clockAllowanceMs: 0 }';
/** Payments from the end of one fault to the next: another depth of the pipeline each time. */
const PAYMENTS_BETWEEN_MAX = 20;

/** A fresh system under load; its faults, one after the other; then its books. `onCycle` is told of each. */
export async function runRound(
  { store, faults, cycles }: Round,
  onCycle: (name: string, recoveryMs: number) => void,
): Promise<RoundResult> {
  const redis = store === 'redis' ? await startRedis({ own: true }) : undefined;
  const system = await startSystem({ rules: RULES, settings: SETTINGS, gateways: 2, ...(redis ? { store: redis.url } : {}) });
  const dispose = async () => {
    await system.dispose();
    await redis?.dispose();
  };
  const leave = () => void dispose().finally(() => process.exit(1));
  for (const signal of SIGNALS) process.once(signal, leave);
  try {
    const load = startLoad(system);
    const recoveries: (readonly [string, number])[] = [];
    for (let i = 0; i < cycles; i += 1) {
      await load.after(1 + randomInt(PAYMENTS_BETWEEN_MAX));
      const fault = faults[i % faults.length] as Fault;
      const recoveryMs = Math.round(await fault.strike(system, redis));
      recoveries.push([fault.name, recoveryMs]);
      onCycle(fault.name, recoveryMs);
    }
    await load.after(PAYMENTS_BETWEEN_MAX);
    await load.end();
    const books = await readBooks(system, load.told);
    return { ...books, problems: [...books.problems, ...load.faults.slice(0, 10)], cycles, recoveries };
  } finally {
    for (const signal of SIGNALS) process.off(signal, leave);
    await dispose();
  }
}
