import type { Memory } from '../../src/admission/model.ts';

type State = 'open' | 'released' | 'committed';
const RANK: Readonly<Record<State, number>> = { open: 0, released: 1, committed: 2 };

/** Looks after each step that every reservation resolves once: open, released, committed, never back, and one that counts for each key. */
export function createReservations(): (memory: Memory) => string | undefined {
  let seen = new Map<string, State>();
  let server: Memory | undefined;
  return (memory) => {
    // Another server holds what the journals gave it.
    if (memory !== server) seen = new Map();
    server = memory;
    const counting = new Set<string>();
    for (const { reservations } of memory.slots.values()) {
      for (const [admissionId, { state, keyHash }] of reservations) {
        const before = seen.get(admissionId);
        if (before !== undefined && RANK[before] > RANK[state]) return `(3) a reservation went from ${before} to ${state}: ${admissionId}`;
        seen.set(admissionId, state);
        if (state === 'released') continue;
        if (counting.has(keyHash)) return `(3) two reservations of one key count: ${admissionId}`;
        counting.add(keyHash);
      }
    }
    return undefined;
  };
}
