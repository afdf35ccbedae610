import { open } from 'node:fs/promises';
import { UserError } from '../lib/user-error.ts';
import type { Fact } from '../ports/journal.ts';
import { type CheckpointEntry, chainHash, factOf, GENESIS, type JournalRecord, type Line, readLine } from './record.ts';
import { listSegments, type SegmentPath } from './segment-files.ts';

const CHUNK_BYTES = 256 * 1024;
const NEWLINE = 0x0a;

/** Where a chain stands: the number of the last record and its hash; `hash` undefined when that line could not be read. */
export type ChainPosition = { readonly seq: number; readonly hash: string | undefined };

export const CHAIN_START: ChainPosition = { seq: 0, hash: GENESIS };

/** One line of a segment as it was found, with what is wrong about it. */
export type Found = {
  readonly offset: number;
  readonly bytes: Buffer;
  /** False for bytes at the end of the file without a newline. */
  readonly complete: boolean;
  readonly line: Line | undefined;
  /** The number the record has, or should have when it cannot be read. */
  readonly seq: number;
  readonly problem?: string;
};

/** The lines of a file, without their newlines, in chunks that give way to other work. */
async function* readLines(path: string): AsyncGenerator<{ offset: number; bytes: Buffer; complete: boolean }> {
  const handle = await open(path, 'r');
  try {
    let rest: Buffer = Buffer.alloc(0);
    let offset = 0;
    for (;;) {
      const { bytesRead, buffer } = await handle.read(Buffer.allocUnsafe(CHUNK_BYTES), 0, CHUNK_BYTES, null);
      if (bytesRead === 0) break;
      let data = Buffer.concat([rest, buffer.subarray(0, bytesRead)]);
      for (let end = data.indexOf(NEWLINE); end >= 0; end = data.indexOf(NEWLINE)) {
        yield { offset, bytes: data.subarray(0, end), complete: true };
        offset += end + 1;
        data = data.subarray(end + 1);
      }
      rest = data;
    }
    if (rest.length > 0) yield { offset, bytes: rest, complete: false };
  } finally {
    await handle.close();
  }
}

/** Says what is wrong with a line that follows on `before`, by the number it should have; undefined when nothing is. */
function findProblem(line: Line, before: ChainPosition, first: boolean): string | undefined {
  const { record } = line;
  const isCheckpoint = record.type === 'checkpoint';
  if (isCheckpoint !== first) return first ? 'the segment does not begin with a checkpoint' : 'a checkpoint stands inside a segment';
  const expected = isCheckpoint ? before.seq : before.seq + 1;
  if (record.seq > expected) return `missing: record ${expected} is followed by record ${record.seq}`;
  if (record.seq < expected) return `out of order: it stands behind record ${before.seq}`;
  if (before.hash !== undefined && chainHash(before.hash, line.payload) !== line.hash)
    return 'changed: its hash does not fit its bytes and the record before it';
  return undefined;
}

/**
 * Reads one segment and checks its chain from `start`; without it the checkpoint is taken at its word.
 * After a problem the hash as stored is followed on, so that each damaged record is named and the whole ones are not.
 */
export async function* readSegment(segment: SegmentPath, start?: ChainPosition): AsyncGenerator<Found> {
  let before = start;
  let first = true;
  for await (const { offset, bytes, complete } of readLines(segment.path)) {
    const line = complete ? readLine(bytes) : undefined;
    if (first && !before && line?.record.type === 'checkpoint') before = { seq: line.record.seq, hash: line.record.previous };
    const position: ChainPosition = before ?? CHAIN_START;
    const expected = first ? position.seq : position.seq + 1;
    const problem = line ? findProblem(line, position, first) : 'it cannot be read';
    const seq = line && line.record.seq < expected ? line.record.seq : expected;
    yield { offset, bytes, complete, line, seq, ...(problem === undefined ? {} : { problem }) };
    before = line ? { seq: Math.max(line.record.seq, position.seq), hash: line.hash } : { seq: expected, hash: undefined };
    first = false;
  }
}

/** The checkpoint a segment begins with; undefined when it has none that can be read. */
export async function findCheckpoint(segment: SegmentPath): Promise<(JournalRecord & CheckpointEntry) | undefined> {
  for await (const { bytes, complete } of readLines(segment.path)) {
    const record = complete ? readLine(bytes)?.record : undefined;
    return record?.type === 'checkpoint' ? record : undefined;
  }
  return undefined;
}

/**
 * Up to which record a segment counts: when syncing it failed, the next segment holds again what was not acknowledged.
 * Infinity for every other segment.
 */
export async function countsUntil(next: SegmentPath | undefined): Promise<number> {
  const checkpoint = next && (await findCheckpoint(next));
  return checkpoint?.superseding ? checkpoint.seq : Number.POSITIVE_INFINITY;
}

/** A bad line at a journal's end that a power cut explains: it has no newline, or holds blocks that were never written. */
export const looksTorn = (found: Found): boolean => !found.complete || (!found.line && found.bytes.includes(0));

/**
 * The facts of one journal, oldest first, its chain checked on the way; a torn end is left out.
 * `untilSeq` leaves out later records, for a journal that is being written.
 * Throws a UserError that names the record when the chain is broken.
 */
export async function* readFacts(directory: string, untilSeq: number = Number.POSITIVE_INFINITY): AsyncGenerator<Fact> {
  const segments = await listSegments(directory);
  let position: ChainPosition | undefined;
  for (const [index, segment] of segments.entries()) {
    const until = Math.min(untilSeq, await countsUntil(segments[index + 1]));
    for await (const found of readSegment(segment, position)) {
      const { line, problem } = found;
      if (found.seq > until || (looksTorn(found) && index === segments.length - 1)) break;
      if (problem || !line) throw brokenJournal(segment, found);
      position = { seq: line.record.seq, hash: line.hash };
      const fact = factOf(line.record);
      if (fact) yield fact;
    }
  }
}

/** Why a journal with a broken chain is not used, and what to do. */
export function brokenJournal(segment: SegmentPath, found: Found): UserError {
  return new UserError(
    `${segment.path}: record ${found.seq} is not as it was written (${found.problem}); run \`hufu journal verify\` and restore the journal from its backup`,
  );
}
