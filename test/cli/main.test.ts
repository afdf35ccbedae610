import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { CommanderError } from 'commander';
import { COMMANDS } from '../../src/cli/commands.ts';
import { describeFailure, EXIT, WrongUse } from '../../src/cli/exit.ts';
import { UserError } from '../../src/lib/user-error.ts';
import { PROJECT, runHufu } from './run-hufu.ts';

describe('hufu', () => {
  test('--help lists every command', async () => {
    const { code, stdout } = await runHufu(['--help']);
    assert.equal(code, EXIT.ok);
    for (const { name } of COMMANDS) assert.match(stdout, new RegExp(`^  ${name} `, 'm'));
  });
  test('--version is that of the package', async () => {
    const { version } = JSON.parse(readFileSync(join(PROJECT, 'package.json'), 'utf8')) as { version: string };
    const { code, stdout } = await runHufu(['--version']);
    assert.deepEqual([code, stdout], [EXIT.ok, `${version}\n`]);
  });
  const wrong: readonly [args: string[], said: RegExp][] = [
    [['cal'], /^hufu: unknown command 'cal'\n\(Did you mean call\?\)\n$/],
    [[], /Usage: hufu/],
    [['call', 'GET', '/v1/x', '--merchant', '1', '--nope'], /^hufu: unknown option '--nope'/],
    [['call', 'GET', '--merchant', '1'], /^hufu: missing required argument 'path'/],
    [['call', 'GET', '/v1/x'], /^hufu: required option '--merchant <number>' not specified/],
  ];
  for (const [args, said] of wrong) {
    test(`wrong use: hufu ${args.join(' ')}`, async () => {
      const { code, stdout, stderr } = await runHufu(args);
      assert.deepEqual([code, stdout], [EXIT.wrongUse, '']);
      assert.match(stderr, said);
    });
  }
});

test('every command loads, says what it does, and has an example or options', async () => {
  for (const { name, load } of COMMANDS) {
    const { createCommand } = await load();
    const command = createCommand();
    assert.equal(command.name(), name);
    assert.notEqual(command.description(), '', name);
  }
});

describe('failures', () => {
  const cases: readonly [error: unknown, text: RegExp, exitCode: number, why: string][] = [
    [
      new UserError('the file x is missing: make it'),
      /^hufu: the file x is missing: make it\n$/,
      1,
      'something the user can mend is one line',
    ],
    [
      new UserError('a.yaml:1:2: x\nb.yaml:3:4: y'),
      /^hufu: a\.yaml:1:2: x\nhufu: b\.yaml:3:4: y\n$/,
      1,
      'several problems are several lines',
    ],
    [new WrongUse('--at is a time'), /^hufu: --at is a time\n$/, 2, 'wrong use found later'],
    [new CommanderError(0, 'commander.helpDisplayed', ''), /^$/, 0, 'help is no failure'],
    [new CommanderError(1, 'commander.unknownOption', ''), /^$/, 2, 'commander has said it already'],
    [
      new TypeError('x is not a function'),
      /a fault in hufu itself[\s\S]*TypeError: x is not a function\n {4}at /,
      1,
      'a fault of ours shows its stack',
    ],
    ['thrown text', /thrown text/, 1, 'whatever was thrown'],
  ];
  for (const [error, text, exitCode, why] of cases) {
    test(why, () => {
      const failure = describeFailure(error);
      assert.match(failure.text, text);
      assert.equal(failure.exitCode, exitCode);
    });
  }
});
