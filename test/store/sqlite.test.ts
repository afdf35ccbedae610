import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openSqliteStore } from '../../src/store/sqlite/store.ts';
import { storeContract } from './contract.ts';

storeContract('SQLite', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'hufu-store-'));
  const store = await openSqliteStore({ file: join(directory, 'store.db') });
  const dispose = async () => {
    await store.close();
    await rm(directory, { recursive: true });
  };
  return { store, dispose };
});
