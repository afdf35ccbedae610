import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { freePorts, type Running, startHufu } from '../support/process.ts';
import { bashOf, checkTools, PROJECT, readBlocks, readPage, runBash } from './pages.ts';

const readme = readPage('README.md');
const [banner = '', answer = ''] = readBlocks(readme)
  .filter(({ language }) => language === 'text')
  .map(({ text }) => text);

/** What differs from one machine and run to the next. */
const masked = (text: string): string =>
  text
    .replace(/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/g, 'REQUEST_ID')
    .replace(/[0-9a-f]{32}/g, 'ORDER')
    .replace(/\d{4}-\d{2}-\d{2}T[\d:.]+\+08:00/g, 'TIME');

/** What `npm start` prints, and the commands to paste, against what the page shows. */
describe('README.md', { timeout: 120_000 }, () => {
  let directory: string;
  let environment: NodeJS.ProcessEnv;
  let up: Running;
  let ports: [string, string, string];
  before(async () => {
    checkTools();
    directory = mkdtempSync(join(tmpdir(), 'hufu-readme-'));
    ports = (await freePorts(3)).map(String) as [string, string, string];
    const [internet, core, status] = ports;
    environment = { HUFU_PORT_INTERNET: internet, HUFU_PORT_CORE: core, HUFU_PORT_STATUS: status, HUFU_CERTS: join(directory, 'certs') };
    up = await startHufu(['up', '--data', join(directory, 'data')], environment, /^ready$/m);
  });
  after(async () => {
    await up?.end('SIGTERM');
    rmSync(directory, { recursive: true, force: true });
  });

  test('npm start is hufu up, npm test the test runner', () => {
    const { scripts } = JSON.parse(readFileSync(join(PROJECT, 'package.json'), 'utf8')) as { scripts: Record<string, string> };
    assert.equal(scripts.start, 'node bin/hufu.js up');
    assert.equal(scripts.test, 'node tools/test.ts');
    for (const command of ['npm ci && npm start', 'npm ci && npm test']) assert.ok(readme.includes(`\n    ${command} `), command);
  });

  test('it prints what the page shows', () => {
    const [internet, core, status] = ports;
    const printed = up
      .stdout()
      .slice(up.stdout().indexOf('  merchants '))
      .replaceAll(join(directory, 'data'), 'DATA')
      .replace(`HUFU_PORT_INTERNET=${internet} HUFU_CERTS=${join(directory, 'certs')} `, '')
      .replace(`:${internet}\n`, ':8443\n')
      .replace(`:${core}\n`, ':7001\n')
      .replace(`:${status}/`, ':9100/');
    assert.equal(printed, banner);
  });

  test('the call of the page gives the answer of the page', async () => {
    const command = /^ {2}(npx hufu call .*)$/m.exec(banner)?.[1] ?? '';
    const { code, output } = await runBash(`${command} 2> /dev/null`, environment);
    assert.equal(code, 0, output);
    assert.equal(masked(output), masked(answer));
  });

  const refusals = bashOf(readme).trim().split('\n');
  test('there are three refusals to try', () => assert.equal(refusals.length, 3));
  for (const line of refusals) {
    const [, command = '', status = '', refusal = ''] = /^(.*?) +# (\d{3}) ([A-Z_]+)$/.exec(line) ?? [];
    test(`${status} ${refusal}, and it verifies`, async () => {
      const { code, output } = await runBash(command, environment);
      assert.equal(code, 1, output);
      assert.match(output, new RegExp(`^HTTP ${status} {2}verified$`, 'm'));
      assert.match(output, new RegExp(`^code +${refusal}$`, 'm'));
    });
  }
});
