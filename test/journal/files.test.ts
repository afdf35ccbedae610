import assert from 'node:assert/strict';
import { mkdir, readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { syncDirectory, writeFileAtomic } from '../../src/lib/files.ts';
import { temporaryDirectory } from './support.ts';

test('a file is replaced whole, for its owner only, and leaves nothing beside it', async (t) => {
  const directory = await temporaryDirectory(t);
  const path = join(directory, 'file');
  await writeFileAtomic(path, 'first, and longer');
  await writeFileAtomic(path, Buffer.from('second'));
  assert.equal(await readFile(path, 'utf8'), 'second');
  assert.equal((await stat(path)).mode & 0o777, 0o600);
  assert.deepEqual(await readdir(directory), ['file']);
  await syncDirectory(directory);
});

test('a replacement that fails leaves the old file and nothing beside it', async (t) => {
  const directory = await temporaryDirectory(t);
  await mkdir(join(directory, 'folder', 'inside'), { recursive: true });
  await assert.rejects(writeFileAtomic(join(directory, 'folder'), 'x'));
  assert.deepEqual(await readdir(directory), ['folder']);
  await assert.rejects(writeFileAtomic(join(directory, 'absent', 'file'), 'x'), { code: 'ENOENT' });
});
