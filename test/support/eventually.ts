import { setTimeout as wait } from 'node:timers/promises';

/** Calls until it does not throw, every `everyMs`; throws the last error when `withinMs` have passed. */
export async function eventually<T>(step: () => T | Promise<T>, withinMs = 5000, everyMs = 20): Promise<T> {
  const endMs = performance.now() + withinMs;
  for (;;) {
    try {
      return await step();
    } catch (error) {
      if (performance.now() > endMs) throw error;
      await wait(everyMs);
    }
  }
}
