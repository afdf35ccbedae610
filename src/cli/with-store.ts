import type { GatewayConfig } from '../config/schema.ts';
import { openStore } from '../runtime/open-store.ts';

type OpenedStore = Awaited<ReturnType<typeof openStore>>;

/** Opens the store of a configuration, looks, and closes it again. */
export async function withStore<T>(config: GatewayConfig, look: (store: OpenedStore) => Promise<T>): Promise<T> {
  const store = await openStore(config, (line) => console.error(`hufu: ${line}`));
  try {
    return await look(store);
  } finally {
    await store.close();
  }
}
