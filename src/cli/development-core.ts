import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { UserError } from '../lib/user-error.ts';
import { PROJECT } from './locate.ts';

/** Until the core must have said that it is ready, and until it must have ended, ms. */
const START_MS = 15_000;
const END_MS = 10_000;

export type DevelopmentCore = {
  readonly url: string;
  /** Resolves when the process has ended, however, with its exit status or signal in words. */
  readonly ended: Promise<string>;
  /** Lets it answer what is under way, and resolves when it is gone. */
  readonly stop: () => Promise<void>;
};

/**
 * `hufu core` as a process of its own, as a bank's would be. It ends when we do, however we end: the message channel tells it.
 * Ctrl-C does not reach it (it has a process group of its own), since it must outlive the requests that the gateway still answers.
 * Throws a UserError with the core's own words when it does not get ready.
 */
export async function startDevelopmentCore(args: readonly string[], environment: NodeJS.ProcessEnv): Promise<DevelopmentCore> {
  const child = spawn(process.execPath, [join(PROJECT, 'src', 'main.ts'), 'core', '--profile', 'development', ...args], {
    env: environment,
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    detached: true,
  });
  const ended = new Promise<string>((resolve) => {
    child.once('close', (code, signal) => resolve(signal ?? `exit status ${code}`));
  });
  const stop = async () => {
    const late = setTimeout(() => child.kill('SIGKILL'), END_MS);
    child.kill('SIGTERM');
    await ended;
    clearTimeout(late);
  };
  try {
    return { url: await untilReady(child, ended), ended, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Resolves with the URL that the core serves on. What it says meanwhile is kept, and shown when it gets ready. */
async function untilReady(child: ChildProcess, ended: Promise<string>): Promise<string> {
  let words = '';
  const keep = (chunk: Buffer) => {
    words += chunk.toString();
  };
  child.stderr?.on('data', keep);
  const late = setTimeout(() => child.kill('SIGKILL'), START_MS);
  const ready = once(child, 'message').then(([message]) => (message as { readonly url: string }).url);
  const result = await Promise.race([ready, ended.then((how) => new UserError(reasonOf(words, how)))]);
  clearTimeout(late);
  if (result instanceof UserError) throw result;
  process.stderr.write(words);
  child.stderr?.off('data', keep).on('data', (chunk: Buffer) => process.stderr.write(chunk));
  return result;
}

const reasonOf = (words: string, how: string): string =>
  words.trim() === '' ? `the reference core did not get ready (${how})` : words.trim().replace(/^hufu: /gm, '');
