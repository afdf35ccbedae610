import { rm } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { openRedisStore } from '../../src/store/redis/store.ts';
import { openSqliteStore } from '../../src/store/sqlite/store.ts';
import type { TestRedis } from '../support/redis.ts';
import type { StoreKind } from './workshop.ts';

export const sqliteKind: StoreKind = {
  open: (directory) => openSqliteStore({ file: join(directory, 'store.db') }),
  lose: async (directory) => {
    for (const suffix of ['', '-wal', '-shm']) await rm(join(directory, `store.db${suffix}`), { force: true });
  },
};

/** One prefix for each installation. Losing means that its keys are gone, as after FLUSHALL; the run of the server stays. */
export const redisKind = ({ url, prefix, client }: TestRedis): StoreKind => {
  const under = (directory: string) => `${prefix}${basename(directory)}:`;
  return {
    open: (directory) => openRedisStore({ url, prefix: under(directory), commandTimeoutMs: 5_000 }),
    lose: async (directory) => {
      for await (const keys of client.scanStream({ match: `${under(directory)}*`, count: 1_000 })) {
        if (keys.length > 0) await client.unlink(keys);
      }
    },
  };
};
