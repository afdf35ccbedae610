import type { KeyObject } from 'node:crypto';
import { defaultAlgorithm, verifyBytes } from '../protocol/algorithms.ts';
import { type Anchor, findAnchor } from './anchor.ts';
import { type Archived, findArchived } from './archive.ts';
import { CHAIN_START, type ChainPosition, countsUntil, type Found, looksTorn, readSegment } from './read.ts';
import type { Line } from './record.ts';
import { listSegments, type SegmentPath } from './segment-files.ts';

/** Something that is not as it was written. `record` is its number; for a missing one, the number it had. */
export type JournalProblem = { readonly segment: number; readonly record: number; readonly reason: string };

export type Verification = {
  readonly journal?: string;
  readonly records: number;
  readonly segments: number;
  readonly problems: readonly JournalProblem[];
  /** Bytes of a record at the end that was never finished: a crash, no problem. */
  readonly tornBytes: number;
  /** Whether the last record is `closed`. */
  readonly cleanlyClosed: boolean;
  /** The last whole record; what comes after the anchor could be cut without a trace since `anchoredAtMs`. */
  readonly lastRecord: number;
  readonly anchoredRecord: number;
  readonly anchoredAtMs: number;
};

export type VerifyOptions = {
  /** Of the journal's signing keys, present and former; without one signatures are not checked. Each key's type decides the algorithm. */
  readonly publicKeys?: readonly KeyObject[];
  /** An anchor kept elsewhere; the folder's own is always checked. */
  readonly anchor?: Anchor;
};

type State = {
  journal?: string;
  records: number;
  tornBytes: number;
  last?: Line['record'];
  readonly problems: JournalProblem[];
  readonly anchors: readonly Anchor[];
  readonly check: (data: Buffer, signature: Buffer | undefined) => boolean;
};

/**
 * Checks a whole journal folder: every record's hash, number and place, every segment's number, journal and signature,
 * and that it does not end before its anchor. Reads only; a journal that is being written may be checked too.
 */
export async function verifyJournal(directory: string, options: VerifyOptions = {}): Promise<Verification> {
  const keys = (options.publicKeys ?? []).map((key) => ({ key, algorithm: defaultAlgorithm(key) }));
  const check = (data: Buffer, signature: Buffer | undefined): boolean =>
    keys.length === 0 || (signature !== undefined && keys.some(({ key, algorithm }) => verifyBytes(algorithm, key, data, signature)));
  const problems: JournalProblem[] = [];
  const anchors = [...(await readAnchors(directory, check, problems)), ...(options.anchor ? [options.anchor] : [])];
  const state: State = { records: 0, tornBytes: 0, problems, anchors, check };
  const segments = await listSegments(directory);
  const archived = await readArchived(directory, check, problems);
  let position: ChainPosition = archived ? { seq: archived.sequence, hash: archived.hash } : CHAIN_START;
  if (archived) state.journal = archived.journal;
  for (const [index, segment] of segments.entries()) {
    const expected = (segments[index - 1]?.number ?? archived?.segments ?? 0) + 1;
    for (let number = expected; number < segment.number; number += 1)
      problems.push({ segment: number, record: position.seq + 1, reason: 'the segment is missing' });
    position = await verifySegment(state, segment, segments[index + 1], segment.number === expected ? position : undefined);
  }
  checkEnd(state, segments);
  return summaryOf(state, segments.length);
}

async function readAnchors(directory: string, check: State['check'], problems: JournalProblem[]): Promise<Anchor[]> {
  const found = await findAnchor(directory);
  if (found === undefined) return [];
  const reason =
    found === 'unreadable' ? 'the anchor cannot be read' : !check(found.json, found.signature) && 'the signature of the anchor is wrong';
  if (reason) problems.push({ segment: 0, record: 0, reason });
  return found === 'unreadable' ? [] : [found.value];
}

/** Where the journal goes on from what was archived; undefined when nothing was, or when that cannot be believed. */
async function readArchived(directory: string, check: State['check'], problems: JournalProblem[]): Promise<Archived | undefined> {
  const found = await findArchived(directory);
  if (found === undefined) return undefined;
  const reason = found === 'unreadable' ? 'cannot be read' : !check(found.json, found.signature) && 'has a wrong signature';
  if (reason) problems.push({ segment: 0, record: 0, reason: `the file \`archived\` ${reason}` });
  return found === 'unreadable' || reason ? undefined : found.value;
}

async function verifySegment(
  state: State,
  segment: SegmentPath,
  next: SegmentPath | undefined,
  start: ChainPosition | undefined,
): Promise<ChainPosition> {
  const until = await countsUntil(next);
  let position = start ?? { seq: state.last?.seq ?? 0, hash: undefined };
  let torn = 0;
  let found: Found | undefined;
  for await (found of readSegment(segment, start)) {
    if (found.seq > until) break;
    const tornHere = !next && looksTorn(found);
    if (torn > 0 && found.line)
      state.problems.push({ segment: segment.number, record: found.seq, reason: 'it stands behind bytes that cannot be read' });
    if (tornHere) torn += found.bytes.length + (found.complete ? 1 : 0);
    else report(state, segment.number, found, start);
    position = { seq: Math.max(position.seq, found.seq), hash: found.line?.hash };
  }
  if (!found && next) state.problems.push({ segment: segment.number, record: position.seq + 1, reason: 'the segment is empty' });
  state.tornBytes += torn;
  return position;
}

function report(state: State, segment: number, found: Found, start: ChainPosition | undefined): void {
  const say = (reason: string): unknown => state.problems.push({ segment, record: found.seq, reason });
  if (found.problem) say(found.problem);
  const { line } = found;
  if (!line) return;
  state.records += 1;
  state.last = line.record;
  checkCheckpoint(state, segment, line, start, say);
  const { record, hash } = line;
  for (const anchor of state.anchors)
    if (anchor.sequence === record.seq && anchor.hash !== hash && record.type !== 'checkpoint')
      say('it is not the record that the anchor names');
}

function checkCheckpoint(
  state: State,
  segment: number,
  line: Line,
  start: ChainPosition | undefined,
  say: (reason: string) => unknown,
): void {
  const { record } = line;
  if (record.type !== 'checkpoint') return;
  state.journal ??= record.journal;
  if (record.journal !== state.journal) say('the segment belongs to another journal');
  if (record.segment !== segment) say(`the segment was written as number ${record.segment}`);
  if (start?.hash !== undefined && record.previous !== start.hash) say('the segment does not follow on the one before it');
  if (!state.check(line.json, line.signature)) say('the signature of the checkpoint is wrong');
}

function checkEnd(state: State, segments: readonly SegmentPath[]): void {
  const seq = state.last?.seq ?? 0;
  const segment = segments.at(-1)?.number ?? 0;
  const say = (record: number, reason: string): unknown => state.problems.push({ segment, record, reason });
  if (segments.length === 0) say(0, 'there is no journal in this folder');
  for (const anchor of state.anchors) {
    if (state.journal !== undefined && anchor.journal !== state.journal) say(anchor.sequence, 'the anchor belongs to another journal');
    else if (anchor.sequence > seq) say(seq + 1, `missing: the journal ends at record ${seq}, its anchor names record ${anchor.sequence}`);
  }
}

function summaryOf(state: State, segments: number): Verification {
  const newest = state.anchors.toSorted((a, b) => a.sequence - b.sequence).at(-1);
  return {
    ...(state.journal === undefined ? {} : { journal: state.journal }),
    records: state.records,
    segments,
    problems: state.problems,
    tornBytes: state.tornBytes,
    cleanlyClosed: state.last?.type === 'closed',
    lastRecord: state.last?.seq ?? 0,
    anchoredRecord: newest?.sequence ?? 0,
    anchoredAtMs: newest?.at ?? 0,
  };
}
