import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { describe, test } from 'node:test';
import { THREATS } from './threats.ts';

const FOLDER = resolve(import.meta.dirname, '..');

/** The lines of a test file in which a test, a group or a row of a table can be named; comments are none. */
function namesIn(file: string): string[] {
  const lines = readFileSync(resolve(FOLDER, `${file}.test.ts`), 'utf8').split('\n');
  return lines.filter((line) => !/^\s*(?:\/\/|\/?\*)/.test(line) && /['"`]/.test(line));
}

/** `hole 1` stands in "hole 1" and in "holes 1, 8"; D1 does not stand in D12. */
function namesThreat(name: string, id: string): boolean {
  const [, number] = /^hole (\d+)$/.exec(id) ?? [];
  const pattern = number === undefined ? `\\b${id}\\b` : `\\bholes? (?:\\d+,? (?:and )?)*${number}\\b`;
  return new RegExp(pattern).test(name);
}

describe('every threat is named by a test in each file that stands for it', () => {
  for (const [id, [what, ...files]] of Object.entries(THREATS)) {
    test(`${id}: ${what}`, () => {
      assert.ok(files.length > 0);
      for (const file of files)
        assert.ok(
          namesIn(file).some((name) => namesThreat(name, id)),
          `no test of ${file} names ${id}`,
        );
    });
  }
});

test('the check tells ids apart', () => {
  assert.deepEqual([namesThreat('"D12: retired"', 'D1'), namesThreat('"D12: retired"', 'D12')], [false, true]);
  assert.deepEqual([namesThreat("'hole 18: x'", 'hole 1'), namesThreat("'E2, hole 8: x'", 'hole 8')], [false, true]);
});
