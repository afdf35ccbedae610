import { UserError } from '../../lib/user-error.ts';
import type { AlgorithmName } from '../../protocol/algorithms.ts';
import { type KeyState, keyStateAt, type WrittenKeyState } from '../../protocol/answer-key.ts';
import type { JweAlgorithm } from '../../protocol/jwe/header.ts';

/** An entry of `answers.keys` or `encryption.keys` as far as a rotation concerns it. */
export type RotationRow = WrittenKeyState & {
  readonly keyid: string;
  readonly sharePercent: number;
  /** What it signs with, or is encrypted to with. Undefined for a retired key, whose files may be gone. */
  readonly algorithm: AlgorithmName | JweAlgorithm | undefined;
};

/** A new value of a key of one entry; undefined removes it. */
export type RotationEdit = {
  readonly index: number;
  readonly key: 'state' | 'sharePercent' | 'currentFrom' | 'retiringFrom' | 'retiredFrom';
  readonly value: string | number | undefined;
};

/** Shares at which a rotation usually pauses. */
export const USUAL_SHARES = [1, 5, 25, 100] as const;

function findRow(rows: readonly RotationRow[], keyid: string): { readonly row: RotationRow; readonly index: number } {
  const index = rows.findIndex((row) => row.keyid === keyid);
  const row = rows[index];
  if (row === undefined) throw new UserError(`there is no key ${keyid}; \`hufu keys list\` shows all`);
  return { row, index };
}

/** A state by hand takes the moments with it that would have led there or would lead on from it at once. */
const toState = (index: number, state: KeyState, drops: readonly RotationEdit['key'][]): RotationEdit[] => [
  { index, key: 'state', value: state },
  ...drops.map((key): RotationEdit => ({ index, key, value: undefined })),
];

/**
 * Makes a key sign for `percent` of the merchants. At 100 it becomes the key of all, and every other current key of its algorithm
 * retiring. Throws a UserError for a retired key, and for a share that would take merchants back.
 */
export function planPromotion(rows: readonly RotationRow[], keyid: string, percent: number, nowMs: number): RotationEdit[] {
  const { row, index } = findRow(rows, keyid);
  const state = keyStateAt(row, nowMs);
  if (state === 'retired') throw new UserError(`${keyid} is retired: merchants refuse it now; announce another key`);
  if (state === 'current' && percent < row.sharePercent)
    throw new UserError(
      `${keyid} signs for ${row.sharePercent} % already, and a share only grows; to go back, promote the former key to 100 %`,
    );
  const own = [
    ...toState(index, 'current', ['currentFrom', 'retiringFrom', 'retiredFrom']),
    { index, key: 'sharePercent', value: percent === 100 ? undefined : percent } as const,
  ];
  if (percent < 100) return own;
  const others = rows.flatMap((other, at) =>
    at !== index && other.algorithm === row.algorithm && keyStateAt(other, nowMs) === 'current' ? [at] : [],
  );
  return [
    ...own,
    ...others.flatMap((at) => [
      ...toState(at, 'retiring', ['currentFrom', 'retiringFrom']),
      { index: at, key: 'sharePercent', value: undefined } as const,
    ]),
  ];
}

/**
 * One step towards the end: current to retiring, announced or retiring to retired; `atOnce` to retired from anywhere.
 * Throws a UserError when it is retired already. That somebody must still sign is for the check of the whole configuration to say.
 */
export function planRetirement(rows: readonly RotationRow[], keyid: string, atOnce: boolean, nowMs: number): RotationEdit[] {
  const { row, index } = findRow(rows, keyid);
  const state = keyStateAt(row, nowMs);
  if (state === 'retired') throw new UserError(`${keyid} is retired already`);
  const next = state === 'current' && !atOnce ? 'retiring' : 'retired';
  const drops: readonly RotationEdit['key'][] =
    next === 'retiring' ? ['currentFrom', 'retiringFrom', 'sharePercent'] : ['currentFrom', 'retiringFrom', 'retiredFrom', 'sharePercent'];
  return toState(index, next, drops);
}
