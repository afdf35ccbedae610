/** Code points that a terminal shows two columns wide (Unicode East Asian Width W and F, and emoji), as inclusive ranges. */
const WIDE: readonly (readonly [number, number])[] = [
  [0x1100, 0x115f],
  [0x2e80, 0x303e],
  [0x3041, 0x33ff],
  [0x3400, 0x4dbf],
  [0x4e00, 0xa4cf],
  [0xa960, 0xa97f],
  [0xac00, 0xd7a3],
  [0xf900, 0xfaff],
  [0xfe30, 0xfe6f],
  [0xff01, 0xff60],
  [0xffe0, 0xffe6],
  [0x1f300, 0x1f64f],
  [0x1f900, 0x1f9ff],
  [0x20000, 0x3fffd],
];

/** Combining marks and format characters stand on the character before them. */
const ZERO_WIDTH = /^[\p{Mn}\p{Me}\p{Cf}]$/u;
/** Characters that could move the cursor or colour the rest of the screen. */
const CONTROL = /[\p{Cc}\p{Zl}\p{Zp}\p{Bidi_Control}]/gu;

/** Text that is safe on a terminal: control and direction characters are shown as \u{..}. */
export function printable(text: string): string {
  return text.replace(CONTROL, (character) => `\\u{${(character.codePointAt(0) as number).toString(16)}}`);
}

/** Columns that a text takes on a terminal. */
export function displayWidth(text: string): number {
  let width = 0;
  for (const character of text) {
    const point = character.codePointAt(0) as number;
    if (ZERO_WIDTH.test(character)) continue;
    width += WIDE.some(([from, to]) => point >= from && point <= to) ? 2 : 1;
  }
  return width;
}

/** One column: its title, and `right` for numbers. */
export type Column = { readonly title: string; readonly align?: 'left' | 'right' };

/** Lines of a table for a terminal: columns as wide as their widest cell, two spaces between, no trailing spaces. */
export function formatTable(columns: readonly Column[], rows: readonly (readonly string[])[]): string[] {
  const lines = [columns.map((column) => column.title), ...rows].map((line) => columns.map((_, i) => printable(line[i] ?? '')));
  const widths = columns.map((_, i) => Math.max(...lines.map((line) => displayWidth(line[i] as string))));
  return lines.map((line) =>
    line
      .map((cell, i) => {
        const gap = ' '.repeat((widths[i] as number) - displayWidth(cell));
        return columns[i]?.align === 'right' ? gap + cell : cell + gap;
      })
      .join('  ')
      .trimEnd(),
  );
}
