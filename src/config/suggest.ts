/**
 * The one of `known` that `text` most likely meant, or undefined when nothing is near: at most a third of its letters differ,
 * or else one begins with the other (`max`, `maxFen`). Case does not count, since a wrong capital is the commonest mistake.
 */
export function findNear(text: string, known: readonly string[]): string | undefined {
  const bound = Math.max(1, Math.floor(text.length / 3));
  let best: { readonly word: string; readonly distance: number } | undefined;
  for (const word of known) {
    const distance = distanceOf(text.toLowerCase(), word.toLowerCase());
    if (distance <= bound && (best === undefined || distance < best.distance)) best = { word, distance };
  }
  return best?.word ?? known.find((word) => isBeginning(text, word) || isBeginning(word, text));
}

const isBeginning = (short: string, long: string): boolean => short.length >= 3 && long.toLowerCase().startsWith(short.toLowerCase());

/** `; did you mean "x"?`, or nothing. */
export function hint(text: string, known: readonly string[]): string {
  const near = findNear(text, known);
  return near === undefined ? '' : `; did you mean "${near}"?`;
}

/** Insertions, deletions, replacements and swaps of neighbours that turn `a` into `b` (optimal string alignment). */
function distanceOf(a: string, b: string): number {
  let before: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, column) => column);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const replace = (last[j - 1] as number) + (a[i - 1] === b[j - 1] ? 0 : 1);
      let cost = Math.min((last[j] as number) + 1, (row[j - 1] as number) + 1, replace);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) cost = Math.min(cost, (before[j - 2] as number) + 1);
      row.push(cost);
    }
    before = last;
    last = row;
  }
  return last[b.length] as number;
}
