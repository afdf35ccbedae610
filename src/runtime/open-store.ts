import type { GatewayConfig } from '../config/schema.ts';
import type { Store } from '../ports/store.ts';
import { openRedisStore } from '../store/redis/store.ts';
import { openSqliteStore } from '../store/sqlite/store.ts';

const SQLITE = 'sqlite:';

/** Opens the store that the configuration names. */
export function openStore({ store, storeTimeoutMs }: Pick<GatewayConfig, 'store' | 'storeTimeoutMs'>): Promise<Store> {
  return store.startsWith(SQLITE)
    ? openSqliteStore({ file: store.slice(SQLITE.length), giveUpMs: storeTimeoutMs })
    : openRedisStore({ url: store, commandTimeoutMs: storeTimeoutMs });
}
