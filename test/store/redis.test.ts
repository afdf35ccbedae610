import { after, test } from 'node:test';
import { openRedisStore } from '../../src/store/redis/store.ts';
import { startRedis } from '../support/redis.ts';
import { storeContract } from './contract.ts';
import { checkAgainstModel } from './properties.ts';

const redis = await startRedis();
after(redis.dispose);
let opened = 0;

/** An empty store: every one has a prefix of its own on the one server. */
const open = async () => {
  opened += 1;
  const store = await openRedisStore({ url: redis.url, prefix: `${redis.prefix}${opened}:`, commandTimeoutMs: 5000 });
  return { store, dispose: store.close };
};

storeContract('redis', open);

test('redis: generated histories decide as the model does', () => checkAgainstModel(open, 60));
