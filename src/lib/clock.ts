/** Where time comes from. Wall time is passed as an argument to every decision; durations are monotonic. */
export type Clock = {
  /** Milliseconds since 1970, whole. Only for decisions that outlive the process. */
  readonly nowMs: () => number;
  /** Milliseconds since an arbitrary start, fractional, never going back. Only for durations. */
  readonly monotonicMs: () => number;
};

export const systemClock: Clock = {
  nowMs: () => Date.now(),
  monotonicMs: () => performance.now(),
};
