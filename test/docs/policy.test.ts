import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { parse } from 'yaml';
import { POLICY } from '../../src/config/policy-schema.ts';
import { runHufu } from '../cli/run-hufu.ts';
import { makePki, type Pki } from '../support/pki.ts';
import { PROJECT, readBlocks, readPage } from './pages.ts';

const page = readPage('docs/policy.md');
const blocks = readBlocks(page);
const policy = POLICY.parse(parse(readPage('config/policy.yaml')));

/** The commands of the page, against what it says that they print; its table against the shipped rules. */
describe('docs/policy.md', { timeout: 60_000 }, () => {
  let pki: Pki;
  let data: string;
  before(async () => {
    pki = await makePki();
    data = mkdtempSync(join(tmpdir(), 'hufu-policy-'));
  });
  after(() => {
    rmSync(data, { recursive: true, force: true });
    pki?.dispose();
  });

  const run = (line: string) => {
    const environment = { HUFU_CONFIG: join(PROJECT, 'config', 'gateway.yaml'), HUFU_CERTS: pki.directory, HUFU_DATA: data };
    return runHufu(line.trim().split(' ').slice(2), { environment });
  };

  test('each command prints what the page shows', async () => {
    const commands = blocks.flatMap(({ language, text }, at) => (language === 'sh' ? [[text, blocks[at + 1]?.text ?? ''] as const] : []));
    assert.equal(commands.length, 2);
    for (const [line, said] of commands) {
      const { code, stdout, stderr } = await run(line);
      assert.equal(stdout, said, stderr);
      assert.equal(code, said.includes('Refused') ? 1 : 0);
    }
  });

  test('the same for programs, and the table of rules', async () => {
    const explain = 'npx hufu policy explain --merchant 800000000000001 --operation orders.get --channel internet --json';
    const { stdout } = await run(explain);
    const { rule, allowed, controls } = JSON.parse(stdout) as Record<string, unknown>;
    assert.deepEqual([rule, allowed, controls], ['P7', true, []]);
    const shown = await run('npx hufu policy show');
    for (const { id } of policy.rules) assert.match(shown.stdout, new RegExp(`^${id} `, 'm'));
    const wrong = await run(explain.replace('internet', 'lan'));
    assert.deepEqual([wrong.code, wrong.stdout], [2, '']);
  });

  test('the table has every shipped rule, in its order; the rule of the page is the shipped one', () => {
    const ids = [...page.matchAll(/^\| (P\d) \|/gm)].map(([, id]) => id);
    assert.deepEqual(
      ids,
      policy.rules.map(({ id }) => id),
    );
    const [shown] = parse(blocks.find(({ text }) => text.startsWith('- id: P4'))?.text ?? '') as [object];
    const { description: _, ...p4 } = policy.rules.find(({ id }) => id === 'P4') ?? {};
    assert.deepEqual(shown, p4);
  });
});
