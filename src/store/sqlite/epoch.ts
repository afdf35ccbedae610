import type { EpochState, Store } from '../../ports/store.ts';
import type { Statements } from './statements.ts';

type EpochRow = { readonly id: string; readonly file: string; readonly open: number; readonly closedUntilMs: number };
type Command<Method extends 'beginEpoch' | 'report' | 'openEpoch' | 'openSlot'> = Parameters<Store[Method]>[0];

const findEpoch = (s: Statements): EpochRow | undefined => s.findEpoch.get() as EpochRow | undefined;
const reportsOf = (s: Statements): string[] => s.allReports.all().map((row) => row.instance as string);

/** The epoch as the file tells it; lost when there is none, or when it was written for another file (`file` is this one's identity). */
export function readEpoch(s: Statements, file: string): EpochState {
  const row = findEpoch(s);
  if (!row) return { kind: 'lost' };
  if (row.file !== file) return { kind: 'lost', previous: row.id };
  return { kind: row.open ? 'open' : 'rebuilding', epoch: row.id, reported: reportsOf(s), slotsClosedUntilMs: row.closedUntilMs };
}

/** Compare-and-set on the previous epoch; closes every slot. */
export function beginEpoch(s: Statements, file: string, { epoch, previous }: Command<'beginEpoch'>): boolean {
  if (findEpoch(s)?.id !== previous) return false;
  s.putEpoch.run(epoch, file);
  s.dropReports.run();
  s.closeSlots.run();
  return true;
}

/** Whether this is the present epoch. */
export const isPresent = (s: Statements, epoch: string): boolean => findEpoch(s)?.id === epoch;

export function report(s: Statements, { epoch, instance, closedUntilMs }: Command<'report'>): void {
  if (!isPresent(s, epoch)) return;
  s.putReport.run(instance);
  s.delayEpoch.run(closedUntilMs);
}

export function openEpoch(s: Statements, { epoch, instances, merchantNumbers, nowMs }: Command<'openEpoch'>): boolean {
  const row = findEpoch(s);
  if (row?.id !== epoch || nowMs < row.closedUntilMs) return false;
  const reported = new Set(reportsOf(s));
  if (!instances.every((instance) => reported.has(instance))) return false;
  s.openEpoch.run();
  for (const merchantNumber of merchantNumbers) s.openSlot.run(merchantNumber, epoch);
  return true;
}

export function openSlot(s: Statements, { merchantNumber, epoch }: Command<'openSlot'>): void {
  const row = findEpoch(s);
  if (row?.id === epoch && row.open) s.openSlot.run(merchantNumber, epoch);
}
