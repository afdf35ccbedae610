import assert from 'node:assert/strict';
import { readdir, readFile, stat } from 'node:fs/promises';
import { test } from 'node:test';
import { readJournals } from '../../src/journal/journals.ts';
import { tryLock } from '../../src/journal/lock.ts';
import { readFacts } from '../../src/journal/read.ts';
import { openSegment } from '../../src/journal/segment-files.ts';
import { verifyJournal } from '../../src/journal/verify.ts';
import { UserError } from '../../src/lib/user-error.ts';
import {
  admitted,
  collect,
  damage,
  journalPublicKey,
  nonce,
  openTestJournal,
  outcome,
  segmentFile,
  temporaryDirectory,
  voided,
} from './support.ts';

const recordsOf = async (path: string): Promise<Record<string, unknown>[]> =>
  (await readFile(path, 'utf8'))
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line.split('\t')[0] as string));

test('a journal gives back its facts in order, from the disk and from its buffer, over restarts', async (t) => {
  const directory = await temporaryDirectory(t);
  const first = await openTestJournal(t, directory);
  first.journal.append(nonce(1));
  await first.journal.synced(first.journal.append(admitted(2)));
  first.journal.append({ type: 'request', data: { signatureBase: 'x' } });
  first.journal.append(outcome(2));
  assert.deepEqual(await collect(first.journal.facts()), [nonce(1), admitted(2), outcome(2)]);
  await first.journal.close();

  const second = await openTestJournal(t, directory);
  second.journal.append(voided(3));
  assert.deepEqual(await collect(second.journal.facts()), [nonce(1), admitted(2), outcome(2), voided(3)]);
  assert.equal(second.journal.id, first.journal.id);
  assert.notEqual(second.journal.boot, first.journal.boot);
  await second.journal.close();
  assert.deepEqual(await collect(readFacts(second.folder)), [nonce(1), admitted(2), outcome(2), voided(3)]);
  assert.deepEqual([...first.alarms, ...second.alarms], []);
  assert.deepEqual((await verifyJournal(second.folder, { publicKeys: [journalPublicKey] })).problems, []);
});

test('append numbers records without gaps, and synced resolves only for what is in the file', async (t) => {
  const { journal, folder } = await openTestJournal(t, await temporaryDirectory(t));
  const sequences = Array.from({ length: 200 }, (_, n) => journal.append(nonce(n)));
  assert.deepEqual(
    sequences,
    sequences.map((_, n) => (sequences[0] as number) + n),
  );
  await journal.synced(sequences[150] as number);
  const onDisk = (await recordsOf(segmentFile(folder, 1))).map(({ seq }) => seq as number);
  assert.ok(onDisk.includes(sequences[150] as number));
  assert.equal((await stat(segmentFile(folder, 1))).mode & 0o077, 0, 'nobody else reads a journal');
});

test('what is appended while a sync is under way goes with the next group: far fewer syncs than records', async (t) => {
  let syncs = 0;
  const { journal } = await openTestJournal(t, await temporaryDirectory(t), {
    openSegment: async (path, how) => {
      const file = await openSegment(path, how);
      const datasync = (): Promise<void> => {
        syncs += 1;
        return file.datasync();
      };
      return { ...file, datasync };
    },
  });
  syncs = 0;
  await Promise.all(Array.from({ length: 500 }, (_, n) => journal.synced(journal.append(admitted(n)))));
  assert.equal(syncs, 1, 'one run of the program is one group');
  await Promise.all(
    Array.from({ length: 300 }, async (_, n) => {
      await new Promise((resolve) => setImmediate(resolve));
      await journal.synced(journal.append(admitted(n)));
    }),
  );
  assert.ok(syncs < 100, `${syncs} syncs`);
});

test('records nobody waits for are on the disk soon, without another append', async (t) => {
  const { journal, folder } = await openTestJournal(t, await temporaryDirectory(t));
  const sequence = journal.append(nonce(7));
  while (journal.head().sequence < sequence) await new Promise((resolve) => setImmediate(resolve));
  assert.ok((await readFile(segmentFile(folder, 1), 'utf8')).includes('nonce-7'));
});

test('a full segment is followed by one with a signed checkpoint that sums up what came before', async (t) => {
  const directory = await temporaryDirectory(t);
  const { journal, folder } = await openTestJournal(t, directory, { segmentBytesMax: 4_000 });
  for (let n = 0; n < 20; n += 1) await journal.synced(journal.append(admitted(n)));
  for (let n = 0; n < 10; n += 1) await journal.synced(journal.append(outcome(n, n < 6 ? 'succeeded' : 'failed')));
  journal.append(voided(10));
  journal.append(outcome(999));
  for (let n = 100; n < 120; n += 1) await journal.synced(journal.append(nonce(n)));
  await journal.close();
  const numbers = (await readdir(folder)).filter((name) => name.endsWith('.journal')).sort();
  assert.ok(numbers.length > 3);
  const checkpoint = (await recordsOf(segmentFile(folder, numbers.length)))[0] as Record<string, unknown>;
  assert.equal(checkpoint.type, 'checkpoint');
  assert.deepEqual(checkpoint.committed, [{ counter: 'amount:day', windowEndsMs: 4_000_000_000_000, sum: 600 }]);
  assert.deepEqual(
    (checkpoint.open as { admissionId: string }[]).map(({ admissionId }) => admissionId),
    Array.from({ length: 9 }, (_, n) => `a${n + 11}`),
  );
  const verified = await verifyJournal(folder, { publicKeys: [journalPublicKey] });
  assert.deepEqual(verified.problems, []);
  assert.equal(verified.segments, numbers.length);

  // A new process takes open admissions and sums over from the last segment alone.
  const next = await openTestJournal(t, directory, { segmentBytesMax: 4_000 });
  next.journal.append(outcome(11));
  for (let n = 200; n < 230; n += 1) await next.journal.synced(next.journal.append(nonce(n)));
  await next.journal.close();
  const segments = (await readdir(folder)).filter((name) => name.endsWith('.journal')).length;
  const [later] = await recordsOf(segmentFile(folder, segments));
  assert.deepEqual(later?.committed, [{ counter: 'amount:day', windowEndsMs: 4_000_000_000_000, sum: 700 }]);
});

test('P12: a second process on one journal folder is refused in one line that names it', async (t) => {
  const directory = await temporaryDirectory(t);
  const { folder, journal } = await openTestJournal(t, directory);
  await assert.rejects(openTestJournal(t, directory), (error: Error) => error instanceof UserError && error.message.includes(folder));
  assert.equal(tryLock(folder), undefined, 'the owner runs');
  await journal.close();
  const release = tryLock(folder);
  await assert.rejects(openTestJournal(t, directory), UserError, 'nobody starts during a replay');
  release?.();
  await (await openTestJournal(t, directory)).journal.close();
});

test('other instances are seen with their lock and their end', async (t) => {
  const directory = await temporaryDirectory(t);
  assert.deepEqual(await readJournals(`${directory}/absent`), []);
  const running = await openTestJournal(t, directory, { instance: 'running' });
  const closed = await openTestJournal(t, directory, { instance: 'closed' });
  await closed.journal.close();
  const dead = await openTestJournal(t, directory, { instance: 'dead' });
  await dead.journal.close();
  await damage(segmentFile(dead.folder, 1), (bytes) => bytes.subarray(0, bytes.length - 10));
  const summary = (await readJournals(directory)).map(({ instance, locked, cleanlyClosed }) => [instance, locked, cleanlyClosed]);
  assert.deepEqual(summary, [
    ['closed', false, true],
    ['dead', false, false],
    ['running', true, false],
  ]);
  assert.ok((await readJournals(directory)).every(({ lastRecordAtMs }) => Math.abs(lastRecordAtMs - Date.now()) < 60_000));
  await running.journal.close();
});

test('after close nothing is taken any more', async (t) => {
  const { journal } = await openTestJournal(t, await temporaryDirectory(t));
  await journal.close();
  await journal.close();
  assert.equal(journal.isWritable(), false);
  assert.throws(() => journal.append(outcome(1)), { code: 'JOURNAL_UNAVAILABLE' });
});
