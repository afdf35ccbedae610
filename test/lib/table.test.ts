import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { displayWidth, formatTable, printable } from '../../src/lib/table.ts';

describe('displayWidth', () => {
  const cases: readonly [text: string, width: number, why: string][] = [
    ['', 0, 'nothing'],
    ['abc', 3, 'ASCII'],
    ['虎符', 4, 'Chinese characters are two columns wide'],
    ['（１）', 6, 'full-width forms too'],
    ['ﾊﾝ', 2, 'half-width kana are one'],
    ['e\u0301', 1, 'a combining accent stands on its letter'],
    ['𠀀', 2, 'one code point beyond 16 bits'],
    ['¥', 1, 'the yen sign is narrow'],
    ['￥', 2, 'its full-width form is not'],
  ];
  for (const [text, width, why] of cases) test(why, () => assert.equal(displayWidth(text), width));
});

test('columns line up although some are Chinese', () => {
  const lines = formatTable(
    [{ title: 'merchant' }, { title: '金额', align: 'right' }],
    [
      ['虎符示例商户', '1.00'],
      ['A', '100,000.00'],
    ],
  );
  assert.deepEqual(lines, ['merchant            金额', '虎符示例商户        1.00', 'A             100,000.00']);
});

test('nothing in a cell can move the cursor or turn the text round', () => {
  assert.equal(printable('a\u001b[2Jb\r\n\u202ec\u0085'), 'a\\u{1b}[2Jb\\u{d}\\u{a}\\u{202e}c\\u{85}');
  assert.equal(formatTable([{ title: 'x' }], [['a\nb']]).length, 2);
});

test('every line of a table with a right-aligned last column is equally wide', () => {
  const cell = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 8 }).filter((text) => text.trim() === text && text !== '');
  fc.assert(
    fc.property(fc.array(fc.tuple(cell, cell), { maxLength: 6 }), (rows) => {
      const lines = formatTable([{ title: 'a' }, { title: 'b', align: 'right' }], rows);
      assert.equal(new Set(lines.map(displayWidth)).size, 1);
    }),
  );
});
