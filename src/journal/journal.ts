import { randomBytes } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '../lib/clock.ts';
import { syncDirectory } from '../lib/files.ts';
import { UserError } from '../lib/user-error.ts';
import type { Fact, Journal, JournalEntry } from '../ports/journal.ts';
import type { Signer } from '../ports/signer.ts';
import { Refusal } from '../protocol/errors.ts';
import { type AnchorKeeper, createAnchorKeeper } from './anchor.ts';
import { createGroupCommit, type GroupCommit } from './group-commit.ts';
import { createLedger } from './ledger.ts';
import { tryLock } from './lock.ts';
import { readFacts } from './read.ts';
import { type Entry, isFact } from './record.ts';
import { recoverTail, type Tail } from './recover.ts';
import { type OpenSegment, openSegment } from './segment-files.ts';
import { createSegmentWriter, type SegmentWriter } from './segment-writer.ts';

export type JournalOptions = {
  /** Folder of all journals; this one is below it, in a folder named by the instance. */
  readonly directory: string;
  readonly instance: string;
  /** Signs checkpoints and anchors. */
  readonly signer: Signer;
  readonly clock: Clock;
  /** How long a record waits for company while a sync was under way, ms. */
  readonly groupMsMax: number;
  readonly groupRecordsMax: number;
  readonly segmentBytesMax: number;
  /** One line for the log whenever an operator must know. */
  readonly onAlarm: (line: string) => void;
  /** How long to wait for the folder: another process may be reading it under its lock, ms; 0. */
  readonly lockWaitMs?: number;
  /** Between two tries while the disk refuses, ms; 1000. */
  readonly retryMs?: number;
  /** The disk; tests put a failing one in its place. */
  readonly openSegment?: OpenSegment;
};

/** The newest record that is on the disk: what an anchor elsewhere should remember. */
export type JournalHead = { readonly journal: string; readonly sequence: number; readonly hash: string };

export type OpenJournal = Journal & {
  /** Random identity of the journal, for ever. */
  readonly id: string;
  /** Random identity of this run of the process; a part of its admission ids. */
  readonly boot: string;
  readonly head: () => JournalHead;
};

/** Evidence that may wait while the disk refuses; outcomes always may, there are no more of them than open admissions. */
const BACKLOG_RECORDS_MAX = 10_000;
/** What is refused while the disk refuses: everything that begins something. */
const BEGINNINGS: ReadonlySet<string> = new Set(['nonce', 'admitted', 'request'] satisfies JournalEntry['type'][]);

/**
 * Opens a process's journal for writing, makes it when there is none, and writes its `boot` record to the disk.
 *
 * Throws a UserError when another process holds the folder, when a record is not as it was written, or when the journal
 * ends before its anchor. A torn end (contract.md section 7) is cut off and told through `onAlarm`.
 */
export async function openJournal(options: JournalOptions): Promise<OpenJournal> {
  const directory = join(options.directory, options.instance);
  await mkdir(directory, { recursive: true, mode: 0o700 });
  await syncDirectory(options.directory);
  const unlock = await waitForLock(directory, options.clock, options.lockWaitMs ?? 0);
  if (!unlock) throw new UserError(`${directory}: another process writes this journal; stop it, or give this one another instance name`);
  try {
    const tail = await recoverTail(directory);
    if (tail && tail.tornBytes > 0)
      options.onAlarm(`${tail.segment.path}: cut ${tail.tornBytes} bytes of a torn record after record ${tail.seq}`);
    return await startJournal(options, directory, tail, unlock);
  } catch (error) {
    unlock();
    throw error;
  }
}

const LOCK_RETRY_MS = 20;

async function waitForLock(directory: string, clock: Clock, waitMs: number): Promise<(() => void) | undefined> {
  const untilMs = clock.monotonicMs() + waitMs;
  for (;;) {
    const unlock = tryLock(directory);
    if (unlock || clock.monotonicMs() >= untilMs) return unlock;
    await new Promise((resolve) => setTimeout(resolve, LOCK_RETRY_MS));
  }
}

const randomId = (): string => randomBytes(12).toString('base64url');

type Parts = {
  readonly id: string;
  readonly boot: string;
  readonly writer: SegmentWriter;
  readonly anchor: AnchorKeeper;
  readonly groups: GroupCommit;
};

function wire(options: JournalOptions, directory: string, tail: Tail | undefined): Parts {
  const id = tail?.journal ?? randomId();
  const boot = randomId();
  const ledger = tail?.ledger ?? createLedger();
  const start = tail && { seq: tail.seq, hash: tail.hash, segment: tail.segment.number, end: tail.end };
  const writer = createSegmentWriter({ openSegment, ...options, directory, journal: id, boot, ledger }, start);
  const anchor = createAnchorKeeper(options, directory, () => ({ ...headOf(id, writer), segment: writer.head().segment }));
  return { id, boot, writer, anchor, groups: createGroupCommit({ retryMs: 1_000, ...options, writer, onSynced: anchor.keep }) };
}

function headOf(journal: string, writer: SegmentWriter): JournalHead {
  const { seq, hash } = writer.head();
  return { journal, sequence: seq, hash };
}

async function startJournal(options: JournalOptions, directory: string, tail: Tail | undefined, unlock: () => void): Promise<OpenJournal> {
  const parts = wire(options, directory, tail);
  const { id, boot, writer, groups } = parts;
  // Without `closed` the process before ended at some moment until now.
  const noncesLostAtMs = tail && (tail.closed ? tail.closed.noncesLostAtMs : options.clock.nowMs());
  let seq = tail?.seq ?? 0;
  let closed = false;

  const write = (entry: Entry): number => {
    seq += 1;
    groups.add({ seq, json: JSON.stringify({ seq, at: options.clock.nowMs(), boot, ...entry }), entry });
    return seq;
  };

  const append = (entry: JournalEntry): number => {
    if (closed || !mayAppend(entry, groups)) throw new Refusal('JOURNAL_UNAVAILABLE');
    return write(entry);
  };

  const close = async (lostAtMs: number | undefined = noncesLostAtMs): Promise<void> => {
    if (closed) return;
    closed = true;
    write({ type: 'closed', ...(lostAtMs === undefined ? {} : { noncesLostAtMs: lostAtMs }) });
    await closeJournal(parts, options.onAlarm).finally(unlock);
  };

  const booted = write({ type: 'boot', instance: options.instance, pid: process.pid, tornBytes: tail?.tornBytes ?? 0 });
  await groups.synced(booted).catch((error: Refusal) => abandon(parts, directory, error.options.cause));
  return {
    id,
    boot,
    append,
    synced: groups.synced,
    isWritable: () => !closed && groups.isHealthy(),
    facts: () => ownFacts(directory, writer.head().seq, groups),
    noncesLostAtMs,
    head: () => headOf(id, writer),
    close,
  };
}

/** A journal that cannot be written from the start is not begun. */
async function abandon({ groups, writer }: Parts, directory: string, cause: unknown): Promise<never> {
  await groups.finish().catch(() => undefined);
  await writer.close();
  throw new UserError(`${directory}: the journal cannot be written (${String(cause)}); free space or mend the disk`);
}

function mayAppend(entry: JournalEntry, groups: GroupCommit): boolean {
  if (groups.isHealthy() || entry.type === 'outcome' || entry.type === 'voided') return true;
  return !BEGINNINGS.has(entry.type) && groups.waiting().length < BACKLOG_RECORDS_MAX;
}

/** Facts on the disk as of now, then those that wait. Both ends are taken before the first is read. */
function ownFacts(directory: string, seq: number, groups: GroupCommit): AsyncIterable<Fact> {
  const waiting = groups.waiting().flatMap(({ entry }) => (isFact(entry) ? [entry] : []));
  return (async function* () {
    yield* readFacts(directory, seq);
    yield* waiting;
  })();
}

async function closeJournal({ groups, writer, anchor }: Parts, onAlarm: (line: string) => void): Promise<void> {
  try {
    await groups.finish();
    await anchor.write();
  } catch (error) {
    onAlarm(`the journal could not be closed cleanly (${(error as Error).message}); its last ${groups.waiting().length} records are lost`);
  } finally {
    await anchor.idle();
    await writer.close();
  }
}
