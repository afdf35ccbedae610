import { unlink } from 'node:fs/promises';
import { syncDirectory } from '../lib/files.ts';
import type { Signer } from '../ports/signer.ts';
import type { Ledger } from './ledger.ts';
import { type CheckpointEntry, type Entry, encodeLine, GENESIS, type JournalRecord } from './record.ts';
import { type OpenSegment, type SegmentFile, segmentPath } from './segment-files.ts';

/** A record that waits for its place in the chain. */
export type Waiting = { readonly seq: number; readonly json: string; readonly entry: Entry };

/** Where the journal stands on the disk. */
export type Head = { readonly seq: number; readonly hash: string; readonly segment: number };

export type SegmentWriterOptions = {
  readonly directory: string;
  readonly journal: string;
  readonly boot: string;
  readonly signer: Signer;
  readonly segmentBytesMax: number;
  readonly openSegment: OpenSegment;
  readonly ledger: Ledger;
};

/** What a segment that is continued looks like; a new journal has none. */
export type Start = { readonly seq: number; readonly hash: string; readonly segment: number; readonly end: number };

export type SegmentWriter = {
  /** Writes records behind the head and syncs them, in a new segment when the present one is full or could not be synced. All or none are acknowledged; throws otherwise. */
  readonly commit: (group: readonly Waiting[], nowMs: number) => Promise<void>;
  readonly head: () => Head;
  /** Whether the next commit has another file to try, so that waiting is of no use. */
  readonly isSpoiled: () => boolean;
  readonly close: () => Promise<void>;
};

type Lines = { readonly data: Buffer; readonly hash: string };

function chain(previous: string, payloads: readonly string[]): Lines {
  let hash = previous;
  const lines: string[] = [];
  for (const payload of payloads) {
    const encoded = encodeLine(hash, payload);
    lines.push(encoded.line);
    hash = encoded.hash;
  }
  return { data: Buffer.from(lines.join(''), 'utf8'), hash };
}

type State = SegmentWriterOptions & {
  /** Open only while it is written; undefined before the first write and after it was given up. */
  file: SegmentFile | undefined;
  head: Head & { readonly end: number };
  /** The present file must not be written again; a journal that has none yet is written the same way. */
  spoiled: boolean;
  begun: boolean;
};

/** Writes segments one group at a time; the caller never has two commits under way. */
export function createSegmentWriter(options: SegmentWriterOptions, start: Start | undefined): SegmentWriter {
  const head = start ?? { seq: 0, hash: GENESIS, segment: 0, end: 0 };
  const state: State = { ...options, file: undefined, head, spoiled: start === undefined, begun: start !== undefined };
  return {
    commit: (group, nowMs) => commit(state, group, nowMs),
    head: () => state.head,
    isSpoiled: () => state.spoiled && state.begun,
    close: () => giveUp(state),
  };
}

async function commit(state: State, group: readonly Waiting[], nowMs: number): Promise<void> {
  const payloads = group.map(({ json }) => json);
  const lines = chain(state.head.hash, payloads);
  const isFull = state.head.end + lines.data.length > state.segmentBytesMax;
  return state.spoiled || isFull ? rotate(state, group, payloads, nowMs) : append(state, group, lines);
}

/** Appends to the present segment. What was written of a failed group is cut off again; where even that fails, or a sync did, the file is given up. */
async function append(state: State, group: readonly Waiting[], lines: Lines): Promise<void> {
  const { segment, end } = state.head;
  state.file ??= await state.openSegment(segmentPath(state.directory, segment).path, 'existing');
  const { file } = state;
  try {
    await file.write(lines.data, end);
  } catch (error) {
    await file.truncate(end).catch(() => {
      state.spoiled = true;
    });
    throw error;
  }
  try {
    await file.datasync();
  } catch (error) {
    state.spoiled = true;
    throw error;
  }
  acknowledge(state, group, { hash: lines.hash, segment, end: end + lines.data.length });
}

/** Begins the next segment with a checkpoint and the group. The present one stays as it is until the new one and its name are on the disk. */
async function rotate(state: State, group: readonly Waiting[], payloads: readonly string[], nowMs: number): Promise<void> {
  const { path, number } = segmentPath(state.directory, state.head.segment + 1);
  const lines = chain(state.head.hash, [await checkpointOf(state, nowMs), ...payloads]);
  const file = await state.openSegment(path, 'new');
  try {
    await file.write(lines.data, 0);
    await file.datasync();
    await syncDirectory(state.directory);
  } catch (error) {
    await file.close().catch(() => undefined);
    await unlink(path).catch(() => undefined);
    throw error;
  }
  await giveUp(state);
  Object.assign(state, { file, spoiled: false, begun: true });
  acknowledge(state, group, { hash: lines.hash, segment: number, end: lines.data.length });
}

async function checkpointOf(state: State, nowMs: number): Promise<string> {
  const { head, signer } = state;
  const record: JournalRecord & CheckpointEntry = {
    seq: head.seq,
    at: nowMs,
    boot: state.boot,
    type: 'checkpoint',
    format: 1,
    journal: state.journal,
    segment: head.segment + 1,
    previous: head.hash,
    superseding: state.spoiled && state.begun,
    keyid: signer.keyid,
    ...state.ledger.summary(nowMs),
  };
  const json = JSON.stringify(record);
  const signature = await signer.sign(Buffer.from(json));
  return `${json}\t${signature.toString('base64url')}`;
}

function acknowledge(state: State, group: readonly Waiting[], at: { hash: string; segment: number; end: number }): void {
  for (const { entry } of group) state.ledger.apply(entry);
  state.head = { seq: group.at(-1)?.seq ?? state.head.seq, ...at };
}

/** Closes the present file, cut to its acknowledged end where more may stand in it. */
async function giveUp(state: State): Promise<void> {
  const { file } = state;
  state.file = undefined;
  if (state.spoiled && file) await file.truncate(state.head.end).catch(() => undefined);
  await file?.close().catch(() => undefined);
}
