import assert from 'node:assert/strict';
import { globSync, readFileSync, symlinkSync } from 'node:fs';
import { basename, join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { PROJECT, readBlocks } from '../docs/pages.ts';
import { type System, startSystem } from '../support/system.ts';
import { type Consumer, createConsumer, runFile } from './consumer.ts';

/** Each page of docs/sdk/ as one program, against a running gateway: its `js` blocks print what its `text` blocks show. */
describe('docs/sdk/', { timeout: 120_000 }, () => {
  const pages = globSync('docs/sdk/*.md', { cwd: PROJECT }).sort();
  let system: System;
  let consumer: Consumer;
  before(async () => {
    system = await startSystem();
    consumer = createConsumer();
    symlinkSync(system.pki.directory, join(consumer.folder, 'certs'));
  });
  after(async () => {
    consumer?.dispose();
    await system?.dispose();
  });

  /** What is shown, as a pattern: `...` stands for what differs from run to run, within a line. */
  const patternOf = (shown: string): RegExp =>
    new RegExp(`^${shown.replace(/[\\^$*+?()[\]{}|.]/g, '\\$&').replaceAll('\\.\\.\\.', '[^\\n]*')}$`);

  test('there is a page for each task, linked from docs/sdk.md', () => {
    const front = readFileSync(join(PROJECT, 'docs', 'sdk.md'), 'utf8');
    assert.ok(pages.length >= 4);
    for (const page of pages) assert.ok(front.includes(`(sdk/${basename(page)})`), page);
  });

  for (const page of pages) {
    test(page, async () => {
      const blocks = readBlocks(readFileSync(join(PROJECT, page), 'utf8'));
      assert.deepEqual(new Set(blocks.map(({ language }) => language)), new Set(['js', 'text']));
      const textOf = (language: string) => blocks.filter((block) => block.language === language).map(({ text }) => text);
      const { host } = new URL(system.gateways[0]?.url ?? '');
      const file = consumer.write(`${basename(page, '.md')}.mjs`, textOf('js').join('\n').replaceAll('localhost:8443', host));
      const printed = await runFile(process.execPath, file, { cwd: consumer.folder });
      assert.match(printed.replaceAll(host, 'localhost:8443'), patternOf(textOf('text').join('')));
    });
  }
});
