import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

export const PROJECT = resolve(dirname(fileURLToPath(import.meta.url)), '..', '..');

/** Compiled once for all runs of a test file: starting is most of what a command costs. */
const compileCache = mkdtempSync(join(tmpdir(), 'hufu-compile-'));
process.once('exit', () => rmSync(compileCache, { recursive: true, force: true }));

export type Ran = { readonly code: number | null; readonly stdout: string; readonly stderr: string };

export type RunOptions = {
  readonly cwd?: string;
  readonly environment?: NodeJS.ProcessEnv;
  readonly input?: string;
};

/** Runs the command line in a process of its own, without the caller's HUFU_ variables, and waits for its end. */
export function runHufu(args: readonly string[], { cwd = PROJECT, environment = {}, input = '' }: RunOptions = {}): Promise<Ran> {
  const inherited = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('HUFU_')));
  const child = spawn(process.execPath, [join(PROJECT, 'src', 'main.ts'), ...args], {
    cwd,
    env: { ...inherited, NO_COLOR: '1', FORCE_COLOR: undefined, NODE_COMPILE_CACHE: compileCache, ...environment },
  });
  const [out, err]: [string[], string[]] = [[], []];
  child.stdout.setEncoding('utf8').on('data', (text: string) => out.push(text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => err.push(text));
  child.stdin.on('error', () => undefined).end(input); // a command that reads nothing may end first
  return new Promise((done) => child.on('close', (code) => done({ code, stdout: out.join(''), stderr: err.join('') })));
}
