import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { findProblems, readTexts } from '../../tools/tidy.ts';

/** A project without a problem: an entry that uses what another file exports. */
const CLEAN: Readonly<Record<string, string>> = {
  'src/main.ts': "import { readThing } from './lib/thing.ts';\nreadThing();\n",
  'src/lib/thing.ts': 'export function readThing(): number {\n  return 1;\n}\n',
};

const problemsWith = (files: Readonly<Record<string, string>>): string[] => findProblems(new Map(Object.entries({ ...CLEAN, ...files })));
const lines = (count: number, line: string): string => `${line}\n`.repeat(count);
/** A file of src that the entry uses. */
const used = (text: string): Readonly<Record<string, string>> => ({
  'src/main.ts': `${CLEAN['src/main.ts']}import './lib/other.ts';\n`,
  'src/lib/other.ts': text,
});
const word = (...parts: string[]): string => parts.join('');

const CASES: readonly (readonly [why: string, files: Readonly<Record<string, string>>, problems: readonly string[]])[] = [
  ['nothing wrong', {}, []],
  ['300 lines are as long as a file may be', used(lines(300, '// a line')), []],
  ['301 are too long', used(lines(301, '// a line')), ['src/lib/other.ts: 301 lines, at most 300; perhaps it is two rooms']],
  [
    'a table may be long',
    {
      'src/main.ts': `${CLEAN['src/main.ts']}import './protocol/error-table.ts';\n`,
      'src/protocol/error-table.ts': lines(400, '// a row'),
    },
    [],
  ],
  ['a function of 70 lines', used(`function long() {\n${lines(68, '  1;')}}\nlong();\n`), []],
  [
    'a function of 71 lines',
    used(`// why\nfunction long() {\n${lines(69, '  1;')}}\nlong();\n`),
    ['src/lib/other.ts:2: a function of 71 lines, at most 70'],
  ],
  [
    'an arrow function of 71 lines',
    used(`const long = async () => {\n${lines(69, '  1;')}};\nlong();\n`),
    ['src/lib/other.ts:1: a function of 71 lines, at most 70'],
  ],
  [
    'a mark of unfinished work',
    used(`// ${word('TO', 'DO')}: later\n`),
    ['src/lib/other.ts:1: \\b(TODO|FIXME|XXX)\\b is banned: finish it or open an issue'],
  ],
  [
    'randomness that can be guessed',
    used(`\nMath.${word('ran', 'dom')}();\n`),
    ['src/lib/other.ts:2: \\bMath\\.random\\b is banned: randomness is node:crypto'],
  ],
  [
    'types switched off',
    used(`// @ts-${word('ig', 'nore')}\n`),
    ['src/lib/other.ts:1: @ts-(ignore|expect-error|nocheck) is banned: types are not switched off'],
  ],
  [
    'the environment where it is not read',
    used('process.env.HOME;\n'),
    ['src/lib/other.ts:1: \\bprocess\\.env\\b is banned: environment variables are read by config and cli'],
  ],
  [
    'the environment where it is',
    { 'src/main.ts': `${CLEAN['src/main.ts']}import './cli/x.ts';\n`, 'src/cli/x.ts': 'process.env.HOME;\n' },
    [],
  ],
  ['tests may say what they like', { 'test/x.test.ts': 'process.env.HOME;\n' }, []],
  ['a file that nothing imports', { 'src/lib/lonely.ts': '1;\n' }, ['src/lib/lonely.ts: nothing imports it']],
  ['an export that nothing uses', used('export const spare = 1;\n'), ['src/lib/other.ts: spare is exported and used nowhere']],
  [
    'an export that only tests use',
    { ...used('export async function spare() {}\n'), 'test/x.test.ts': 'spare();\nspare();\n' },
    ['src/lib/other.ts: spare is exported and used by tests only'],
  ],
  [
    'a name within another name is no use of it',
    used('export type Spare = 1;\nconst isSpare = 1;\nisSpare;\n'),
    ['src/lib/other.ts: Spare is exported and used nowhere'],
  ],
  [
    'several problems',
    { ...used('export const spare = process.env.X;\n') },
    [
      'src/lib/other.ts:1: \\bprocess\\.env\\b is banned: environment variables are read by config and cli',
      'src/lib/other.ts: spare is exported and used nowhere',
    ],
  ],
];

describe('tidy', () => {
  for (const [why, files, problems] of CASES) {
    test(why, () => assert.deepEqual(problemsWith(files), problems));
  }

  test('it reads the sources of the project itself', () => {
    const files = [...readTexts().keys()];
    for (const file of ['src/main.ts', 'tools/tidy.ts', 'test/tools/tidy.test.ts']) assert.ok(files.includes(file), file);
  });
});
