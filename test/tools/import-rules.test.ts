import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { globSync, mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join, relative, resolve } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { biomeConfig } from '../../tools/biome-config.ts';
import { LIB_WITH_PACKAGES, ROOMS } from '../../tools/import-rules.ts';

const PROJECT = resolve(import.meta.dirname, '..', '..');
const PACKAGES = [...new Set(Object.values(ROOMS).flatMap(({ packages }) => packages))];
const ROOM_NAMES = Object.keys(ROOMS);

const biome = createRequire(import.meta.url).resolve(`@biomejs/cli-${process.platform}-${process.arch}/biome`);

type Sample = { readonly file: string; readonly text: string; readonly refused: boolean; readonly why: string };

/** Every way of reaching a module that the language knows. */
const SPELLINGS: readonly (readonly [why: string, spell: (from: string) => string])[] = [
  ['a name', (from) => `import { x } from '${from}';\nx();\n`],
  ['a type', (from) => `import type { X } from '${from}';\nconst y: X = 1;\nconst z = y;\nz();\n`],
  ['a side effect', (from) => `import '${from}';\n`],
  ['passed on', (from) => `export { x } from '${from}';\n`],
  ['on demand', (from) => `await import('${from}');\n`],
];

/** The same folder under other paths, from src/ROOM. */
const PATHS: readonly (readonly [why: string, path: (room: string) => string])[] = [
  ['in a folder below', (room) => `../${room}/deep/module.ts`],
  ['by way of src', (room) => `../../src/${room}/module.ts`],
  ['from where one stands', (room) => `./../${room}/module.ts`],
];

function samplesOf(room: string): Sample[] {
  const { imports, packages } = ROOMS[room] as (typeof ROOMS)[string];
  const samples: Sample[] = [];
  const add = (text: string, refused: boolean, why: string, folder = '') =>
    samples.push({ file: join('src', room, folder, `sample-${samples.length}.ts`), text, refused, why: `${room}: ${why}` });
  const plain = (from: string): string => `import '${from}';\n`;
  for (const other of ROOM_NAMES.filter((name) => name !== room)) {
    const refused = !imports.includes(other);
    add(plain(`../${other}/module.ts`), refused, other);
    add(plain(`../../${other}/module.ts`), refused, `${other}, from a folder below`, 'deep');
  }
  for (const name of PACKAGES) {
    add(plain(name), !packages.includes(name), name);
    if (!name.startsWith('node:')) add(plain(`${name}/deep.js`), !packages.includes(name), `${name}, a part of it`);
  }
  const forbidden = ROOM_NAMES.find((name) => name !== room && !imports.includes(name));
  if (forbidden) {
    for (const [why, spell] of SPELLINGS) add(spell(`../${forbidden}/module.ts`), true, `${forbidden}, ${why}`);
    for (const [why, path] of PATHS) add(plain(path(forbidden)), true, `${forbidden}, ${why}`);
  }
  add(plain('./module.ts'), false, 'itself');
  add(plain('node:crypto'), false, 'Node');
  return samples;
}

describe('the linter refuses every import against the rows of the house, and no other', () => {
  const directory = mkdtempSync(join(tmpdir(), 'hufu-rules-'));
  after(() => rmSync(directory, { recursive: true }));
  const sdkFiles: Sample[] = LIB_WITH_PACKAGES.map((name) => ({
    file: join('src', 'sdk', `lib-${name}.ts`),
    text: `import '../lib/${name}.ts';\n`,
    refused: true,
    why: `sdk: lib/${name}.ts, which needs a package`,
  }));
  const samples = [...ROOM_NAMES.flatMap(samplesOf), ...sdkFiles];
  let refused: ReadonlySet<string>;

  before(() => {
    writeFileSync(join(directory, 'biome.json'), biomeConfig());
    for (const { file, text } of samples) {
      mkdirSync(dirname(join(directory, file)), { recursive: true });
      writeFileSync(join(directory, file), text);
    }
    const args = ['lint', '--only=style/noRestrictedImports', '--max-diagnostics=none', '--reporter=github'];
    const { stdout, stderr } = spawnSync(biome, args, { cwd: directory, encoding: 'utf8', maxBuffer: 64 * 1024 * 1024 });
    assert.match(stdout, /noRestrictedImports/, stderr);
    refused = new Set([...stdout.matchAll(/file=([^,]+),/g)].map(([, file]) => relative(realpathSync(directory), file as string)));
  });

  for (const room of ROOM_NAMES) {
    test(room, (t) => {
      const own = samples.filter(({ file }) => file.startsWith(join('src', room, '/')));
      t.diagnostic(`${own.length} imports, ${own.filter((sample) => sample.refused).length} of them refused`);
      assert.ok(own.length > 40);
      const wrong = own.filter((sample) => sample.refused !== refused.has(sample.file)).map((sample) => sample.why);
      assert.deepEqual(wrong, []);
    });
  }
});

test('every dependency has a home, and src imports no other package', () => {
  const { dependencies } = JSON.parse(readFileSync(join(PROJECT, 'package.json'), 'utf8')) as { dependencies: Record<string, string> };
  assert.deepEqual(
    Object.keys(dependencies).filter((name) => !PACKAGES.includes(name)),
    [],
  );
  const allowed = new Set([...Object.keys(dependencies), 'node:sqlite']);
  for (const file of globSync('src/**/*.ts', { cwd: PROJECT })) {
    const text = readFileSync(join(PROJECT, file), 'utf8');
    for (const [, name = ''] of text.matchAll(/(?:\bfrom |^import |\bimport\()['"]((?:@[^/'"]+\/)?[^./'"][^/'"]*)/gm))
      assert.ok(name.startsWith('node:') || allowed.has(name), `${file} imports ${name}`);
  }
});
