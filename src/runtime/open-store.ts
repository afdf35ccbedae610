import type { GatewayConfig } from '../config/schema.ts';
import type { AnnouncingStore } from '../ports/announcements.ts';
import type { KeyKeepingStore } from '../ports/working-keys.ts';
import { openRedisStore } from '../store/redis/store.ts';
import { openSqliteStore } from '../store/sqlite/store.ts';

const SQLITE = 'sqlite:';

/** Opens the store that the configuration names. `onWarning` gets what the operator should know, and what does not stop the gateway. */
export function openStore(
  { store, storeTimeoutMs, profile }: Pick<GatewayConfig, 'store' | 'storeTimeoutMs' | 'profile'>,
  onWarning: (line: string) => void,
): Promise<AnnouncingStore & KeyKeepingStore> {
  return store.startsWith(SQLITE)
    ? openSqliteStore({ file: store.slice(SQLITE.length), giveUpMs: storeTimeoutMs })
    : openRedisStore({ url: store, commandTimeoutMs: storeTimeoutMs, production: profile === 'production', onWarning });
}
