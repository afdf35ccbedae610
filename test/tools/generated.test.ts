import assert from 'node:assert/strict';
import { type SpawnSyncReturns, spawnSync } from 'node:child_process';
import { appendFileSync, cpSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { describe, type TestContext, test } from 'node:test';

const PROJECT = resolve(import.meta.dirname, '..', '..');
const DOCUMENTS = [
  'docs/errors.md',
  'docs/config.md',
  'config/schemas/gateway.json',
  'config/schemas/merchant.json',
  'config/schemas/plans.json',
  'config/schemas/x-hufu.json',
];

/** A copy of what is generated, where it may be spoiled. Tools read and write where they are started. */
function copyOf(t: TestContext, ...names: string[]): string {
  const folder = mkdtempSync(join(tmpdir(), 'hufu-generated-'));
  t.after(() => rmSync(folder, { recursive: true }));
  for (const name of names) cpSync(join(PROJECT, name), join(folder, name), { recursive: true });
  return folder;
}

const run = (tool: string, cwd: string, ...args: string[]): SpawnSyncReturns<string> =>
  spawnSync(process.execPath, [join(PROJECT, 'tools', tool), ...args], { cwd, encoding: 'utf8' });

describe('tools/docs.ts', () => {
  test('is silent when everything is current', (t) => {
    const { status, stdout, stderr } = run('docs.ts', copyOf(t, 'docs', 'config'));
    assert.deepEqual([status, stdout, stderr], [0, '', '']);
  });

  test('names each document that is stale or missing, and fails; --write mends it', (t) => {
    const folder = copyOf(t, 'docs', 'config');
    appendFileSync(join(folder, 'docs', 'errors.md'), '| `NEW` | 418 |\n');
    rmSync(join(folder, 'config', 'schemas', 'plans.json'));
    const stale = run('docs.ts', folder);
    assert.equal(stale.status, 1);
    assert.equal(stale.stderr, 'docs: not what their tables say: docs/errors.md, config/schemas/plans.json; run `npm run docs`.\n');
    const written = run('docs.ts', folder, '--write');
    assert.deepEqual([written.status, written.stdout], [0, 'docs: wrote docs/errors.md\ndocs: wrote config/schemas/plans.json\n']);
    for (const name of DOCUMENTS) assert.equal(readFileSync(join(folder, name), 'utf8'), readFileSync(join(PROJECT, name), 'utf8'), name);
    assert.equal(run('docs.ts', folder).status, 0);
  });
});

test('tools/lint.ts fails when biome.json is not what the import rows say', (t) => {
  const folder = copyOf(t, 'biome.json');
  const text = readFileSync(join(folder, 'biome.json'), 'utf8');
  assert.ok(text.includes('"**/pipeline/**"'));
  rmSync(join(folder, 'biome.json'));
  appendFileSync(join(folder, 'biome.json'), text.replace('"**/pipeline/**"', '"**/nothing/**"'));
  const { status, stderr } = run('lint.ts', folder);
  assert.deepEqual(
    [status, stderr],
    [1, 'lint: biome.json is not what tools/biome-config.ts makes of its tables; run `npm run format`.\n'],
  );
});
