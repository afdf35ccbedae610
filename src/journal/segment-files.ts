import { open, readdir } from 'node:fs/promises';
import { join } from 'node:path';

const NAME = /^(\d{8})\.journal$/;

/** A segment on the disk: its number, from 1, and where it is. */
export type SegmentPath = { readonly number: number; readonly path: string };

export function segmentPath(directory: string, number: number): SegmentPath {
  return { number, path: join(directory, `${String(number).padStart(8, '0')}.journal`) };
}

/** The segments of a journal folder by number. Other files are not ours and are left out. */
export async function listSegments(directory: string): Promise<SegmentPath[]> {
  const numbers = (await readdir(directory)).flatMap((name) => NAME.exec(name)?.[1] ?? []).map(Number);
  return numbers.sort((a, b) => a - b).map((number) => segmentPath(directory, number));
}

/** The few things the writer does with a file. Tests put a failing disk in its place. */
export type SegmentFile = {
  readonly write: (data: Buffer, position: number) => Promise<void>;
  /** fdatasync: the data and what is needed to find it again. */
  readonly datasync: () => Promise<void>;
  readonly truncate: (bytes: number) => Promise<void>;
  readonly close: () => Promise<void>;
};

/** Opens a segment for writing: an existing one as it is, a new one empty. */
export type OpenSegment = (path: string, how: 'existing' | 'new') => Promise<SegmentFile>;

export const openSegment: OpenSegment = async (path, how) => {
  const handle = await open(path, how === 'new' ? 'w' : 'r+', 0o600);
  return {
    write: async (data, position) => {
      let done = 0;
      while (done < data.length) done += (await handle.write(data, done, data.length - done, position + done)).bytesWritten;
    },
    datasync: () => handle.datasync(),
    truncate: (bytes) => handle.truncate(bytes),
    close: () => handle.close(),
  };
};
