import { after } from 'node:test';
import { openRedisStore } from '../../src/store/redis/store.ts';
import { startRedis } from '../support/redis.ts';
import { storeContract } from './contract.ts';

const redis = await startRedis();
after(redis.dispose);
let opened = 0;

storeContract('redis', async () => {
  opened += 1;
  const store = await openRedisStore({ url: redis.url, prefix: `${redis.prefix}${opened}:` });
  return { store, dispose: store.close };
});
