declare const fen: unique symbol;

/** Whole fen (1 CNY = 100 fen), 0 to 2^53 - 1: what JSON, SQLite and a Redis Lua number all hold exactly. */
export type Fen = number & { readonly [fen]: true };

export const FEN_MAX = Number.MAX_SAFE_INTEGER;

/** Whether a value is an amount of whole fen within bounds. Negative zero is not. */
export function isFen(value: unknown): value is Fen {
  return Number.isSafeInteger(value) && (value as number) >= 0 && !Object.is(value, -0);
}
