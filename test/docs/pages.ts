import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, globSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { findShellProblem } from '../../tools/shell-tools.ts';
import { cleanEnvironment } from '../support/process.ts';

export const PROJECT = resolve(import.meta.dirname, '..', '..');

/** Every page for people, relative to the project. */
export const PAGES: readonly string[] = [
  ...['README.md', 'CHANGELOG.md', 'CONTRIBUTING.md', 'SECURITY.md'].filter((file) => existsSync(join(PROJECT, file))),
  ...globSync('docs/**/*.md', { cwd: PROJECT }).sort(),
];

export type Block = { readonly language: string; readonly text: string };

export const readPage = (file: string): string => readFileSync(join(PROJECT, file), 'utf8');

/** Fenced code blocks of a page, in order. */
export function readBlocks(page: string): Block[] {
  return [...page.matchAll(/^```(\w*)\n([\s\S]*?)^```$/gm)].map(([, language = '', text = '']) => ({ language, text }));
}

/** The bash blocks of a page as one program. */
export const bashOf = (page: string): string =>
  readBlocks(page)
    .filter(({ language }) => language === 'bash')
    .map(({ text }) => text)
    .join('\n');

/** Throws the sentence that says what to install when a tool of the pages is missing. */
export function checkTools(): void {
  const problem = findShellProblem();
  if (problem !== undefined) throw new Error(problem);
}

export type Ran = { readonly code: number | null; readonly output: string };

/** What a page starts in the background ends with it, also after a failure half-way. */
const END_ALL = `trap 'jobs -p | xargs -r kill 2> /dev/null || true; wait' EXIT`;

/** Until a page must have ended, ms; a few times what the longest needs. */
const PAGE_MS = 90_000;

/**
 * Runs a program of bash in the clone, as a reader would paste it, but stops at the first command that fails. Output and errors
 * together. A page that does not end is ended with everything it started, which is its process group.
 */
export async function runBash(program: string, environment: NodeJS.ProcessEnv): Promise<Ran> {
  const child = spawn('bash', ['-euo', 'pipefail', '-c', `exec 2>&1\n${END_ALL}\n${program}`], {
    cwd: PROJECT,
    env: cleanEnvironment({ npm_config_loglevel: 'error', ...environment }),
    stdio: ['ignore', 'pipe', 'ignore'],
    detached: true,
  });
  let output = '';
  child.stdout.on('data', (chunk: Buffer) => {
    output += chunk.toString();
  });
  const late = setTimeout(() => child.pid !== undefined && process.kill(-child.pid, 'SIGKILL'), PAGE_MS);
  const [code] = (await once(child, 'close')) as [number | null];
  clearTimeout(late);
  return { code, output };
}
