import { setTimeout as wait } from 'node:timers/promises';

/** Calls until it does not throw, every 20 ms; throws the last error when `withinMs` have passed. */
export async function eventually<T>(step: () => T | Promise<T>, withinMs = 5000): Promise<T> {
  const endMs = performance.now() + withinMs;
  for (;;) {
    try {
      return await step();
    } catch (error) {
      if (performance.now() > endMs) throw error;
      await wait(20);
    }
  }
}
