import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { resolve } from 'node:path';

const PROJECT = resolve(import.meta.dirname, '..', '..');
const START_MS = 30_000;

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

function launch(args: readonly string[], environment: NodeJS.ProcessEnv, cwd = PROJECT) {
  const child = spawn(process.execPath, [resolve(PROJECT, 'bin', 'hufu.js'), ...args], {
    cwd,
    env: cleanEnvironment(environment),
    stdio: ['ignore', 'pipe', 'pipe'],
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
export async function runHufu(args: readonly string[], environment: NodeJS.ProcessEnv = {}, cwd?: string): Promise<Finished> {
  const { child, text } = launch(args, environment, cwd);
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, ...text };
}

/** Starts a hufu command and resolves when a line of its output matches `ready`. Rejects with what it printed when it ends before. */
export function startHufu(args: readonly string[], environment: NodeJS.ProcessEnv, ready = /ready/): Promise<Running> {
  const { child, text } = launch(args, environment);
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

/** Ports of loopback that are free now. */
export async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer());
  for (const server of servers) await once(server.listen(0, '127.0.0.1'), 'listening');
  const ports = servers.map((server) => (server.address() as AddressInfo).port);
  await Promise.all(servers.map((server) => new Promise((done) => server.close(done))));
  return ports;
}
