import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { openSqliteStore, type SqliteOptions } from '../../src/store/sqlite/store.ts';
import type { OpenStore } from './world.ts';

/** A store in a file of its own. */
export const openSqliteWorldFile: OpenStore = async () => {
  const directory = await mkdtemp(join(tmpdir(), 'hufu-store-'));
  const store = await openSqliteStore({ file: join(directory, 'store.db') });
  const dispose = async () => {
    await store.close();
    await rm(directory, { recursive: true });
  };
  return { store, dispose };
};

/** A folder for one test, and a way to open stores on its file: all are closed and everything is removed at the end. */
export async function makeStoreFile(t: TestContext) {
  const directory = await mkdtemp(join(tmpdir(), 'hufu-store-'));
  const file = join(directory, 'store.db');
  t.after(() => rm(directory, { recursive: true }));
  const open = async (options: Partial<SqliteOptions> = {}) => {
    const store = await openSqliteStore({ file, ...options });
    t.after(store.close);
    return store;
  };
  return { directory, file, open };
}
