import { open, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { isLocked } from './lock.ts';
import { type JournalRecord, readLine } from './record.ts';
import { listSegments, type SegmentPath } from './segment-files.ts';

/** A journal folder of this host, seen from outside. */
export type JournalSummary = {
  readonly instance: string;
  readonly directory: string;
  /** Whether a process writes it now. */
  readonly locked: boolean;
  /** Whether its last record is `closed`. When not, and nobody writes it, nonces it was about to note may be lost. */
  readonly cleanlyClosed: boolean;
  /** What that record says about nonces that were lost before; see Journal.noncesLostAtMs. */
  readonly noncesLostAtMs: number | undefined;
  /** Wall-clock ms of the last whole record; 0 when there is none. */
  readonly lastRecordAtMs: number;
};

/** All journals below a folder, by instance name; none when the folder does not exist. Chains are not checked. */
export async function readJournals(root: string): Promise<JournalSummary[]> {
  const journals: JournalSummary[] = [];
  for (const instance of (await namesIn(root)).sort()) {
    const directory = join(root, instance);
    if (!(await stat(directory)).isDirectory()) continue;
    const segments = await listSegments(directory);
    if (segments.length === 0) continue;
    const last = await findLastRecord(segments);
    const closed = last?.type === 'closed' ? last : undefined;
    const ended = { cleanlyClosed: closed !== undefined, noncesLostAtMs: closed?.noncesLostAtMs, lastRecordAtMs: last?.at ?? 0 };
    journals.push({ instance, directory, locked: isLocked(directory), ...ended });
  }
  return journals;
}

async function namesIn(root: string): Promise<string[]> {
  try {
    return await readdir(root);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}

async function findLastRecord(segments: readonly SegmentPath[]): Promise<JournalRecord | undefined> {
  for (const segment of segments.toReversed()) {
    const line = await findLastLine(segment.path);
    const record = line && readLine(line)?.record;
    if (record) return record;
  }
  return undefined;
}

/** The last line that has its newline, read from the end backwards. */
async function findLastLine(path: string): Promise<Buffer | undefined> {
  const handle = await open(path, 'r');
  try {
    const { size } = await handle.stat();
    for (let bytes = 64 * 1024; ; bytes *= 4) {
      const from = Math.max(0, size - bytes);
      const { buffer } = await handle.read(Buffer.alloc(size - from), 0, size - from, from);
      const end = buffer.lastIndexOf(0x0a);
      const start = end < 1 ? -1 : buffer.lastIndexOf(0x0a, end - 1);
      if (end >= 0 && (start >= 0 || from === 0)) return buffer.subarray(start + 1, end);
      if (from === 0) return undefined;
    }
  } finally {
    await handle.close();
  }
}
