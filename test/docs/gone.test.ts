import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { test } from 'node:test';
import { readPage } from './pages.ts';

const FOLDER = resolve(import.meta.dirname, '..');
const ROW = /^\| (?<gone>[a-zA-Z ]+: [^|]+) \|(?:[^|]*\|){3} (?<tests>[^|]+) \|$/gm;
const rows = [...readPage('docs/operator-guide.md').matchAll(ROW)].filter(({ groups }) => groups?.tests?.startsWith('`'));

/** Each thing that a gateway leans on. */
const DEPENDENCIES = ['store', 'core', 'journal', 'CRL source', 'clock', 'gateway'];

test('the table of what is gone speaks of every dependency', () => {
  const named = new Set(rows.map(({ groups }) => groups?.gone?.split(':')[0]));
  assert.deepEqual([...named].sort(), [...DEPENDENCIES].sort());
});

for (const { groups: { gone = '', tests = '' } = {} } of rows)
  test(`the tests that are named for "${gone}" are there`, () => {
    for (const named of tests.split('; ')) {
      const [, file, name] = /^`([a-z/-]+)` (.+)$/.exec(named) ?? [];
      assert.ok(file && name, named);
      const path = resolve(FOLDER, `${file}.test.ts`);
      assert.ok(existsSync(path), `${file} does not exist`);
      assert.ok(readFileSync(path, 'utf8').includes(name), `${file} has no test that says "${name}"`);
    }
  });
