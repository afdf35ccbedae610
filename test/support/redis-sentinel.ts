import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { rmSync, writeFileSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { eventually } from './eventually.ts';
import { freePorts } from './process.ts';
import { startRedis, type TestRedis } from './redis.ts';

/** A master with two replicas, one of which must follow, and three Sentinels that watch them, all real. */
export type TestSentinels = {
  /** For openRedisStore. */
  readonly url: string;
  readonly master: TestRedis;
  readonly replicas: readonly TestRedis[];
  /** The port of the master as a Sentinel names it. */
  readonly masterPort: () => Promise<number>;
  readonly dispose: () => Promise<void>;
};

const NAME = 'hufu-test';
/** As short as three Sentinels on a busy machine still agree. */
const DOWN_AFTER_MS = 2_000;

const portOf = ({ url }: TestRedis): number => Number(new URL(url).port);

/** `password`: of the servers; `sentinelPassword`: of the Sentinels. */
export async function startSentinels({ password = '', sentinelPassword = '' } = {}): Promise<TestSentinels> {
  const directory = await mkdtemp(join(tmpdir(), 'hufu-sentinel-'));
  const sentinels: ChildProcess[] = [];
  const clients: { disconnect: () => void }[] = [];
  const servers: TestRedis[] = [];
  const abandon = () => {
    for (const sentinel of sentinels) sentinel.kill('SIGKILL');
    rmSync(directory, { recursive: true, force: true });
  };
  process.once('exit', abandon);
  const dispose = async () => {
    for (const client of clients) client.disconnect();
    const running = sentinels.filter(({ exitCode, signalCode }) => exitCode === null && signalCode === null);
    const ended = running.map((sentinel) => once(sentinel, 'exit'));
    for (const sentinel of running) sentinel.ref();
    abandon();
    await Promise.all([...ended, ...servers.map((server) => server.dispose())]);
    process.off('exit', abandon);
  };
  try {
    const account = password === '' ? [] : ['--requirepass', password, '--masterauth', password];
    const common = ['--repl-diskless-sync-delay', '0', '--min-replicas-to-write', '1', '--min-replicas-max-lag', '2', ...account];
    const master = await startRedis({ own: true, settings: common });
    servers.push(master);
    const following = [...common, '--replicaof', '127.0.0.1', String(portOf(master))];
    for (let n = 0; n < 2; n += 1) servers.push(await startRedis({ own: true, settings: following }));
    const ports = await freePorts(3);
    for (const port of ports) sentinels.push(startSentinel(directory, port, portOf(master), password, sentinelPassword));
    const asked = new Redis({ port: ports[0] as number, password: sentinelPassword, retryStrategy: () => 20, disconnectTimeout: 20 });
    asked.on('error', () => undefined);
    clients.push(asked);
    await eventually(async () => {
      const known = String(await asked.info('sentinel'));
      assert.match(known, /status=ok.*slaves=2,sentinels=3/);
    }, 20_000);
    const user = password === '' ? '' : `:${password}@`;
    const query = sentinelPassword === '' ? '' : `?sentinelPassword=${sentinelPassword}`;
    return {
      url: `redis+sentinel://${user}${ports.map((port) => `127.0.0.1:${port}`).join(',')}/${NAME}${query}`,
      master,
      replicas: servers.slice(1),
      masterPort: async () => Number(((await asked.call('SENTINEL', 'GET-MASTER-ADDR-BY-NAME', NAME)) as string[])[1]),
      dispose,
    };
  } catch (error) {
    await dispose();
    throw error;
  }
}

function startSentinel(directory: string, port: number, masterPort: number, password: string, own: string): ChildProcess {
  const file = join(directory, `${port}.conf`);
  const lines = [
    `port ${port}`,
    'bind 127.0.0.1',
    `dir ${directory}`,
    `sentinel monitor ${NAME} 127.0.0.1 ${masterPort} 2`,
    `sentinel down-after-milliseconds ${NAME} ${DOWN_AFTER_MS}`,
    `sentinel failover-timeout ${NAME} 3000`,
    ...(password === '' ? [] : [`sentinel auth-pass ${NAME} ${password}`]),
    ...(own === '' ? [] : [`requirepass ${own}`]),
  ];
  writeFileSync(file, `${lines.join('\n')}\n`);
  const sentinel = spawn('redis-server', [file, '--sentinel'], { stdio: 'ignore' });
  sentinel.unref();
  return sentinel;
}
