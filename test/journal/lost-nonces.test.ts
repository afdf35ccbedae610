import assert from 'node:assert/strict';
import { cp } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { readJournals } from '../../src/journal/journals.ts';
import { openDeadJournals } from '../../src/runtime/dead-journals.ts';
import { collect, nonce, openTestJournal, temporaryDirectory } from './support.ts';

const NOW = 1_800_000_000_000;
const clockAt = (nowMs: number) => ({ nowMs: () => nowMs, monotonicMs: () => performance.now() });

/** Copies a journal as it is while its process runs: what a kill would leave, closed by nobody. */
async function leaveAsKilled(root: string, from: string, to: string): Promise<void> {
  await cp(join(root, from), join(root, to), { recursive: true, filter: (path) => !path.endsWith('lock.db') });
}

test('the end without `closed` is remembered from process to process, as late as it may have been', async (t) => {
  const root = await temporaryDirectory(t);
  const first = await openTestJournal(t, root, { clock: clockAt(NOW) });
  assert.equal(first.journal.noncesLostAtMs, undefined, 'a new journal has lost nothing');
  await first.journal.synced(first.journal.append(nonce(1)));
  await leaveAsKilled(root, 'gateway-1', 'g2');
  await first.journal.close();
  const after = await openTestJournal(t, root, { clock: clockAt(NOW + 1_000) });
  assert.equal(after.journal.noncesLostAtMs, undefined, 'nor has one that was closed');
  const second = await openTestJournal(t, root, { instance: 'g2', clock: clockAt(NOW + 5_000) });
  assert.equal(second.journal.noncesLostAtMs, NOW + 5_000, 'the killed process may have lived until now');
  await second.journal.close();
  const third = await openTestJournal(t, root, { instance: 'g2', clock: clockAt(NOW + 9_000) });
  assert.equal(third.journal.noncesLostAtMs, NOW + 5_000, 'and that is not forgotten');
  await third.journal.close(NOW + 10_000);
  const fourth = await openTestJournal(t, root, { instance: 'g2', clock: clockAt(NOW + 11_000) });
  assert.equal(fourth.journal.noncesLostAtMs, NOW + 10_000, 'nonces that could not be written at the end');
  const [summary] = (await readJournals(root)).filter(({ instance }) => instance === 'g2');
  assert.deepEqual([summary?.locked, summary?.cleanlyClosed], [true, false]);
});

test('the journals of the dead are held while they are read; their owner waits, the living are left alone', async (t) => {
  const root = await temporaryDirectory(t);
  const own = await openTestJournal(t, root, { instance: 'g1' });
  const living = await openTestJournal(t, root, { instance: 'g2' });
  const closed = await openTestJournal(t, root, { instance: 'g3' });
  await closed.journal.synced(closed.journal.append(nonce(3)));
  await leaveAsKilled(root, 'g3', 'g4');
  await closed.journal.close();
  const dead = await openDeadJournals(root, 'g1', () => NOW);
  assert.deepEqual(
    dead.journals.map(({ instance, noncesLostAtMs }) => [instance, noncesLostAtMs]),
    [
      ['g3', undefined],
      ['g4', NOW],
    ],
  );
  for (const { facts } of dead.journals) assert.deepEqual(await collect(facts()), [nonce(3)]);
  await assert.rejects(openTestJournal(t, root, { instance: 'g3' }), /another process writes this journal/);
  const waiting = openTestJournal(t, root, { instance: 'g3', lockWaitMs: 60_000 });
  await dead.release();
  assert.ok((await waiting).journal.isWritable());
  assert.deepEqual([own.journal.isWritable(), living.journal.isWritable()], [true, true]);
});
