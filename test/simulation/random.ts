/** A seeded source of choices: the same seed, the same choices, on every machine. */
export type Random = {
  /** 0 <= x < 1. */
  readonly next: () => number;
  /** A whole number, both ends included. */
  readonly between: (min: number, max: number) => number;
  readonly chance: (probability: number) => boolean;
  readonly pick: <T>(list: readonly T[]) => T;
};

/** The generator mulberry32: 32 bits of state are enough to explore, and it is the same everywhere. */
export function createRandom(seed: number): Random {
  let state = seed >>> 0;
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
  const between = (min: number, max: number): number => min + Math.floor(next() * (max - min + 1));
  return { next, between, chance: (probability) => next() < probability, pick: (list) => list[between(0, list.length - 1)] as never };
}
