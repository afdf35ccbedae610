import { copyFile, mkdir, open, rm, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { syncDirectory } from '../lib/files.ts';
import { UserError } from '../lib/user-error.ts';
import type { AdmittedFact } from '../ports/journal.ts';
import type { Signer } from '../ports/signer.ts';
import { type Anchor, readAnchor } from './anchor.ts';
import { readJournals } from './journals.ts';
import { countsUntil, readSegment } from './read.ts';
import type { Line } from './record.ts';
import { listSegments, type SegmentPath } from './segment-files.ts';
import { findSigned, type Signed, writeSigned } from './signed-file.ts';

/** The end of what was archived: its last segment, record and hash, on which the journal goes on. */
export type Archived = Anchor & { readonly segments: number };

const archivedPath = (directory: string): string => join(directory, 'archived');

export const findArchived = (directory: string): Promise<Signed<Archived> | 'unreadable' | undefined> =>
  findSigned(archivedPath(directory), (value) => {
    const anchor = readAnchor(value);
    const { segments } = value as Partial<Archived>;
    return anchor && Number.isSafeInteger(segments) ? { ...anchor, segments: segments as number } : undefined;
  });

/** The segments of a journal that nothing needs any more, and the record they end with. */
export type Archivable = { readonly directory: string; readonly segments: readonly SegmentPath[]; readonly last?: Line };

/** What the journals of this host know about admissions: which are settled, and until when what is known of each is kept. */
type Known = { readonly settled: ReadonlySet<string>; readonly keptUntilMs: ReadonlyMap<string, number> };

const keptUntil = ({ keepUntilMs, nonceUntilMs, reservation }: AdmittedFact): number =>
  Math.max(keepUntilMs, nonceUntilMs, ...reservation.map(({ windowEndsMs }) => windowEndsMs));

/**
 * Which segments can leave each journal: the oldest ones, without the one that is written, in which every record is older than
 * `olderThanMs`, every admission is settled somewhere on this host, and no claim, nonce or window is kept that they tell of. So a
 * rebuild (contract.md section 8) gives back the same without them.
 */
export async function findArchivable(root: string, nowMs: number, olderThanMs: number): Promise<Archivable[]> {
  const journals = await readJournals(root);
  const known = await readKnown(journals.map(({ directory }) => directory));
  const found: Archivable[] = [];
  for (const { directory } of journals) {
    const all = await listSegments(directory);
    const segments: SegmentPath[] = [];
    let last: Line | undefined;
    for (const [index, segment] of all.slice(0, -1).entries()) {
      const end = await findEnd(segment, await countsUntil(all[index + 1]), known, nowMs, olderThanMs);
      if (!end) break;
      segments.push(segment);
      last = end;
    }
    found.push({ directory, segments, ...(last && { last }) });
  }
  return found;
}

async function readKnown(directories: readonly string[]): Promise<Known> {
  const settled = new Set<string>();
  const keptUntilMs = new Map<string, number>();
  for (const directory of directories)
    for (const segment of await listSegments(directory))
      for await (const { line } of readSegment(segment)) {
        const record = line?.record;
        if (record?.type === 'outcome' || record?.type === 'voided') settled.add(record.admissionId);
        if (record?.type === 'admitted') keptUntilMs.set(record.admissionId, keptUntil(record));
      }
  return { settled, keptUntilMs };
}

/** The last record of a segment that is over; undefined when something in it is still needed, or is not as it was written. */
async function findEnd(segment: SegmentPath, until: number, known: Known, nowMs: number, olderThanMs: number): Promise<Line | undefined> {
  let last: Line | undefined;
  for await (const { line, problem, seq } of readSegment(segment)) {
    if (seq > until) break;
    if (!line || problem || line.record.at >= nowMs - olderThanMs || isNeeded(line.record, known, nowMs)) return undefined;
    last = line;
  }
  return last;
}

function isNeeded(record: Line['record'], { settled, keptUntilMs }: Known, nowMs: number): boolean {
  switch (record.type) {
    case 'nonce':
      return record.nonceUntilMs > nowMs;
    case 'admitted':
      return !settled.has(record.admissionId) || keptUntil(record) > nowMs;
    case 'outcome':
    case 'voided':
      return (keptUntilMs.get(record.admissionId) ?? 0) > nowMs;
    default:
      return false;
  }
}

/**
 * Moves segments to a folder elsewhere: copied and synced there first, then the journal says where it goes on, then they are deleted.
 * Killed in between it leaves a copy too many, never one too few; running it again ends the work. Throws a UserError when the other
 * folder holds something else under a segment's name.
 */
export async function archiveSegments(
  { directory, segments, last }: Archivable,
  target: string,
  signer: Signer,
  nowMs: number,
): Promise<void> {
  const newest = segments.at(-1);
  const journal = segments[0] && (await journalOf(segments[0]));
  if (!newest || !last || journal === undefined) return;
  const folder = join(target, basename(directory));
  await mkdir(folder, { recursive: true, mode: 0o700 });
  for (const { path } of segments) await copySynced(path, join(folder, basename(path)));
  await syncDirectory(folder);
  const { record, hash } = last;
  const archived: Archived = { journal, segments: newest.number, sequence: record.seq, hash, at: nowMs };
  await writeSigned(archivedPath(directory), archived, signer);
  for (const { path } of segments) await rm(path);
  await syncDirectory(directory);
}

async function journalOf(segment: SegmentPath): Promise<string | undefined> {
  for await (const { line } of readSegment(segment)) return line?.record.type === 'checkpoint' ? line.record.journal : undefined;
  return undefined;
}

async function copySynced(from: string, to: string): Promise<void> {
  const present = await stat(to).catch(() => undefined);
  if (present && present.size !== (await stat(from)).size)
    throw new UserError(`${to} is there already and is not the same segment: archive into a folder of this host alone`);
  await copyFile(from, to);
  const handle = await open(to, 'r+');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
