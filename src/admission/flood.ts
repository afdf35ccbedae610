import { describeGcra, takeGcra } from '../lib/gcra.ts';

/** Buckets of this process by a name such as certificate and address: cheap bounds before anything costs CPU. They decide nothing about money. */
export type TokenBuckets = {
  /** Takes a token, or says how long until there is one: 0, or milliseconds to wait. Time is monotonic. */
  readonly take: (name: string, monotonicMs: number) => number;
};

/** Buckets remembered at once; beyond it the one that was asked least recently is forgotten, which only gives it a new burst. */
export const BUCKETS_MAX = 20_000;

/** `perSecond` tokens flow in, `burst` are there at first. */
export function createTokenBuckets(
  options: { readonly perSecond: number; readonly burst: number },
  bucketsMax = BUCKETS_MAX,
): TokenBuckets {
  const incrementUs = Math.ceil(1_000_000 / options.perSecond);
  const step = { incrementUs, toleranceUs: incrementUs * options.burst };
  const buckets = new Map<string, number>();
  return {
    take: (name, monotonicMs) => {
      const nowUs = Math.floor(monotonicMs * 1000);
      const tatUs = buckets.get(name) ?? 0;
      const next = takeGcra(step, tatUs, nowUs);
      // Taken out and put back, so that the map stands in the order of use.
      buckets.delete(name);
      buckets.set(name, next ?? tatUs);
      if (buckets.size > bucketsMax) buckets.delete(buckets.keys().next().value as string);
      return next === undefined ? describeGcra(step, tatUs, nowUs).retryAfterMs : 0;
    },
  };
}
