import type { EpochState, Store } from '../ports/store.ts';
import { admitInModel, readSum } from './model-admit.ts';
import { holdInModel, replayInModel, settleInModel, voidInModel } from './model-settle.ts';
import { type Counters, expireLease, freeConcurrency, homeOf, newCounters, newSlot, runningIn, type Slot, viewOf } from './model-slot.ts';

type Epoch = { readonly id: string; open: boolean; readonly reported: Set<string>; closedUntilMs: number };
/** Everything a store holds. */
export type Memory = { epoch: Epoch | undefined; readonly slots: Map<string, Slot>; readonly shared: Counters };

export const emptyMemory = (): Memory => ({ epoch: undefined, slots: new Map(), shared: newCounters() });

/**
 * The store as contract.md sections 5, 6 and 8 say it, in memory, as plain as can be: the oracle that the SQLite and
 * Redis stores are compared with. Every command runs to its end before the next. It forgets nothing. `memory` lets a test
 * look inside, or begin with what a replica held.
 */
export function createModelStore(memory: Memory = emptyMemory()): Store {
  return { kind: 'model', ...decisions(memory), ...questions(memory), ...epochs(memory), close: async () => {} };
}

const slotOf = (memory: Memory, merchantNumber: string): Slot => {
  const slot = memory.slots.get(merchantNumber) ?? newSlot(memory.shared);
  memory.slots.set(merchantNumber, slot);
  return slot;
};

const findOpen = (memory: Memory, merchantNumber: string, epoch: string): Slot | undefined => {
  const slot = memory.slots.get(merchantNumber);
  return slot?.epoch === epoch ? slot : undefined;
};

const decisions = (memory: Memory): Pick<Store, 'admit' | 'void' | 'hold' | 'release' | 'settle'> => ({
  admit: async (command) => {
    const slot = findOpen(memory, command.merchantNumber, command.epoch);
    return slot ? admitInModel(slot, command) : { kind: 'rebuilding' };
  },
  void: async (command) => {
    const slot = findOpen(memory, command.merchantNumber, command.epoch);
    if (slot) voidInModel(slot, command);
    return slot !== undefined;
  },
  hold: async (command) => {
    const slot = findOpen(memory, command.merchantNumber, command.epoch);
    if (slot) holdInModel(slot, command);
    return slot !== undefined;
  },
  release: async (command) => {
    const slot = findOpen(memory, command.merchantNumber, command.epoch);
    if (slot) freeConcurrency(slot, command.admissionId);
    return slot !== undefined;
  },
  settle: async (command) => {
    const slot = findOpen(memory, command.merchantNumber, command.epoch);
    return slot ? settleInModel(slot, command) : 'rebuilding';
  },
});

const questions = (memory: Memory): Pick<Store, 'findDue' | 'lease' | 'postpone' | 'findClaim' | 'usage' | 'levels' | 'merchants'> => ({
  findDue: async ({ merchantNumber, nowMs, limit }) => {
    const claims = [...(memory.slots.get(merchantNumber)?.claims ?? [])];
    const due = claims.filter(([, claim]) =>
      claim.state === 'inFlight'
        ? claim.deadlineMs <= nowMs
        : claim.state === 'unknown' && claim.nextAskMs <= nowMs && claim.leaseUntilMs <= nowMs,
    );
    return due.map(([keyHash]) => keyHash).slice(0, limit);
  },
  lease: async ({ merchantNumber, keyHash, epoch, nowMs, untilMs }) => {
    const slot = findOpen(memory, merchantNumber, epoch);
    const claim = slot?.claims.get(keyHash);
    if (!slot || !claim) return undefined;
    expireLease(claim, nowMs);
    if (claim.state !== 'unknown' || claim.leaseUntilMs > nowMs) return undefined;
    claim.fence += 1;
    claim.leaseUntilMs = untilMs;
    return viewOf(slot, keyHash, claim);
  },
  postpone: async ({ merchantNumber, keyHash, fence, nextAskMs }) => {
    const claim = memory.slots.get(merchantNumber)?.claims.get(keyHash);
    if (claim?.state !== 'unknown' || claim.fence !== fence) return;
    claim.nextAskMs = nextAskMs;
    claim.leaseUntilMs = 0;
  },
  findClaim: async ({ merchantNumber, keyHash }) => {
    const slot = memory.slots.get(merchantNumber);
    const claim = slot?.claims.get(keyHash);
    return slot && claim ? viewOf(slot, keyHash, claim) : undefined;
  },
  usage: async ({ merchantNumber, counters }) =>
    counters.map((counter) => {
      const total = homeOf(memory.slots.get(merchantNumber) ?? newSlot(memory.shared), counter).totals.get(counter);
      return { counter, committed: readSum(total?.committed ?? 0n), reserved: readSum(total?.reserved ?? 0n) };
    }),
  levels: async ({ merchantNumber, rates, concurrency, nowMs }) => {
    const slot = memory.slots.get(merchantNumber) ?? newSlot(memory.shared);
    return {
      arrivalsUs: rates.map((counter) => homeOf(slot, counter).rates.get(counter) ?? 0),
      running: concurrency.map((counter) => runningIn(slot, counter, nowMs)),
    };
  },
  merchants: async () => [...memory.slots.keys()],
});

const epochs = (memory: Memory): Pick<Store, 'epoch' | 'beginEpoch' | 'replay' | 'report' | 'openEpoch' | 'openSlot'> => ({
  epoch: async () => ({ state: stateOf(memory.epoch) }),
  beginEpoch: async ({ epoch, previous }) => {
    if (memory.epoch?.id !== previous) return false;
    memory.epoch = { id: epoch, open: false, reported: new Set(), closedUntilMs: 0 };
    for (const slot of memory.slots.values()) slot.epoch = undefined;
    return true;
  },
  replay: async ({ merchantNumber, epoch, nowMs, facts }) => {
    if (memory.epoch?.id !== epoch) return;
    const slot = slotOf(memory, merchantNumber);
    for (const fact of facts) replayInModel(slot, fact, nowMs);
  },
  report: async ({ epoch, instance, closedUntilMs }) => {
    if (memory.epoch?.id !== epoch) return;
    memory.epoch.reported.add(instance);
    memory.epoch.closedUntilMs = Math.max(memory.epoch.closedUntilMs, closedUntilMs);
  },
  openEpoch: async ({ epoch, instances, merchantNumbers, nowMs }) => {
    const current = memory.epoch;
    if (current?.id !== epoch || nowMs < current.closedUntilMs) return false;
    if (!instances.every((instance) => current.reported.has(instance))) return false;
    current.open = true;
    for (const merchantNumber of merchantNumbers) slotOf(memory, merchantNumber).epoch = epoch;
    return true;
  },
  openSlot: async ({ merchantNumber, epoch }) => {
    if (memory.epoch?.id === epoch && memory.epoch.open) slotOf(memory, merchantNumber).epoch = epoch;
  },
});

const stateOf = (epoch: Epoch | undefined): EpochState =>
  epoch
    ? {
        kind: epoch.open ? 'open' : 'rebuilding',
        epoch: epoch.id,
        reported: [...epoch.reported].sort(),
        slotsClosedUntilMs: epoch.closedUntilMs,
      }
    : { kind: 'lost' };
