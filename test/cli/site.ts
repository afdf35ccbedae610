import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, globSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { delimiter, join, resolve } from 'node:path';
import { makePki } from '../support/pki.ts';
import { cleanEnvironment, type Finished, freePorts } from '../support/process.ts';

export const PROJECT = resolve(import.meta.dirname, '..', '..');

/** Compiled once for all runs of a test file: starting is most of what a command costs. */
const compileCache = mkdtempSync(join(tmpdir(), 'hufu-compile-'));
process.once('exit', () => rmSync(compileCache, { recursive: true, force: true }));

export type Ports = { readonly internet: number; readonly status: number; readonly core: number };

/** A place for one copy of the product: directories and ports of its own. */
export type Site = {
  readonly directory: string;
  readonly data: string;
  readonly certificates: string;
  readonly ports: Ports;
  readonly environment: NodeJS.ProcessEnv;
  readonly dispose: () => void;
};

/** `withCertificates` saves the time that making them takes. */
export async function makeSite({ withCertificates = true }: { withCertificates?: boolean } = {}): Promise<Site> {
  const directory = mkdtempSync(join(tmpdir(), 'hufu-site-'));
  const pki = withCertificates ? await makePki() : undefined;
  const [internet = 0, status = 0, core = 0] = await freePorts(3);
  const [data, certificates] = [join(directory, 'data'), pki?.directory ?? join(directory, 'certs')];
  return {
    directory,
    data,
    certificates,
    ports: { internet, status, core },
    environment: {
      NODE_COMPILE_CACHE: compileCache,
      HUFU_DATA: data,
      HUFU_CERTS: certificates,
      HUFU_PORT_INTERNET: String(internet),
      HUFU_PORT_STATUS: String(status),
      HUFU_PORT_CORE: String(core),
    },
    dispose: () => {
      rmSync(directory, { recursive: true, force: true });
      pki?.dispose();
    },
  };
}

/** Ids of the processes that have a path in their command line; the core of a copy has its ledger there. */
export function processesWith(path: string): number[] {
  if (!existsSync('/proc/self/cmdline')) return [];
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .filter((name) => commandLine(name).includes(path))
    .map(Number);
}

function commandLine(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8');
  } catch {
    return ''; // ended meanwhile
  }
}

/** Fails unless no process of the copy is left and all its ports can be had again. */
export async function checkGone({ data, ports }: Site, except: readonly number[] = []): Promise<void> {
  assert.deepEqual(processesWith(data), []);
  for (const port of Object.values(ports).filter((candidate) => !except.includes(candidate))) {
    const server = createServer().listen(port, '127.0.0.1');
    await once(server, 'listening');
    server.close();
    await once(server, 'close');
  }
}

/** Every file below the directories, with a hash of what is in it. */
export function hashesOf(...directories: string[]): Record<string, string> {
  const files = directories.flatMap((directory) => globSync(join(directory, '**/*'))).filter((file) => statSync(file).isFile());
  return Object.fromEntries(files.sort().map((file) => [file, createHash('sha256').update(readFileSync(file)).digest('hex')]));
}

/** The call that `hufu up` prints for pasting. */
export function printedCall(stdout: string): string {
  const [, call] = /^Try, in another shell:\n {2}(.+)$/m.exec(stdout) ?? [];
  assert.ok(call, stdout);
  return call;
}

/** The same call without npx in between, which only takes time. */
export const directCall = (stdout: string): string => printedCall(stdout).replace('npx hufu', 'node bin/hufu.js');

/** Runs a line in a shell, in the project, with nothing set but what every user has, as one who pastes it. */
export async function paste(line: string): Promise<Finished> {
  const path = [join(PROJECT, 'node_modules', '.bin'), process.env.PATH].join(delimiter);
  const shell = spawn('sh', ['-c', line], {
    cwd: PROJECT,
    env: cleanEnvironment({ PATH: path, NODE_COMPILE_CACHE: compileCache }),
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const text = { stdout: '', stderr: '' };
  shell.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    text.stdout += chunk;
  });
  shell.stderr.setEncoding('utf8').on('data', (chunk: string) => {
    text.stderr += chunk;
  });
  const [code] = (await once(shell, 'close')) as [number | null];
  return { code, ...text };
}

/** A Node older than ours on the PATH, as a system may have one; undefined when there is none. */
export function findOlderNode(): string | undefined {
  const folders = (process.env.PATH ?? '').split(delimiter).filter((folder) => folder !== '' && !folder.includes('node_modules'));
  return folders
    .map((folder) => join(folder, 'node'))
    .filter((file) => existsSync(file))
    .find((file) => Number(/^v(\d+)/.exec(spawnSync(file, ['--version'], { encoding: 'utf8' }).stdout)?.[1]) < 26);
}
