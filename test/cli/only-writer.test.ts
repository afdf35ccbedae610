import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { asOnlyWriter } from '../../src/cli/certificate/shared.ts';
import { tryLock } from '../../src/journal/lock.ts';

let directory: string;
before(() => {
  directory = mkdtempSync(join(tmpdir(), 'hufu-writer-'));
});
after(() => rmSync(directory, { recursive: true }));

/** Long enough for work that waits for nobody to have begun. */
async function manyTurns(): Promise<void> {
  for (let i = 0; i < 20; i += 1) await turn();
}

test('a writer waits while another process holds the directory, and goes on when it is free', async () => {
  const release = tryLock(directory);
  assert.ok(release);
  let ran = false;
  const waiting = asOnlyWriter(directory, async () => {
    ran = true;
  });
  await manyTurns();
  assert.equal(ran, false);
  release();
  await waiting;
  assert.equal(ran, true);
});

test('writers never work at the same time, and one that fails keeps nobody waiting', async () => {
  let [working, most, done] = [0, 0, 0];
  const work = async (fails: boolean): Promise<void> => {
    working += 1;
    most = Math.max(most, working);
    await manyTurns();
    working -= 1;
    done += 1;
    if (fails) throw new Error('planned');
  };
  const all = await Promise.allSettled([false, true, false, true].map((fails) => asOnlyWriter(directory, () => work(fails))));
  assert.deepEqual([most, done, all.filter(({ status }) => status === 'rejected').length], [1, 4, 2]);
});
