import { createHmac } from 'node:crypto';

/**
 * The life of a key that signs answers. `announced`: published, signs only for a merchant that asks for it by name. `current`: signs.
 * `retiring`: published and still verifiable, signs only for a merchant that asks for it by name. `retired`: neither published nor used.
 */
export const KEY_STATES = ['announced', 'current', 'retiring', 'retired'] as const;
export type KeyState = (typeof KEY_STATES)[number];

/** The state as an operator wrote it, and the moments (RFC 3339) at which the key goes on by itself. */
export type WrittenKeyState = {
  readonly state?: KeyState | undefined;
  readonly currentFrom?: string | undefined;
  readonly retiringFrom?: string | undefined;
  readonly retiredFrom?: string | undefined;
};

/** The moments of `announced`'s successors in the order of KEY_STATES. */
const MOMENTS = [
  ['current', 'currentFrom'],
  ['retiring', 'retiringFrom'],
  ['retired', 'retiredFrom'],
] as const satisfies readonly (readonly [KeyState, keyof WrittenKeyState])[];

/** The state in which an entry begins: as written, else `announced` when a moment says from when it is current, else `current`. */
const firstState = ({ state, currentFrom }: WrittenKeyState): KeyState => state ?? (currentFrom === undefined ? 'current' : 'announced');

/** The state at a moment (ms since 1970): never earlier in life than what is written, and as late as the moments that have come. */
export function keyStateAt(written: WrittenKeyState, nowMs: number): KeyState {
  let state = firstState(written);
  for (const [next, key] of MOMENTS) {
    const at = written[key];
    if (at !== undefined && Date.parse(at) <= nowMs && KEY_STATES.indexOf(next) > KEY_STATES.indexOf(state)) state = next;
  }
  return state;
}

/** The next moment after `nowMs` at which any of the entries may change its state; infinite when there is none. */
export function nextKeyChangeMs(entries: readonly WrittenKeyState[], nowMs: number): number {
  const moments = entries.flatMap((entry) => MOMENTS.map(([, key]) => Date.parse(entry[key] ?? '')));
  return Math.min(...moments.filter((ms) => ms > nowMs), Number.POSITIVE_INFINITY);
}

const PARTS = 10_000;

/**
 * Whether a merchant is among the first `percent` of all for whom a new key signs. The order of merchants is a hash keyed with the
 * keyid: the same in every process, another for the next key, and a larger share always contains a smaller one.
 */
export function isInShare(keyid: string, merchantNumber: string, percent: number): boolean {
  if (percent >= 100) return true;
  const place = createHmac('sha256', keyid).update(merchantNumber).digest().readUInt32BE(0) % PARTS;
  return place < percent * (PARTS / 100);
}
