import { truncate } from 'node:fs/promises';
import { UserError } from '../lib/user-error.ts';
import { findAnchor } from './anchor.ts';
import { createLedger, type Ledger } from './ledger.ts';
import { brokenJournal, type Found, findCheckpoint, looksTorn, readSegment } from './read.ts';
import type { CheckpointEntry, ClosedEntry, JournalRecord } from './record.ts';
import { listSegments, type SegmentPath } from './segment-files.ts';

/** Where an existing journal is continued. */
export type Tail = {
  readonly journal: string;
  readonly segment: SegmentPath;
  /** Length of the last segment's good part, bytes. */
  readonly end: number;
  readonly seq: number;
  readonly hash: string;
  /** The `closed` record at its end; undefined when its process ended otherwise. */
  readonly closed: ClosedEntry | undefined;
  /** Bytes of a torn end that were cut off. */
  readonly tornBytes: number;
  readonly ledger: Ledger;
};

/**
 * Reads the last segment of a journal whose lock is held, checks its chain, and cuts what a power cut left unfinished.
 * Undefined for a folder without a journal. Throws a UserError that names the record when anything else is wrong.
 */
export async function recoverTail(directory: string): Promise<Tail | undefined> {
  const segments = await listSegments(directory);
  const segment = await dropUnbegun(segments);
  if (!segment) return undefined;
  const ledger = createLedger();
  let checkpoint: (JournalRecord & CheckpointEntry) | undefined;
  let end = 0;
  let last: Pick<Tail, 'seq' | 'hash' | 'closed'> = { seq: 0, hash: '', closed: undefined };
  let broken: Found | undefined;
  let bytes = 0;
  for await (const found of readSegment(segment)) {
    bytes = found.offset + found.bytes.length + (found.complete ? 1 : 0);
    if (broken && found.line) throw brokenJournal(segment, broken);
    if (found.problem || !found.line) {
      broken ??= found;
      if (!looksTorn(found)) throw brokenJournal(segment, broken);
      continue;
    }
    const { record, hash } = found.line;
    if (record.type === 'checkpoint') checkpoint = record;
    ledger.apply(record);
    last = { seq: record.seq, hash, closed: record.type === 'closed' ? record : undefined };
    end = bytes;
  }
  if (!checkpoint)
    throw new UserError(`${segment.path}: has no checkpoint; run \`hufu journal verify\` and restore the journal from its backup`);
  await checkAnchor(directory, checkpoint.journal, last.seq);
  if (end < bytes) await truncate(segment.path, end);
  return { journal: checkpoint.journal, segment, end, ...last, tornBytes: bytes - end, ledger };
}

/** The newest segment that was begun: one without a whole first line holds nothing that was ever acknowledged. */
async function dropUnbegun(segments: readonly SegmentPath[]): Promise<SegmentPath | undefined> {
  const newest = segments.at(-1);
  if (!newest || (await findCheckpoint(newest))) return newest;
  for await (const found of readSegment(newest)) if (!looksTorn(found)) return newest;
  return dropUnbegun(segments.slice(0, -1));
}

async function checkAnchor(directory: string, journal: string, seq: number): Promise<void> {
  const found = await findAnchor(directory);
  if (found === undefined) return;
  if (found === 'unreadable')
    throw new UserError(`${directory}/anchor: cannot be read; run \`hufu journal verify\`, then restore or remove it`);
  const anchor = found.value;
  if (anchor.journal !== journal)
    throw new UserError(`${directory}/anchor: belongs to another journal; restore the folder from one backup, whole`);
  if (anchor.sequence > seq)
    throw new UserError(
      `${directory}: the journal ends at record ${seq}, but record ${anchor.sequence} was once on this disk; restore the journal from its backup`,
    );
}
