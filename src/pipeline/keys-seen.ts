import type { Notes } from '../ports/notes.ts';

/** Notes which merchants know which of our keys, for `hufu keys readiness`. Nobody waits for it, and a store that is away costs nothing. */
export type KeysSeen = (merchantNumber: string, keyids: readonly string[]) => void;

/** The same is not written again for so long. */
const AGAIN_MS = 3_600_000;
/** How many are remembered; then everything is forgotten, and written once more. */
const KNOWN_MAX = 50_000;

/** The name of a note: merchant numbers are digits, so the first space ends them. */
export const seenName = (merchantNumber: string, keyid: string): string => `${merchantNumber} ${keyid}`;

/** Writes each fact at most once an hour and process. */
export function createKeysSeen(notes: Pick<Notes, 'put'>, nowMs: () => number): KeysSeen {
  const known = new Map<string, number>();
  return (merchantNumber, keyids) => {
    const atMs = nowMs();
    const fresh = keyids.map((keyid) => seenName(merchantNumber, keyid)).filter((name) => atMs - (known.get(name) ?? 0) >= AGAIN_MS);
    if (fresh.length === 0) return;
    if (known.size > KNOWN_MAX) known.clear();
    for (const name of fresh) known.set(name, atMs);
    notes.put('answer-keys-seen', Object.fromEntries(fresh.map((name) => [name, String(atMs)]))).catch(() => {
      for (const name of fresh) known.delete(name);
    });
  };
}
