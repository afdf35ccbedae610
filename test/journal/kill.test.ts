import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { readJournals } from '../../src/journal/journals.ts';
import { readFacts } from '../../src/journal/read.ts';
import { verifyJournal } from '../../src/journal/verify.ts';
import { admitted, collect, nonce, openTestJournal, outcome, temporaryDirectory } from './support.ts';

const WRITER = fileURLToPath(new URL('killed-writer.ts', import.meta.url));

/** Starts a writer, kills it once it has acknowledged so many admissions, and gives their numbers. */
async function killedAfter(directory: string, count: number): Promise<number[]> {
  const child = spawn(process.execPath, [WRITER, directory], { stdio: ['ignore', 'pipe', 'inherit'] });
  const acknowledged: number[] = [];
  for await (const line of createInterface({ input: child.stdout })) {
    acknowledged.push(Number(line));
    if (acknowledged.length === count) child.kill('SIGKILL');
  }
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
  assert.equal(child.signalCode, 'SIGKILL');
  return acknowledged;
}

test('kill -9: what was acknowledged is there, the lock is free, and the next start goes on', async (t) => {
  const directory = await temporaryDirectory(t);
  const acknowledged = [...(await killedAfter(directory, 60)), ...(await killedAfter(directory, 25))];
  const [summary] = await readJournals(directory);
  assert.deepEqual([summary?.locked, summary?.cleanlyClosed], [false, false]);
  const { journal, folder } = await openTestJournal(t, directory);
  const facts = await collect(journal.facts());
  const found = new Set(facts.flatMap((fact) => (fact.type === 'admitted' ? [fact.admissionId] : [])));
  for (const n of acknowledged) assert.ok(found.has(`a${n}`), `admission ${n}`);
  await journal.close();
  assert.deepEqual((await verifyJournal(folder)).problems, [], 'a crash is no tampering');
  assert.deepEqual(await collect(readFacts(folder)), facts);
});

test('a real full disk: closed while it is full, whole again afterwards', async (t) => {
  const directory = await temporaryDirectory(t);
  const { journal: other, folder } = await openTestJournal(t, directory, { instance: 'elsewhere' });
  await other.close();
  const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', folder]);
  if (mounted.status !== 0) return t.diagnostic('no tmpfs can be mounted here; the failing disk of disk.test.ts stands for it');
  try {
    const { journal } = await openTestJournal(t, folder, { retryMs: 5 });
    let written = 0;
    await assert.rejects(
      async () => {
        for (; ; written += 1) await journal.synced(journal.append(admitted(written)));
      },
      { code: 'JOURNAL_UNAVAILABLE' },
    );
    assert.ok(written > 10);
    assert.equal(journal.isWritable(), false);
    journal.append(outcome(1));
    assert.throws(() => journal.append(nonce(1)), { code: 'JOURNAL_UNAVAILABLE' });
    spawnSync('mount', ['-o', 'remount,size=1m', folder]);
    while (!journal.isWritable()) await new Promise((resolve) => setImmediate(resolve));
    await journal.synced(journal.append(admitted(5_000)));
    await journal.close();
    const verified = await verifyJournal(`${folder}/gateway-1`);
    assert.deepEqual([verified.problems, verified.tornBytes], [[], 0]);
    const ids = (await collect(readFacts(`${folder}/gateway-1`))).map(({ admissionId }) => admissionId);
    assert.deepEqual(ids, [...Array.from({ length: written + 1 }, (_, n) => `a${n}`), 'a1', 'a5000']);
  } finally {
    spawnSync('umount', ['-l', folder]);
  }
});
