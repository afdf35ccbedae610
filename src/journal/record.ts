import { createHash } from 'node:crypto';
import type { Fact, JournalEntry, ReservationEntry } from '../ports/journal.ts';

/** The journal began to be written by a new process, in a new or an existing folder. */
export type BootEntry = { readonly type: 'boot'; readonly instance: string; readonly pid: number; readonly tornBytes: number };

/** The journal was ended on purpose; a journal without it at its end belongs to a process that runs or died. */
export type ClosedEntry = {
  readonly type: 'closed';
  /** Carried on from process to process: see Journal.noncesLostAtMs. */
  readonly noncesLostAtMs?: number;
};

/** A sum of this process's own committed reservations in one counter over one window. */
export type CommittedSum = { readonly counter: string; readonly windowEndsMs: number; readonly sum: number };

/** First record of a segment: ties it to its journal, its number and the segment before it, and sums up what came before. */
export type CheckpointEntry = {
  readonly type: 'checkpoint';
  readonly format: 1;
  /** Random identity of the journal, the same in all its segments. */
  readonly journal: string;
  readonly segment: number;
  /** Chain hash of the record before this one. */
  readonly previous: string;
  /** True when syncing the segment before failed: its records behind `previous` do not count, they are written again here. */
  readonly superseding: boolean;
  readonly keyid: string;
  readonly open: readonly Fact[];
  readonly committed: readonly CommittedSum[];
};

export type Entry = JournalEntry | BootEntry | ClosedEntry | CheckpointEntry;

/**
 * A record as it stands in a line. `seq` counts records from 1 over all segments; a checkpoint carries the number of the
 * record before it, since it is written where a segment begins and not where a caller appended. `at` is wall-clock ms.
 */
export type JournalRecord = { readonly seq: number; readonly at: number; readonly boot: string } & Entry;

/** What the chain of the first segment begins with. */
export const GENESIS = Buffer.alloc(32).toString('base64url');

/** A line taken apart. `payload` is everything before the hash: the JSON, and for a checkpoint a tab and its signature. */
export type Line = {
  readonly payload: Buffer;
  readonly json: Buffer;
  readonly signature?: Buffer;
  readonly hash: string;
  readonly record: JournalRecord;
};

const TAB = 0x09;
const HASH_CHARACTERS = 43;

/** The chain: base64url SHA-256 over the raw hash of the record before and the payload's bytes. */
export function chainHash(previous: string, payload: string | Uint8Array): string {
  return createHash('sha256').update(previous, 'base64url').update(payload).digest('base64url');
}

/** The line of a payload, and the hash the next one hangs on. JSON escapes tab and newline, so both can only be ours. */
export function encodeLine(previous: string, payload: string): { readonly line: string; readonly hash: string } {
  const hash = chainHash(previous, payload);
  return { line: `${payload}\t${hash}\n`, hash };
}

/** Reads a line without its newline; undefined when it is none of ours. Whether its hash is right is not checked here. */
export function readLine(bytes: Buffer): Line | undefined {
  const cut = bytes.lastIndexOf(TAB);
  if (cut < 0 || bytes.length - cut - 1 !== HASH_CHARACTERS) return undefined;
  const payload = bytes.subarray(0, cut);
  const tab = payload.indexOf(TAB);
  const json = tab < 0 ? payload : payload.subarray(0, tab);
  const record = readRecord(json);
  if (!record || tab >= 0 !== (record.type === 'checkpoint')) return undefined;
  const hash = bytes.toString('latin1', cut + 1);
  if (tab < 0) return { payload, json, hash, record };
  return { payload, json, signature: Buffer.from(payload.toString('latin1', tab + 1), 'base64url'), hash, record };
}

function readRecord(json: Buffer): JournalRecord | undefined {
  try {
    const value: unknown = JSON.parse(json.toString('utf8'));
    if (typeof value !== 'object' || value === null) return undefined;
    const { seq, type } = value as Partial<JournalRecord>;
    return Number.isSafeInteger(seq) && typeof type === 'string' ? (value as JournalRecord) : undefined;
  } catch {
    return undefined;
  }
}

const FACT_TYPES: ReadonlySet<string> = new Set(['nonce', 'admitted', 'voided', 'outcome'] satisfies Fact['type'][]);

/** Whether an entry is one that a rebuild gives back to the store. */
export function isFact(entry: { readonly type: string }): entry is Fact {
  return FACT_TYPES.has(entry.type);
}

/** The fact of a record, without the journal's own fields. */
export function factOf(record: JournalRecord): Fact | undefined {
  if (!isFact(record)) return undefined;
  const { seq: _seq, at: _at, boot: _boot, ...fact } = record as JournalRecord & Fact;
  return fact;
}

/** One text for each (counter, window), for maps. */
export const windowKey = (entry: Pick<ReservationEntry, 'counter' | 'windowEndsMs'>): string => `${entry.windowEndsMs} ${entry.counter}`;
