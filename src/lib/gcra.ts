/**
 * A rate as GCRA: one request costs `incrementUs`, and `toleranceUs` may be owed at once. Whole microseconds, increment at least 1.
 * A shadow step is taken when it conforms and stays untouched when it does not.
 */
export type GcraStep = { readonly incrementUs: number; readonly toleranceUs: number; readonly shadow?: true };

/** What GCRA says about one request: whether it conforms, the theoretical arrival time that taking it leaves behind, and what is left. */
export type GcraState = { readonly conforms: boolean; readonly remaining: number; readonly retryAfterMs: number };

/**
 * The theoretical arrival time (microseconds) after taking one request; undefined when it does not conform.
 * It never moves backwards, whatever the clock does.
 *
 * @see ITU-T I.371, the generic cell rate algorithm, "virtual scheduling"
 */
export function takeGcra(step: GcraStep, tatUs: number, nowUs: number): number | undefined {
  const next = Math.max(tatUs, nowUs) + step.incrementUs;
  return next - step.toleranceUs <= nowUs ? next : undefined;
}

/** Whole requests left at once, and milliseconds (rounded up) until one more conforms. */
export function describeGcra(step: GcraStep, tatUs: number, nowUs: number): { readonly remaining: number; readonly retryAfterMs: number } {
  const owedUs = Math.max(tatUs - nowUs, 0);
  const remaining = Math.max(0, Math.floor((step.toleranceUs - owedUs) / step.incrementUs));
  const waitUs = owedUs + step.incrementUs - step.toleranceUs;
  return { remaining, retryAfterMs: Math.max(0, Math.ceil(waitUs / 1000)) };
}

/** Decides one request over several rates: all are taken, or none is. `taken` are the new values when all but shadow steps conform. */
export function decideGcra(
  steps: readonly GcraStep[],
  tatsUs: readonly number[],
  nowUs: number,
): { readonly taken?: readonly number[]; readonly states: readonly GcraState[] } {
  const next = steps.map((step, i) => takeGcra(step, tatsUs[i] ?? 0, nowUs));
  const all = next.every((tatUs, i) => tatUs !== undefined || steps[i]?.shadow);
  const after = all ? next.map((tatUs, i) => tatUs ?? tatsUs[i] ?? 0) : tatsUs;
  const states = steps.map((step, i) => ({ conforms: next[i] !== undefined, ...describeGcra(step, after[i] ?? 0, nowUs) }));
  return all ? { taken: after, states } : { states };
}
