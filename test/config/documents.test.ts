import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { Ajv2020 } from 'ajv/dist/2020.js';
import fc from 'fast-check';
import { configMarkdown } from '../../src/config/document.ts';
import { editorSchemas } from '../../src/config/editor-schemas.ts';
import { formatProblems, type Report } from '../../src/config/problems.ts';
import { findNear } from '../../src/config/suggest.ts';
import { readYamlFile } from '../../src/config/yaml-file.ts';
import { temporaryDirectory, writeFiles } from './workbench.ts';

const noProblem: Report = ({ message }) => assert.fail(message);
const root = new URL('../../', import.meta.url).pathname;

test('docs/config.md and the schemas for editors are what the rows say', () => {
  for (const [file, text] of Object.entries({ 'docs/config.md': configMarkdown(), ...editorSchemas() }))
    assert.equal(readFileSync(`${root}${file}`, 'utf8'), text, `${file} is stale; run: npm run docs`);
});

test('docs/config.md says type, bounds, unit, default and reason', () => {
  const document = configMarkdown();
  assert.ok(document.includes('| `core.connectTimeoutMs` | 50 to 30000 ms | `2000` | until a connection stands'));
  assert.ok(document.includes('| `plans.NAME.rules.NAME(amount).maxFen` | 0 to 9007199254740991 fen | required |'));
  assert.ok(!/\| +\|\n/.test(document), 'every key has a reason');
});

const SHIPPED = [
  ['config/gateway.yaml', 'config/schemas/gateway.json'],
  ['config/plans.yaml', 'config/schemas/plans.json'],
  ['config/policy.yaml', 'config/schemas/policy.json'],
  ['config/merchants/800000000000001.yaml', 'config/schemas/merchant.json'],
] as const;
for (const [file, schema] of SHIPPED) {
  test(`${file} fits ${schema}, and names it for editors`, () => {
    const validate = new Ajv2020({ strict: false }).compile(JSON.parse(editorSchemas()[schema] as string));
    const source = readYamlFile(`${root}${file}`, noProblem);
    assert.ok(validate(source?.value), JSON.stringify(validate.errors));
    assert.equal(validate({ unheardOf: 1 }), false, 'the schema refuses something');
    assert.match(source?.content ?? '', /^# yaml-language-server: \$schema=(\.\.\/)?schemas\/\w+\.json\n/);
  });
}

test('JSON files are read strictly, with the same places', async (t) => {
  const directory = temporaryDirectory(t);
  await writeFiles(directory, { 'a.json': '{\n  "b": [1, {"c": "é"}]\n}', 'twice.json': '{\n  "é": 1, "é": 2 }' });
  const source = readYamlFile(`${directory}/a.json`, noProblem);
  assert.deepEqual(source?.value, { b: [1, { c: 'é' }] });
  assert.deepEqual(source?.problem(['b', 1, 'c'], 'x'), { file: `${directory}/a.json`, line: 2, column: 18, message: 'x' });
  assert.deepEqual(source?.problem(['b', 1, 'c'], 'x', 'key').column, 13);
  const told: { line: number; column: number }[] = [];
  assert.equal(
    readYamlFile(`${directory}/twice.json`, (problem) => told.push(problem)),
    undefined,
  );
  assert.equal(told[0]?.line, 2);
});

test('a problem is one line, whatever is in it', () => {
  assert.equal(formatProblems([{ file: '/x', line: 1, column: 2, message: 'a\nb\u2028c\u001b[31m' }]), '/x:1:2: a b c [31m');
});

test('suggestions: one letter added, taken or swapped is found; the word is always a known one', () => {
  const known = ['port', 'address', 'certificate', 'connectionsMax', 'headersTimeoutMs'];
  fc.assert(
    fc.property(fc.constantFrom(...known), fc.nat(), fc.constantFrom('drop', 'swap', 'add'), (word, at, kind) => {
      const index = at % (word.length - 1);
      const wrong =
        kind === 'drop'
          ? word.slice(0, index) + word.slice(index + 1)
          : kind === 'swap'
            ? word.slice(0, index) + word[index + 1] + word[index] + word.slice(index + 2)
            : `${word.slice(0, index)}z${word.slice(index)}`;
      assert.equal(findNear(wrong, known), word);
    }),
  );
  fc.assert(fc.property(fc.string(), (text) => [...known, undefined].includes(findNear(text, known))));
  assert.equal(findNear('colour', known), undefined);
});
