import type { Memory } from '../../src/admission/model.ts';
import { type AdmitCommand, isShared } from '../../src/ports/store.ts';

/** What one admission adds to one counter. */
type Step = { readonly id: string; readonly add: number };
type Bound = { readonly max: number };

/** The counters as an observer knows them: bounds from what was asked, and what may stand above them. */
export type Sums = {
  /** An admission is asked for. */
  readonly asked: (command: AdmitCommand) => void;
  /** A success was settled that came after a failure: it commits whatever the bounds say. */
  readonly late: (admissionId: string) => void;
  /** The first counter that breaks a rule now. `lost`: the store has lost something before, so what is reserved may stand above a bound. */
  readonly findBroken: (memory: Memory, lost: boolean) => string | undefined;
  /** What these requests move under some counter above its bound. */
  readonly findExposed: (requestIds: Iterable<string>) => string | undefined;
  /** The first counter, over all its windows, whose sums are not those of the requests that ran. */
  readonly findUnequal: (memory: Memory, ranRequestIds: readonly string[]) => string | undefined;
};

/** Counters of a merchant are told from those of all merchants. */
const idOf = (merchantNumber: string, counter: string): string => (isShared(counter) ? counter : `${merchantNumber} ${counter}`);
/** The counter of all windows. */
const baseOf = (id: string): string => id.replace(/:\d{4}(?:-W?\d+){0,2}:/, ':');

type Sum = { readonly committed: bigint; readonly reserved: bigint };

function* sumsIn({ slots, shared }: Memory): Generator<readonly [string, Sum]> {
  for (const [merchantNumber, { totals }] of slots) for (const [counter, sum] of totals) yield [idOf(merchantNumber, counter), sum];
  yield* shared.totals;
}

const addTo = <Key>(map: Map<Key, number>, key: Key, add: number) => map.set(key, (map.get(key) ?? 0) + add);

export function createSums(): Sums {
  const bounds = new Map<string, Bound>();
  const byAdmission = new Map<string, readonly Step[]>();
  const byRequest = new Map<string, readonly Step[]>();
  /** Committed by late successes; how far they went above a bound when they came. */
  const lateSums = new Map<string, number>();
  const overSums = new Map<string, number>();
  let arriving: Step[] = [];

  const weigh = (memory: Memory) => {
    for (const { id, add } of arriving) {
      const sum = [...sumsIn(memory)].find(([each]) => each === id)?.[1];
      const above = Number((sum?.committed ?? 0n) + (sum?.reserved ?? 0n)) - (bounds.get(id)?.max ?? 0);
      addTo(overSums, id, Math.max(0, Math.min(add, above)));
      addTo(lateSums, id, add);
    }
    arriving = [];
  };

  const broken = (id: string, { committed, reserved }: Sum, lost: boolean): string | undefined => {
    const max = bounds.get(id)?.max;
    if (committed < 0n || reserved < 0n) return '(3) a counter below zero';
    if (max === undefined) return undefined;
    if (Number(committed) - (lateSums.get(id) ?? 0) > max) return `(2) committed above the limit: ${id}`;
    if (!lost && Number(committed + reserved) > max + (overSums.get(id) ?? 0)) return `(2) committed + reserved above the limit: ${id}`;
    return undefined;
  };

  return {
    asked: ({ merchantNumber, admissionId, totals, claim }) => {
      const steps = totals.map(({ counter, add }) => ({ id: idOf(merchantNumber, counter), add }));
      for (const [i, { max }] of totals.entries()) bounds.set((steps[i] as Step).id, { max });
      byAdmission.set(admissionId, steps);
      if (claim) byRequest.set(claim.resolve.requestId, steps);
    },
    late: (admissionId) => {
      arriving = [...arriving, ...(byAdmission.get(admissionId) ?? [])];
    },
    findBroken: (memory, lost) => {
      if (arriving.length > 0) weigh(memory);
      for (const [id, sum] of sumsIn(memory)) {
        const what = broken(id, sum, lost);
        if (what) return what;
      }
      return undefined;
    },
    findExposed: (requestIds) => {
      const sums = new Map<string, number>();
      for (const requestId of requestIds) for (const { id, add } of byRequest.get(requestId) ?? []) addTo(sums, id, add);
      return [...sums].find(([id, sum]) => sum > (bounds.get(id)?.max ?? 0))?.[0];
    },
    findUnequal: (memory, ranRequestIds) => {
      const ran = new Map<string, number>();
      for (const requestId of ranRequestIds) for (const { id, add } of byRequest.get(requestId) ?? []) addTo(ran, baseOf(id), add);
      const stored = new Map<string, number>();
      for (const [id, { committed, reserved }] of sumsIn(memory)) {
        if (reserved !== 0n) return `(3) quiet and resolved, but something is still reserved: ${id}`;
        addTo(stored, baseOf(id), Number(committed));
      }
      for (const id of new Set([...ran.keys(), ...stored.keys()])) {
        const [here, there] = [stored.get(id) ?? 0, ran.get(id) ?? 0];
        if (here !== there) return `(3) quiet and resolved, but committed is ${here} and the core's ledger says ${there}: ${id}`;
      }
      return undefined;
    },
  };
}
