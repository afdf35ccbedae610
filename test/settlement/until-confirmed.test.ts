import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createUntilConfirmed } from '../../src/settlement/until-confirmed.ts';

const idle = () => new Promise(setImmediate);

test('a command runs at once, and again with growing pauses until it is confirmed', async () => {
  const pauses: number[] = [];
  const failures: string[] = [];
  const until = createUntilConfirmed({
    onFailure: (what, error) => failures.push(`${what}: ${(error as Error).message}`),
    pause: async (ms) => void pauses.push(ms),
  });
  const results = [false, new Error('away'), false, false, false, false, false, true];
  let runs = 0;
  until.run('settle', async () => {
    const result = results[runs] ?? assert.fail('run after it was confirmed');
    runs += 1;
    if (result instanceof Error) throw result;
    return result;
  });
  assert.equal(runs, 1, 'the command is on its way before run returns');
  assert.equal(await until.drain(1_000), 0);
  assert.equal(runs, results.length);
  assert.deepEqual(pauses, [50, 100, 200, 400, 800, 1600, 2000]);
  assert.deepEqual(failures, ['settle: away'], 'a store that does nothing is no failure');
});

test('drain tells how many are left after its time, and waits for none when nothing is outstanding', async () => {
  const until = createUntilConfirmed({ onFailure: () => {}, pause: idle as () => Promise<never> });
  assert.equal(await until.drain(60_000), 0);
  let confirmed = false;
  until.run('void', async () => confirmed);
  until.run('hold', async () => true);
  assert.equal(await until.drain(5), 1);
  confirmed = true;
  assert.equal(await until.drain(60_000), 0);
});
