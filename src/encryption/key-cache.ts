import type { WorkingKey } from '../protocol/working-key.ts';
import { type KeyRow, readRows } from './key-rows.ts';

export type KeyCacheOptions = {
  /** Reads the text of a merchant's rows from the store. Rejects with StoreUnavailable. */
  readonly read: (merchantNumber: string) => Promise<string>;
  /** Undefined when it was sealed under another store key, or is not what stood there. */
  readonly open: (merchantNumber: string, row: KeyRow) => WorkingKey | undefined;
  readonly monotonicMs: () => number;
};

/** Finds the key of an id as the store has it now or had it less than 2 s ago. Rejects with StoreUnavailable. */
export type LookUp = (merchantNumber: string, keyid: string) => Promise<WorkingKey | undefined>;

/** What was read is used without asking for so long, then asked for anew beside its use, and at last before it: a key that was withdrawn is gone in 2 s. */
const FRESH_MS = 1_000;
const STALE_MS = 1_800;
/** Merchants whose keys are remembered; each has four keys at most. */
const MERCHANTS_MAX = 10_000;

type Known = { readonly atMs: number; readonly keys: ReadonlyMap<string, WorkingKey> };

/** Remembers the keys of the merchants that used them last, so that a busy one costs no question to the store before each request. */
export function createKeyCache({ read, open, monotonicMs }: KeyCacheOptions): LookUp {
  const cache = new Map<string, Known>();
  const refreshing = new Set<string>();

  const readNow = async (merchantNumber: string): Promise<Known> => {
    const atMs = monotonicMs();
    const rows = readRows(await read(merchantNumber));
    const before = cache.get(merchantNumber);
    // An answer that was overtaken by a later one says nothing any more.
    if (before && before.atMs > atMs) return before;
    const keys = rows.flatMap((row) => reuse(before?.keys.get(row.keyid), row) ?? open(merchantNumber, row) ?? []);
    const known = { atMs, keys: new Map(keys.map((key) => [key.keyid, key])) };
    // Taken out and put back, so that the map stands in the order of use.
    cache.delete(merchantNumber);
    cache.set(merchantNumber, known);
    if (cache.size > MERCHANTS_MAX) cache.delete(cache.keys().next().value as string);
    return known;
  };
  const refresh = (merchantNumber: string): void => {
    if (refreshing.has(merchantNumber)) return;
    refreshing.add(merchantNumber);
    const done = () => refreshing.delete(merchantNumber);
    // A store that is away is told to the request that has to wait for it.
    readNow(merchantNumber).then(done, done);
  };
  return async (merchantNumber, keyid) => {
    const known = cache.get(merchantNumber);
    const ageMs = known ? monotonicMs() - known.atMs : Number.POSITIVE_INFINITY;
    const found = ageMs < STALE_MS ? known?.keys.get(keyid) : undefined;
    if (found && ageMs >= FRESH_MS) refresh(merchantNumber);
    // Another process may have given it a moment ago, so what is not known is always asked for.
    return found ?? (await readNow(merchantNumber)).keys.get(keyid);
  };
}

/** A key that is open already, with the times of its row: they change when a newer one is given. */
const reuse = (known: WorkingKey | undefined, { notBeforeMs, notAfterMs }: KeyRow): WorkingKey | undefined =>
  known && { ...known, notBeforeMs, notAfterMs };
