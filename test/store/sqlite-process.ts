import { openSqliteStore } from '../../src/store/sqlite/store.ts';
import { admission, total } from './world.ts';

/** A second process on the store of a test: says `ready`, waits for a word, sends admissions at once, and reports the decisions. */
const [file = '', name = '', count = ''] = process.argv.slice(2);
const store = await openSqliteStore({ file, giveUpMs: 30_000 });
process.once('message', async () => {
  const admissions = Array.from({ length: Number(count) }, async (_, i) => {
    // Spread over turns of the event loop, so that the processes take turns with the lock.
    for (let turn = 0; turn < i % 10; turn += 1) await new Promise(setImmediate);
    return store.admit(admission(`${name}-${i}`, { totals: [total(100, 10_000)] }));
  });
  process.send?.((await Promise.all(admissions)).map(({ kind }) => kind));
  await store.close();
  process.disconnect?.();
});
process.send?.('ready');
