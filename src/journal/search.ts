import { readSegment } from './read.ts';
import type { Line } from './record.ts';
import { listSegments } from './segment-files.ts';

/** A record with the place where it stands. */
export type Place = { readonly directory: string; readonly segment: string; readonly line: Line };

/** Every record of a journal that can be read, oldest first, whether or not its chain is whole: see verifyJournal for that. */
export async function* searchJournal(directory: string): AsyncGenerator<Place> {
  for (const segment of await listSegments(directory)) {
    for await (const { line } of readSegment(segment)) if (line) yield { directory, segment: segment.path, line };
  }
}
