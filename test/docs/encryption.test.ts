import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { type System, startSystem } from '../support/system.ts';
import { readPage } from './pages.ts';

const PROJECT = join(import.meta.dirname, '..', '..');
const blocks = [...readPage('docs/encryption.md').matchAll(/```js\n([\s\S]*?)```/g)].map(([, code]) => code as string);

/** Every block in JavaScript, as a reader would paste it, against a running system. */
describe('docs/encryption.md', { timeout: 60_000 }, () => {
  let system: System;
  let directory: string;
  before(async () => {
    system = await startSystem();
    directory = mkdtempSync(join(PROJECT, 'node_modules', '..', 'test', 'docs', '.page-'));
    symlinkSync(system.pki.directory, join(directory, 'certs'));
  });
  after(async () => {
    rmSync(directory, { recursive: true, force: true });
    await system?.dispose();
  });

  const run = async (code: string): Promise<string[]> => {
    const sdk = pathToFileURL(join(PROJECT, 'src', 'sdk', 'index.ts')).href;
    const text = code.replace("'hufu-sdk'", `'${sdk}'`).replace('https://localhost:8443', system.gateways[0]?.url ?? '');
    writeFileSync(join(directory, 'page.mjs'), text);
    const { stdout } = await promisify(execFile)(process.execPath, ['page.mjs'], { cwd: directory, timeout: 30_000 });
    return stdout.trimEnd().split('\n');
  };

  test('the block with jose runs', async () => assert.deepEqual(await run(blocks[0] as string), ['true']));

  test('the block with the SDK runs and prints what it says', async () => {
    const said = [...(blocks[1] as string).matchAll(/console\.log\(.*\); \/\/ (.*)$/gm)].map(([, words]) => words);
    assert.equal(said.length, 4);
    assert.deepEqual(await run(blocks[1] as string), said);
  });
});
