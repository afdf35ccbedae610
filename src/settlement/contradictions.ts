import type { SettleResult } from '../ports/store.ts';

/** Results of a settle that need a person: the sums are right, but the core said two things about one key. */
const CONTRADICTIONS: Partial<Record<SettleResult, string>> = {
  late: 'the core reported success after failure; the amount is committed and may exceed a limit',
  contradicted: 'the core reported failure after success; the success stands',
};

/** The alarm a settle's result calls for, if any. */
export const findContradiction = (result: SettleResult): string | undefined => CONTRADICTIONS[result];
