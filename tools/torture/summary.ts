import type { PointsResult } from './kill-points.ts';
import type { RoundResult } from './round.ts';

/** What the state file keeps of each job that is done, by the job's name. */
export type Done = Readonly<Record<string, RoundResult | PointsResult>>;

/** How long the system may take to serve money again, ms. */
export const RECOVERY_MS_MAX = 5_000;

const isRound = (result: RoundResult | PointsResult): result is RoundResult => 'cycles' in result;
const sum = (numbers: readonly number[]): number => numbers.reduce((total, each) => total + each, 0);

/** Sums that must be 0. */
const ZERO = ['doubleExecutions', 'overLimitFen', 'toldWrong', 'sumsOffFen', 'reservedFen', 'recordsLost'] as const;
const WORDS: Readonly<Record<(typeof ZERO)[number], string>> = {
  doubleExecutions: 'double executions',
  overLimitFen: 'fen over a limit',
  toldWrong: 'answers that differ from the ledger, or never came',
  sumsOffFen: 'fen between limit sums and the ledger',
  reservedFen: 'fen still reserved',
  recordsLost: 'journal records lost, or journals that do not verify',
};

/** Whether nothing is wrong with a job. Slow recovery is told and is no failure: it depends on the machine. */
export function isWhole(result: RoundResult | PointsResult): boolean {
  if (!isRound(result)) return result.failed === 0;
  return result.problems.length === 0 && ZERO.every((name) => result[name] === 0);
}

/** The figures of everything that is done, as lines. */
export function summaryOf(done: Done): string[] {
  const rounds = Object.values(done).filter(isRound);
  const points = Object.values(done).filter((result): result is PointsResult => !isRound(result));
  const problems = rounds.flatMap((round) => round.problems);
  return [
    `${sum(rounds.map(({ payments }) => payments))} payments to their end, ${sum(rounds.map(({ refused }) => refused))} of them refused by a limit; the core moved ${sum(rounds.map(({ ranFen }) => ranFen))} fen`,
    `${sum(points.map((each) => each.points))} kill points, ${sum(points.map(({ failed }) => failed))} failed`,
    ...recoveryLines(rounds),
    ...ZERO.map((name) => `${sum(rounds.map((round) => round[name]))} ${WORDS[name]}`),
    `${problems.length} other problems${problems.length === 0 ? '' : `:\n${problems.join('\n')}`}`,
  ];
}

function recoveryLines(rounds: readonly RoundResult[]): string[] {
  const byFault = new Map<string, number[]>();
  for (const [name, ms] of rounds.flatMap(({ recoveries }) => recoveries)) byFault.set(name, [...(byFault.get(name) ?? []), ms]);
  return [...byFault].map(([name, all]) => {
    const sorted = [...all].sort((a, b) => a - b);
    const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))];
    const late = sorted.filter((ms) => ms > RECOVERY_MS_MAX).length;
    return `${all.length} times ${name}: served again after ${at(0.5)} ms (median), ${at(1)} ms (longest), ${late} above ${RECOVERY_MS_MAX} ms`;
  });
}
