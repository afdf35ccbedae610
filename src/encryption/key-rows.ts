import { WORKING_KEY_PURPOSES, type WorkingKeyPurpose } from '../protocol/working-key.ts';

/** A working key as the store has it. */
export type KeyRow = {
  readonly keyid: string;
  readonly purpose: WorkingKeyPurpose;
  /** The merchant's name for its asking: the same one gets the same key as long as that lives. */
  readonly requestNo: string;
  /** The key under the store key, base64. */
  readonly sealed: string;
  readonly notBeforeMs: number;
  /** The first moment at which it no longer counts. */
  readonly notAfterMs: number;
};

/** How long a key lives, and how long the one before it after a new one was given, ms. */
export const LIFE_MS = 86_400_000;
export const GRACE_MS = 600_000;

const isLive = ({ notAfterMs }: KeyRow, nowMs: number): boolean => nowMs < notAfterMs;

/** Reads the rows of a merchant, oldest first for each purpose. What this program did not write is as good as nothing: the merchant signs in again. */
export function readRows(text: string): readonly KeyRow[] {
  try {
    const rows: unknown = text === '' ? [] : JSON.parse(text);
    return Array.isArray(rows) && rows.every(isRow) ? rows : [];
  } catch {
    return [];
  }
}

function isRow(value: unknown): value is KeyRow {
  const row = (value ?? {}) as Record<string, unknown>;
  const texts = [row.keyid, row.requestNo, row.sealed].every((text) => typeof text === 'string');
  return texts && WORKING_KEY_PURPOSES.includes(row.purpose as never) && [row.notBeforeMs, row.notAfterMs].every(Number.isSafeInteger);
}

/** The live key that was given for the same asking. */
export const findGiven = (rows: readonly KeyRow[], purpose: WorkingKeyPurpose, requestNo: string, nowMs: number): KeyRow | undefined =>
  rows.find((row) => row.purpose === purpose && row.requestNo === requestNo && isLive(row, nowMs));

/** The rows with a new key: the newest before it lives on for the grace time at most, an older one not at all. So two live at most. */
export function withNewKey(rows: readonly KeyRow[], key: KeyRow, nowMs: number): readonly KeyRow[] {
  const live = rows.filter((row) => isLive(row, nowMs));
  const previous = live.filter(({ purpose }) => purpose === key.purpose).at(-1);
  const kept = live.filter((row) => row.purpose !== key.purpose);
  return [...kept, ...(previous ? [{ ...previous, notAfterMs: Math.min(previous.notAfterMs, nowMs + GRACE_MS) }] : []), key];
}
