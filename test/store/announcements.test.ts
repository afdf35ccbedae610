import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after } from 'node:test';
import { openRedisStore } from '../../src/store/redis/store.ts';
import { openSqliteStore } from '../../src/store/sqlite/store.ts';
import { startRedis } from '../support/redis.ts';
import { announcementContract } from './contract-announcements.ts';
import { workingKeyContract } from './contract-working-keys.ts';

const redis = await startRedis();
after(redis.dispose);
let opened = 0;

const openSqlite = async () => {
  const directory = await mkdtemp(join(tmpdir(), 'hufu-store-'));
  const store = await openSqliteStore({ file: join(directory, 'store.db') });
  const dispose = async () => {
    await store.close();
    await rm(directory, { recursive: true });
  };
  return { store, dispose };
};

const openRedis = async () => {
  opened += 1;
  const store = await openRedisStore({ url: redis.url, prefix: `${redis.prefix}${opened}:`, commandTimeoutMs: 5000 });
  return { store, dispose: store.close };
};

announcementContract('SQLite', openSqlite);
announcementContract('redis', openRedis);
workingKeyContract('SQLite', openSqlite);
workingKeyContract('redis', openRedis);
