// `npm test`: formatting and lint, types, generated documents, then every test. Stops at the first part that fails.
import { spawnSync } from 'node:child_process';
import { globSync, readFileSync } from 'node:fs';
import { styleText } from 'node:util';
import { ensureLanguageTools } from './language-tools.ts';
import { ensureNode20 } from './node-20.ts';
import { ensureRedisServer } from './redis-server.ts';
import { ensureShellTools } from './shell-tools.ts';

/** Every test by name, with what failed. */
const REPORT = 'test-report.txt';
const only = process.argv.slice(2);
const node = process.execPath;
const parts: readonly (readonly [string, string[]])[] = [
  ['formatting, lint and import rules', ['tools/lint.ts']],
  ['types', ['node_modules/typescript/bin/tsc', '--noEmit']],
  ['generated documents', ['tools/docs.ts']],
];

/** The figures of a whole run, as node's own reporter closes it. */
function printFigures(): void {
  const lines = readFileSync(REPORT, 'utf8').split('\n');
  console.log(lines.filter((line) => /^ℹ (tests|suites|pass|fail|cancelled|skipped|todo|duration_ms) /.test(line)).join('\n'));
}

function run(title: string, args: string[], afterwards = () => {}): void {
  const startedMs = performance.now();
  console.log(styleText('bold', `# ${title}`));
  const { status, signal } = spawnSync(node, args, { stdio: 'inherit' });
  afterwards();
  if (status !== 0) {
    console.error(`npm test: ${title} failed (${signal ?? `exit status ${status}`})`);
    process.exit(1);
  }
  console.log(`  ok, ${((performance.now() - startedMs) / 1000).toFixed(1)} s`);
}

if (only.length === 0) for (const [title, args] of parts) run(title, args);
// Redis is a real one. It is found or installed before the first test, so that no test is ever skipped for want of it.
if (!process.env.REDIS_URL) ensureRedisServer();
ensureShellTools();
if (only.length === 0 || only.some((file) => file.includes('examples'))) ensureLanguageTools();
if (only.length === 0 || only.some((file) => file.includes('consumers'))) ensureNode20();
const files = only.length > 0 ? only : globSync('test/**/*.test.ts').sort();
const reporters = [
  '--test-reporter=dot',
  '--test-reporter-destination=stdout',
  '--test-reporter=spec',
  `--test-reporter-destination=${REPORT}`,
];
const args = ['--test', '--test-concurrency=2', '--test-timeout=180000', ...reporters, ...files];
run(`${files.length} test files, each test by name in ${REPORT}`, args, printFigures);
