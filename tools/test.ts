// `npm test`: formatting and lint, types, generated documents, then every test. Stops at the first part that fails.
import { spawnSync } from 'node:child_process';
import { globSync } from 'node:fs';
import { styleText } from 'node:util';
import { ensureRedisServer } from './redis-server.ts';
import { ensureShellTools } from './shell-tools.ts';

const only = process.argv.slice(2);
const node = process.execPath;
const parts: readonly (readonly [string, string[]])[] = [
  ['formatting, lint and import rules', ['tools/lint.ts']],
  ['types', ['node_modules/typescript/bin/tsc', '--noEmit']],
  ['generated documents', ['tools/docs.ts']],
];

function run(title: string, args: string[]): void {
  const startedMs = performance.now();
  console.log(styleText('bold', `# ${title}`));
  const { status, signal } = spawnSync(node, args, { stdio: 'inherit' });
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
const files = only.length > 0 ? only : globSync('test/**/*.test.ts').sort();
run(`${files.length} test files`, [
  '--test',
  '--test-concurrency=2',
  '--test-timeout=180000',
  '--test-reporter=dot',
  '--test-reporter-destination=stdout',
  '--test-reporter=spec',
  '--test-reporter-destination=test-report.txt',
  ...files,
]);
