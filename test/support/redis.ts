import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { rmSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import type { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { Redis } from 'ioredis';
import { findRedisProblem } from '../../tools/redis-server.ts';
import { freePorts } from './process.ts';

/** A Redis for one test file. */
export type TestRedis = {
  /** For openRedisStore and HUFU_STORE; names a prefix of its own, so that files may share a server. */
  readonly url: string;
  readonly prefix: string;
  /** A plain client on the same server, for a test's own questions; connects when first used, closed by dispose. */
  readonly client: Redis;
  /** Ends the server; without persistence its data is gone. Own servers only, as the four below. */
  readonly stop: () => Promise<void>;
  /** Ends it as a crash does, also while it is paused. */
  readonly kill: () => Promise<void>;
  /** Starts it again on the same port, as another run. */
  readonly start: () => Promise<void>;
  /** The server still accepts and never answers (SIGSTOP), until `resume`. */
  readonly pause: () => void;
  readonly resume: () => void;
  /** Closes the client, ends an own server by its process id, or removes what stands under the prefix. */
  readonly dispose: () => Promise<void>;
};

/**
 * Connects to REDIS_URL, else starts a redis-server from the PATH on a free port of loopback in a directory of its own.
 * `own` starts one in any case, for tests that stop it or flush it, at `port` if given. `settings` are added to its command line.
 * Throws the sentence that says what to install when there is no redis-server.
 */
export async function startRedis(options: { own?: boolean; settings?: readonly string[]; port?: number } = {}): Promise<TestRedis> {
  const prefix = `hufu-test-${randomBytes(6).toString('hex')}:`;
  const given = process.env.REDIS_URL;
  if (given && !options.own) return useRedis(given, prefix);
  const problem = findRedisProblem();
  if (problem !== undefined) throw new Error(problem);
  return ownRedis(prefix, options.settings ?? [], options.port ?? (await freePorts(1))[0] ?? 0);
}

function useRedis(given: string, prefix: string): TestRedis {
  const url = new URL(given);
  url.searchParams.set('prefix', prefix);
  const client = new Redis(given, { lazyConnect: true });
  const notOwn = () => {
    throw new Error('this test stops its server: call startRedis({ own: true })');
  };
  const dispose = async () => {
    for await (const keys of client.scanStream({ match: `${prefix}*`, count: 1000 })) {
      if (keys.length > 0) await client.unlink(keys);
    }
    await client.quit();
  };
  return { url: url.href, prefix, client, stop: notOwn, kill: notOwn, start: notOwn, pause: notOwn, resume: notOwn, dispose };
}

async function ownRedis(prefix: string, settings: readonly string[], port: number): Promise<TestRedis> {
  const directory = await mkdtemp(join(tmpdir(), 'hufu-redis-'));
  const remove = () => rm(directory, { recursive: true, force: true });
  let server = await startServer(port, directory, settings).catch(async (error: unknown) => {
    await remove();
    throw error;
  });
  const client = new Redis({ host: '127.0.0.1', port, retryStrategy: () => 20, disconnectTimeout: 20, lazyConnect: true });
  client.on('error', () => undefined);
  // A test file that dies leaves nothing behind.
  const abandon = () => {
    server.kill('SIGKILL');
    rmSync(directory, { recursive: true, force: true });
  };
  process.once('exit', abandon);
  const end = async (signal: NodeJS.Signals) => {
    if (server.exitCode !== null || server.signalCode !== null) return;
    const exited = once(server, 'exit');
    server.ref();
    server.kill(signal);
    server.kill('SIGCONT');
    await exited;
  };
  return {
    url: `redis://127.0.0.1:${port}/?prefix=${prefix}`,
    prefix,
    client,
    stop: () => end('SIGTERM'),
    kill: () => end('SIGKILL'),
    start: async () => {
      server = await startServer(port, directory, settings);
    },
    pause: () => server.kill('SIGSTOP'),
    resume: () => server.kill('SIGCONT'),
    dispose: async () => {
      client.disconnect();
      await end('SIGKILL');
      await remove();
      process.off('exit', abandon);
    },
  };
}

/** Resolves when the server says that it accepts connections. */
async function startServer(port: number, directory: string, settings: readonly string[]): Promise<ChildProcess> {
  const fixed = ['--port', String(port), '--bind', '127.0.0.1', '--dir', directory, '--save', '', '--appendonly', 'no'];
  const server = spawn('redis-server', [...fixed, ...settings], { stdio: ['ignore', 'pipe', 'inherit'] });
  const lines: string[] = [];
  for await (const line of createInterface({ input: server.stdout })) {
    lines.push(line);
    if (line.includes('Ready to accept connections')) {
      server.stdout.resume();
      // Neither keeps a test file alive whose set-up failed before it could dispose; the server then ends with it.
      (server.stdout as Socket).unref();
      server.unref();
      return server;
    }
  }
  throw new Error(`redis-server did not start:\n${lines.join('\n')}`);
}
