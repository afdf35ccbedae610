import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, test } from 'node:test';
import type { Command } from 'commander';
import { COMMANDS } from '../../src/cli/commands.ts';
import { ERROR_TABLE } from '../../src/protocol/error-table.ts';
import { findShellProblem } from '../../tools/shell-tools.ts';
import { PAGES, PROJECT, readBlocks, readPage } from './pages.ts';

/** GitHub's anchor of a heading. */
const anchorOf = (heading: string): string =>
  heading
    .trim()
    .toLowerCase()
    .replace(/[^\p{L}\p{N}\s_-]/gu, '')
    .replaceAll(' ', '-');

const anchorsOf = (page: string): Set<string> =>
  new Set([...page.matchAll(/^#+ (.*)$/gm)].map(([, heading]) => anchorOf(heading as string)));

const withoutBlocks = (page: string): string => page.replace(/^```[\s\S]*?^```$/gm, '');

describe('links between pages', () => {
  for (const file of PAGES) {
    test(file, () => {
      for (const [, target = ''] of withoutBlocks(readPage(file)).matchAll(/\]\(([^)\s]+)\)/g)) {
        if (/^https?:/.test(target)) continue;
        const [path = '', anchor] = target.split('#');
        const there = join(PROJECT, dirname(file), path);
        assert.ok(path === '' || existsSync(there), `${target}: there is no such file`);
        if (anchor === undefined) continue;
        const page = path === '' ? readPage(file) : readPage(join(dirname(file), path));
        assert.ok(anchorsOf(page).has(anchor), `${target}: there is no such heading`);
      }
    });
  }
});

/** The command lines `hufu ...` of a page: in blocks and in backticks, continued lines joined, up to what ends a command of the shell. */
function commandLines(page: string): string[] {
  const blocks = readBlocks(page).map(({ text }) => text.replace(/\s*\\\n\s*/g, ' '));
  const inline = [...withoutBlocks(page).matchAll(/`([^`\n]+)`/g)].map(([, text]) => text as string);
  const lines = [...blocks.flatMap((text) => text.split('\n')), ...inline];
  return lines.flatMap((line) => {
    const [, rest] = /(?:^|[\s;|&/])hufu(?:\.js)? ([a-z].*)$/.exec(line) ?? [];
    return rest === undefined ? [] : [(rest.split(/ [|>&;#]|;| 2>/)[0] as string).trim()];
  });
}

/** Words of a command line; quoted ones are one word without a dash in front. */
const wordsOf = (line: string): string[] => [...line.matchAll(/'[^']*'|"[^"]*"|\S+/g)].map(([word]) => word);

/** What is wrong with a command line, as far as names go; undefined when every name is known. */
async function findMistake(line: string): Promise<string | undefined> {
  const [name = '', ...words] = wordsOf(line);
  if (name === '--help' || name === 'COMMAND') return undefined;
  const row = COMMANDS.find((candidate) => candidate.name === name);
  if (!row) return `there is no command ${name}`;
  let command: Command = (await row.load()).createCommand();
  for (let depth = 0; command.commands.length > 0; depth += 1) {
    const word = words[depth];
    if (word === undefined || word.startsWith('-')) break;
    const child = command.commands.find((candidate) => candidate.name() === word);
    if (!child) return `${name} has no command ${words.slice(0, depth + 1).join(' ')}`;
    command = child;
  }
  const known = new Set([...command.options.map(({ long }) => long), '--help']);
  const unknown = words.filter((word) => word.startsWith('--')).find((word) => !known.has(word.split('=')[0] as string));
  return unknown && `${name} has no option ${unknown}`;
}

test('every command line in the pages is a known command with known options', async () => {
  let count = 0;
  for (const file of PAGES) {
    for (const line of commandLines(readPage(file))) {
      count += 1;
      assert.equal(await findMistake(line), undefined, `${file}: hufu ${line}`);
    }
  }
  assert.ok(count > 25, `only ${count} command lines were found`);
});

test('the check of command lines finds mistakes', async () => {
  const wrong: readonly (readonly [line: string, said: RegExp])[] = [
    ['cal GET /v1', /no command cal/],
    ['call GET /v1 --merchnt 1', /no option --merchnt/],
    ['journal verfy', /no command verfy/],
    ['journal verify --until-final', /no option --until-final/],
  ];
  for (const [line, said] of wrong) assert.match((await findMistake(line)) ?? '', said);
  assert.deepEqual(commandLines('```bash\nHUFU_DATA=x npx hufu call GET \\\n  /v1 --json | tee x\n```\nSee `hufu journal list`.'), [
    'call GET /v1 --json',
    'journal list',
  ]);
});

/** Codes of cores, of the fault switch and of Node; everything else in capitals with an underscore must be a refusal of ours. */
const OTHER_CODES =
  /^(INSUFFICIENT_FUNDS|ORDER_\w+|PAYER_\w+|ACCOUNT_\w+|AMOUNT_MISMATCH|EXECUTION_NOT_FOUND|OWN_BANK|NODE_EXTRA_CA_CERTS|HUFU_\w+|REDIS_\w+|[A-Z]+_\*)$/;

test('a missing tool is told with what to install', () => {
  assert.equal(findShellProblem(), undefined);
  const none = {
    programs: ['no-such-tool'],
    ask: [],
    fits: /./,
    wanted: 'no-such-tool 2',
    debian: ['no-such-package'],
    homebrew: ['none'],
  };
  assert.match(
    findShellProblem([none]) ?? '',
    /^tests run the pages of docs\/ and need no-such-tool 2 on the PATH: install it .*apt-get install no-such-package`/,
  );
});

test('every code in the pages is one of the table', () => {
  for (const file of PAGES.filter((page) => page !== 'docs/config.md')) {
    for (const [, code = ''] of withoutBlocks(readPage(file)).matchAll(/`(?:\d{3} )?([A-Z][A-Z]+_[A-Z_*]+)(?:=[^`]*)?`/g)) {
      if (OTHER_CODES.test(code)) continue;
      assert.ok(Object.hasOwn(ERROR_TABLE, code), `${file}: ${code} is no code of ours`);
    }
  }
});

test('what the operator guide says about the outcome of a failed dependency is what the table says', () => {
  const rows = [...readPage('docs/operator-guide.md').matchAll(/^\| [^|]+ \| (\d{3}) `([A-Z_]+)`[^|]* \| `(\w+)`([^|]*)\|/gm)];
  assert.ok(rows.length >= 8, `only ${rows.length} rows`);
  for (const [, status, code = '', outcome] of rows) {
    const row = ERROR_TABLE[code as keyof typeof ERROR_TABLE];
    assert.deepEqual([status, outcome], [String(row.status), row.outcome], code);
  }
});

describe('decision records name context, decision and scenario', () => {
  const records = PAGES.filter((file) => file.startsWith('docs/decisions/'));
  assert.ok(records.length >= 5);
  for (const file of records) {
    test(file, () => {
      const page = readPage(file);
      const number = /\/(\d{4})-/.exec(file)?.[1] ?? '';
      const namesakes = records.filter((other) => other.includes(`/${number}-`));
      assert.ok(namesakes.length === 1 && page.startsWith(`# ${number}: `), 'a number of its own');
      assert.ok(readPage('README.md').includes(`(${file})`), 'linked from README.md');
      for (const heading of ['Context', 'Decision', 'Scenario']) assert.match(page, new RegExp(`^## ${heading}$`, 'm'));
      for (const [, path = ''] of page.matchAll(/`(src\/[^`]+)`/g)) assert.ok(existsSync(join(PROJECT, path)), path);
    });
  }
});
