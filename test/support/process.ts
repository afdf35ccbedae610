import { type ChildProcess, spawn } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { resolve } from 'node:path';

const PROJECT = resolve(import.meta.dirname, '..', '..');
const START_MS = 30_000;
/** A command that should have ended by then is ended, so that its test fails and the run goes on. */
const RUN_MS = 60_000;

/** A hufu command that runs until it is ended. */
export type Running = {
  readonly process: ChildProcess;
  /** Everything it printed so far. */
  readonly stdout: () => string;
  readonly stderr: () => string;
  /** Ends it by its process id and resolves when it is gone, with its exit status (null after a signal). */
  readonly end: (signal: NodeJS.Signals) => Promise<number | null>;
};

export type Finished = { readonly code: number | null; readonly stdout: string; readonly stderr: string };

/** The environment without what the machine's own user may have set for hufu. */
export function cleanEnvironment(extra: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const kept = Object.entries(process.env).filter(
    ([name]) => !name.startsWith('HUFU_') && name !== 'REDIS_URL' && name !== 'NODE_TEST_CONTEXT',
  );
  return { ...Object.fromEntries(kept), NO_COLOR: '1', ...extra };
}

/** How a command is started, when not by this Node in the project's folder. */
export type Launch = {
  readonly cwd?: string;
  /** What `hufu` stands for; default this Node with bin/hufu.js. */
  readonly command?: readonly [program: string, ...args: string[]];
  /** A process group of its own, as a terminal gives one to each job. */
  readonly ownGroup?: boolean;
  /** Another user, when this one is root. */
  readonly uid?: number;
};

function launch(args: readonly string[], environment: NodeJS.ProcessEnv, how: Launch) {
  const [program, ...before] = how.command ?? [process.execPath, resolve(PROJECT, 'bin', 'hufu.js')];
  const child = spawn(program, [...before, ...args], {
    cwd: how.cwd ?? PROJECT,
    env: cleanEnvironment(environment),
    stdio: ['ignore', 'pipe', 'pipe'],
    ...(how.ownGroup ? { detached: true } : {}),
    ...(how.uid === undefined ? {} : { uid: how.uid, gid: how.uid }),
  });
  const text = { stdout: '', stderr: '' };
  child.stdout.on('data', (chunk: Buffer) => {
    text.stdout += chunk.toString();
  });
  child.stderr.on('data', (chunk: Buffer) => {
    text.stderr += chunk.toString();
  });
  return { child, text };
}

/** Runs a hufu command to its end. */
export async function runHufu(args: readonly string[], environment: NodeJS.ProcessEnv = {}, how: Launch = {}): Promise<Finished> {
  const { child, text } = launch(args, environment, how);
  const late = setTimeout(() => child.kill('SIGTERM'), RUN_MS);
  const [code] = (await once(child, 'close')) as [number | null];
  clearTimeout(late);
  return { code, ...text };
}

/** Starts a hufu command and resolves when a line of its output matches `ready`. Rejects with what it printed when it ends before. */
export function startHufu(args: readonly string[], environment: NodeJS.ProcessEnv, ready = /ready/, how: Launch = {}): Promise<Running> {
  const { child, text } = launch(args, environment, how);
  const end = async (signal: NodeJS.Signals) => {
    if (child.exitCode === null && child.signalCode === null) {
      child.kill(signal);
      await once(child, 'close');
    }
    return child.exitCode;
  };
  return new Promise((fulfil, reject) => {
    const give = (why: string) => reject(new Error(`hufu ${args.join(' ')} ${why}\n${text.stdout}\n${text.stderr}`));
    const timer = setTimeout(() => {
      child.kill('SIGKILL');
      give('did not get ready');
    }, START_MS);
    child.once('close', () => {
      clearTimeout(timer);
      give('ended before it was ready');
    });
    child.stdout.on('data', () => {
      if (!ready.test(text.stdout)) return;
      clearTimeout(timer);
      fulfil({ process: child, stdout: () => text.stdout, stderr: () => text.stderr, end });
    });
  });
}

/** Below the range from which systems give out ports of their own accord (32768 on Linux), so that nobody else is given them meanwhile. */
const PORTS = { from: 12_000, to: 32_000 } as const;

/** Ports of loopback that are free now. */
export async function freePorts(count: number): Promise<number[]> {
  const ports = new Set<number>();
  while (ports.size < count) {
    const port = randomInt(PORTS.from, PORTS.to);
    if (await isFree(port)) ports.add(port);
  }
  return [...ports];
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer();
  const free = await new Promise<boolean>((resolve) => {
    server.once('error', () => resolve(false)).listen(port, '127.0.0.1', () => resolve(true));
  });
  await new Promise((done) => server.close(done));
  return free;
}
