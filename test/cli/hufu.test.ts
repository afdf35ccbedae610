import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { COMMANDS } from '../../src/cli/commands.ts';
import { EXIT } from '../../src/cli/exit.ts';
import { runHufu as runBin } from '../support/process.ts';
import { runHufu } from './run-hufu.ts';
import { findOlderNode, PROJECT } from './site.ts';

const older = findOlderNode();
const ROWS: readonly (readonly [args: string[], code: number, stdout: RegExp, stderr: RegExp])[] = [
  [['--version'], EXIT.ok, /^\d+\.\d+\.\d+\n$/, /^$/],
  [['chek'], EXIT.wrongUse, /^$/, /^hufu: unknown command 'chek'\n\(Did you mean check\?\)\n$/],
  [['check', '--config', '/tmp/hufu-nowhere.yaml'], EXIT.refused, /^$/, /^hufu: \S*hufu-nowhere\.yaml: there is no such file\n$/],
];

describe('bin/hufu.js under an older Node', { skip: !older && 'there is no older Node on the PATH' }, () => {
  for (const [args, code, stdout, stderr] of ROWS) {
    test(`finds the project's own, and passes on exit status ${code}`, async () => {
      const ran = await runBin(args, {}, { command: [older as string, join(PROJECT, 'bin', 'hufu.js')] });
      assert.equal(ran.code, code);
      assert.match(ran.stdout, stdout);
      assert.match(ran.stderr, stderr);
    });
  }

  test('without the package it says what to do', (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'hufu-bin-'));
    t.after(() => rmSync(folder, { recursive: true }));
    mkdirSync(join(folder, 'bin'));
    copyFileSync(join(PROJECT, 'bin', 'hufu.js'), join(folder, 'bin', 'hufu.js'));
    copyFileSync(join(PROJECT, 'package.json'), join(folder, 'package.json'));
    const { status, stderr } = spawnSync(older as string, [join(folder, 'bin', 'hufu.js'), 'up'], { encoding: 'utf8' });
    assert.match(stderr, /^hufu: needs Node 26, found v\d+\.\d+\.\d+; run `npm ci` in the project, or install Node 26\n$/);
    assert.equal(status, EXIT.refused);
  });
});

describe('every command', () => {
  // `journal` has commands of its own.
  const lines = [...COMMANDS.map(({ name }) => [name]), ['journal', 'verify'], ['journal', 'list']];
  for (const line of lines) {
    test(`hufu ${line.join(' ')} --help has examples or options, and exits 0`, async () => {
      const { code, stdout, stderr } = await runHufu([...line, '--help']);
      assert.deepEqual([code, stderr], [EXIT.ok, '']);
      assert.match(stdout, new RegExp(`^Usage: hufu ${line.join(' ')}`));
      if (line.length === 1) assert.match(stdout, new RegExp(`^Examples:\\n {2}hufu ${line[0]}`, 'm'));
    });
  }

  const WRONG: readonly (readonly [args: string[], said: RegExp])[] = [
    [['up', '--port', '1'], /^hufu: unknown option '--port'/],
    [['up', 'now'], /^hufu: too many arguments/],
    [['gateway', '--profile', 'staging'], /^hufu: --profile: expected development or production, found "staging"\n$/],
    [['gateway', '--data'], /^hufu: option '--data <directory>' argument missing\n$/],
    [['core', '--port', '70000'], /^hufu: --port or HUFU_PORT_CORE: expected a port 0 to 65535, found "70000"\n$/],
    [['check', '--profile', ''], /^hufu: --profile: expected development or production, found ""\n$/],
    [['journal', 'verfy'], /^hufu: unknown command 'verfy'\n\(Did you mean verify\?\)\n$/],
    [['journal', 'verify', 'all'], /^hufu: too many arguments/],
  ];
  for (const [args, said] of WRONG) {
    test(`wrong use: hufu ${args.join(' ')}`, async () => {
      const { code, stdout, stderr } = await runHufu(args);
      assert.match(stderr, said);
      assert.deepEqual([code, stdout], [EXIT.wrongUse, '']);
    });
  }
});
