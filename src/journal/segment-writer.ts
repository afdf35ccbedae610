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

/** Writes segments one group at a time; the caller never has two commits under way. */
export function createSegmentWriter(options: SegmentWriterOptions, start: Start | undefined): SegmentWriter {
  const { directory, openSegment, ledger } = options;
  let file: SegmentFile | undefined;
  let head: Head & { readonly end: number } = start ?? { seq: 0, hash: GENESIS, segment: 0, end: 0 };
  let spoiled = start === undefined;
  let begun = start !== undefined;

  const acknowledge = (group: readonly Waiting[], at: { hash: string; segment: number; end: number }): void => {
    for (const { entry } of group) ledger.apply(entry);
    head = { seq: group.at(-1)?.seq ?? head.seq, ...at };
  };

  /** Appends to the present segment. What was written of a failed group is cut off again; where even that fails, or a sync did, the file is given up. */
  const append = async (group: readonly Waiting[], lines: Lines): Promise<void> => {
    file ??= await openSegment(segmentPath(directory, head.segment).path, 'existing');
    const present = file;
    try {
      await present.write(lines.data, head.end);
    } catch (error) {
      await present.truncate(head.end).catch(() => {
        spoiled = true;
      });
      throw error;
    }
    try {
      await present.datasync();
    } catch (error) {
      spoiled = true;
      throw error;
    }
    acknowledge(group, { hash: lines.hash, segment: head.segment, end: head.end + lines.data.length });
  };

  const checkpoint = async (nowMs: number): Promise<string> => {
    const record: JournalRecord & CheckpointEntry = {
      seq: head.seq,
      at: nowMs,
      boot: options.boot,
      type: 'checkpoint',
      format: 1,
      journal: options.journal,
      segment: head.segment + 1,
      previous: head.hash,
      superseding: spoiled && begun,
      keyid: options.signer.keyid,
      ...ledger.summary(nowMs),
    };
    const json = JSON.stringify(record);
    const signature = await options.signer.sign(Buffer.from(json));
    return `${json}\t${signature.toString('base64url')}`;
  };

  /** Begins the next segment with a checkpoint and the group. The present one stays as it is until the new one and its name are on the disk. */
  const rotate = async (group: readonly Waiting[], nowMs: number): Promise<void> => {
    const { path, number } = segmentPath(directory, head.segment + 1);
    const lines = chain(head.hash, [await checkpoint(nowMs), ...group.map(({ json }) => json)]);
    const next = await openSegment(path, 'new');
    try {
      await next.write(lines.data, 0);
      await next.datasync();
      await syncDirectory(directory);
    } catch (error) {
      await next.close().catch(() => undefined);
      await unlink(path).catch(() => undefined);
      throw error;
    }
    await giveUp();
    file = next;
    spoiled = false;
    begun = true;
    acknowledge(group, { hash: lines.hash, segment: number, end: lines.data.length });
  };

  const giveUp = async (): Promise<void> => {
    const old = file;
    file = undefined;
    if (spoiled && old) await old.truncate(head.end).catch(() => undefined);
    await old?.close().catch(() => undefined);
  };

  const commit = async (group: readonly Waiting[], nowMs: number): Promise<void> => {
    const lines = chain(
      head.hash,
      group.map(({ json }) => json),
    );
    if (spoiled || head.end + lines.data.length > options.segmentBytesMax) return rotate(group, nowMs);
    return append(group, lines);
  };

  return { commit, head: () => head, isSpoiled: () => spoiled && begun, close: giveUp };
}
