import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Standing } from '../../src/cli/limits/standing.ts';
import { searchJournal } from '../../src/journal/search.ts';
import { eventually } from '../../test/support/eventually.ts';
import { runHufu } from '../../test/support/process.ts';
import { MERCHANT_1, MERCHANT_2, type System } from '../../test/support/system.ts';
import type { Told } from './load.ts';

/** The yearly bound of each merchant, fen: a year, so that midnight does not matter. */
export const LIMIT_FEN = 4_000_000;
export const RULES = `
      requests: { kind: rate, allow: 100000, perMs: 1000, burst: 100000 }
      single: { kind: amount, currency: CNY, minFen: 1, maxFen: 5000000 }
      yearly-amount: { kind: total, of: amount, per: year, currency: CNY, max: ${LIMIT_FEN} }`;

/** What a round comes to. All but `payments`, `refused` and `ranFen` must be 0 or empty. */
export type Books = {
  readonly payments: number;
  /** Payments that a limit refused. */
  readonly refused: number;
  readonly ranFen: number;
  readonly doubleExecutions: number;
  readonly overLimitFen: number;
  /** Payments whose outcome was still unknown to their merchant, and those told otherwise than the core's ledger says. */
  readonly toldWrong: number;
  /** Of all merchants: limit sums against the ledger, and what is still reserved. */
  readonly sumsOffFen: number;
  readonly reservedFen: number;
  /** Payments that were answered as executed and are in no journal; journals that do not verify. */
  readonly recordsLost: number;
  readonly problems: readonly string[];
};

/**
 * The SDK calls a payment unknown that a limit refused after an earlier delivery had no answer: that one may still arrive. Such a one is
 * told rightly as long as it has not run.
 */
const isWrong = ({ outcome, code }: Told, ran: boolean): boolean =>
  outcome === 'unknown' ? ran || code !== 'LIMIT_YEARLY_AMOUNT' : (outcome === 'succeeded') !== ran;

const RESOLVED_MS = 60_000;

/** Compares what merchants were told, what the limits count, what the journals hold and what the core really did. */
export async function readBooks(system: System, told: readonly Told[]): Promise<Books> {
  const figures = await system.figures();
  const ran = new Map(figures.orders.map(({ merchantNumber, orderNo, count }) => [`${merchantNumber} ${orderNo}`, count]));
  const wrong = told.filter((one) => isWrong(one, ran.has(`${one.merchantNumber} ${one.orderNo}`)));
  let [overLimitFen, sumsOffFen, reservedFen, ranFen] = [0, 0, 0, 0];
  for (const merchantNumber of [MERCHANT_1, MERCHANT_2]) {
    const movedFen = figures.days.filter((day) => day.merchantNumber === merchantNumber).reduce((sum, day) => sum + day.amountFen, 0);
    const stands = await readLimit(system, merchantNumber);
    ranFen += movedFen;
    overLimitFen += Math.max(0, movedFen - LIMIT_FEN);
    sumsOffFen += Math.abs((stands.used ?? 0) - movedFen);
    reservedFen += stands.reserved ?? 0;
  }
  const verified = await runHufu(['journal', 'verify'], system.environment);
  const missing = await countMissing(system, told);
  return {
    payments: told.length,
    refused: told.filter(({ code }) => code === 'LIMIT_YEARLY_AMOUNT').length,
    ranFen,
    doubleExecutions: [...figures.executions, ...figures.orders].filter(({ count }) => count > 1).length,
    overLimitFen,
    toldWrong: wrong.length,
    sumsOffFen,
    reservedFen,
    recordsLost: missing + (verified.code === 0 ? 0 : 1),
    problems: [
      ...figures.problems,
      ...(verified.code === 0 ? [] : [verified.stdout + verified.stderr]),
      ...wrong.slice(0, 5).map((one) => `told otherwise than the ledger: ${JSON.stringify(one)}`),
    ],
  };
}

/** `hufu limits show`, once nothing is reserved any more. */
async function readLimit(system: System, merchantNumber: string): Promise<Standing> {
  let last: Standing | undefined;
  const read = async () => {
    const { code, stdout, stderr } = await runHufu(['limits', 'show', merchantNumber, '--json'], system.environment);
    if (code !== 0) throw new Error(stderr);
    last = (JSON.parse(stdout) as { limits: Standing[] }).limits.find(({ rule }) => rule === 'yearly-amount');
    if (last?.reserved !== 0) throw new Error(`still reserved: ${last?.reserved}`);
  };
  await eventually(read, RESOLVED_MS, 1_000).catch((error) => {
    if (!last) throw error;
  });
  return last as Standing;
}

/** Answered as executed, and the admission of the order is in no journal. */
async function countMissing(system: System, told: readonly Told[]): Promise<number> {
  const folder = join(system.directory, 'data', 'journal');
  const admitted = new Set<string>();
  for (const name of readdirSync(folder)) {
    for await (const { line } of searchJournal(join(folder, name))) {
      const { record } = line;
      const facts = record.type === 'checkpoint' ? record.open : [record];
      for (const fact of facts) if (fact.type === 'admitted') admitted.add(String(fact.resolve.repeat['/orderNo']));
    }
  }
  return told.filter(({ outcome, orderNo }) => outcome === 'succeeded' && !admitted.has(orderNo)).length;
}
