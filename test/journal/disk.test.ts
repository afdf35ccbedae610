import assert from 'node:assert/strict';
import { readdir, readFile, stat } from 'node:fs/promises';
import { test } from 'node:test';
import { readFacts } from '../../src/journal/read.ts';
import { verifyJournal } from '../../src/journal/verify.ts';
import { UserError } from '../../src/lib/user-error.ts';
import { createFailingDisk, diskError } from './failing-disk.ts';
import {
  admitted,
  collect,
  journalPublicKey,
  nonce,
  openTestJournal,
  outcome,
  segmentFile,
  temporaryDirectory,
  voided,
} from './support.ts';

const unavailable = { code: 'JOURNAL_UNAVAILABLE' };
const options = { publicKeys: [journalPublicKey] };

async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((resolve) => setImmediate(resolve));
}

const segmentsOf = async (folder: string): Promise<number> => (await readdir(folder)).filter((name) => name.endsWith('.journal')).length;

test('a full disk: cut back, money closed, everything written once there is room again', async (t) => {
  const disk = createFailingDisk();
  const { journal, folder, alarms } = await openTestJournal(t, await temporaryDirectory(t), { openSegment: disk.openSegment, retryMs: 5 });
  await journal.synced(journal.append(admitted(1)));
  const { size } = await stat(segmentFile(folder, 1));

  disk.write = { error: diskError('ENOSPC'), part: 100 };
  const lost = journal.append(admitted(2));
  await assert.rejects(journal.synced(lost), unavailable);
  assert.equal(journal.isWritable(), false);
  assert.equal((await stat(segmentFile(folder, 1))).size, size, 'cut back to the last good end');
  assert.throws(() => journal.append(admitted(3)), unavailable, 'nothing begins');
  assert.throws(() => journal.append(nonce(3)), unavailable);
  assert.throws(() => journal.append({ type: 'request', data: {} }), unavailable);
  const late = journal.append(outcome(1));
  journal.append(voided(2));
  await assert.rejects(journal.synced(late), unavailable);
  await assert.rejects(journal.synced(lost), unavailable, 'still');

  disk.write = undefined;
  await until(() => journal.isWritable());
  await journal.synced(late);
  assert.equal(alarms.length, 2, `told once when it begins and once when it ends: ${alarms}`);
  await journal.synced(journal.append(admitted(4)));
  await journal.close();
  assert.deepEqual(await collect(readFacts(folder)), [admitted(1), admitted(2), outcome(1), voided(2), admitted(4)]);
  const verified = await verifyJournal(folder, options);
  assert.deepEqual([verified.problems, verified.segments, verified.tornBytes], [[], 1, 0]);
});

test('a failed sync is never tried again on that file: a new segment holds what was not acknowledged', async (t) => {
  const disk = createFailingDisk();
  const { journal, folder, alarms } = await openTestJournal(t, await temporaryDirectory(t), { openSegment: disk.openSegment, retryMs: 5 });
  await journal.synced(journal.append(admitted(1)));
  disk.datasync = diskError('EIO');
  disk.truncate = diskError('EIO');
  const doubtful = journal.append(admitted(2));
  await assert.rejects(journal.synced(doubtful), unavailable);
  assert.equal(journal.isWritable(), false);
  assert.ok((await readFile(segmentFile(folder, 1), 'utf8')).includes('"admissionId":"a2"'), 'the old file may or may not hold it');
  disk.datasync = undefined;
  await until(() => journal.isWritable());
  await journal.synced(journal.append(outcome(2)));
  await journal.close();
  assert.equal(alarms.length, 2);
  assert.equal(await segmentsOf(folder), 2);
  assert.deepEqual(await collect(readFacts(folder)), [admitted(1), admitted(2), outcome(2)], 'each once');
  assert.deepEqual((await verifyJournal(folder, options)).problems, []);
  const reopened = await openTestJournal(t, `${folder}/..`);
  assert.deepEqual(await collect(reopened.journal.facts()), [admitted(1), admitted(2), outcome(2)]);
});

test('what the failed file holds behind the last acknowledged record may even be garbage', async (t) => {
  const disk = createFailingDisk();
  const { journal, folder } = await openTestJournal(t, await temporaryDirectory(t), { openSegment: disk.openSegment, retryMs: 5 });
  await journal.synced(journal.append(admitted(1)));
  disk.truncate = diskError('EIO');
  disk.write = { error: diskError('EIO'), part: 150 };
  const doubtful = journal.append(admitted(2));
  await assert.rejects(journal.synced(doubtful), unavailable);
  disk.write = undefined;
  await until(() => journal.isWritable());
  await journal.synced(doubtful);
  await journal.close();
  assert.deepEqual(await collect(readFacts(folder)), [admitted(1), admitted(2)]);
  const verified = await verifyJournal(folder, options);
  assert.deepEqual([verified.problems, verified.segments, verified.tornBytes], [[], 2, 0]);
});

test('a new segment that cannot be written leaves the old one as it was', async (t) => {
  const disk = createFailingDisk();
  const { journal, folder } = await openTestJournal(t, await temporaryDirectory(t), {
    openSegment: disk.openSegment,
    retryMs: 5,
    segmentBytesMax: 2_500,
  });
  while ((await segmentsOf(folder)) < 2) await journal.synced(journal.append(nonce(1)));
  while ((await stat(segmentFile(folder, 2))).size < 2_200) await journal.synced(journal.append(nonce(2)));
  disk.write = { error: diskError('ENOSPC'), part: 10 };
  const waiting = journal.append(admitted(1000));
  await assert.rejects(journal.synced(waiting), unavailable);
  assert.equal(await segmentsOf(folder), 2, 'no half segment stays');
  disk.write = undefined;
  await until(() => journal.isWritable());
  await journal.synced(waiting);
  await journal.close();
  assert.equal(await segmentsOf(folder), 3);
  assert.deepEqual((await verifyJournal(folder, options)).problems, []);
});

test('while a sync is under way nothing else is written, and all of it goes with the next group', async (t) => {
  const disk = createFailingDisk();
  const { journal } = await openTestJournal(t, await temporaryDirectory(t), { openSegment: disk.openSegment });
  let syncs = 0;
  let open = (): void => undefined;
  disk.beforeSync = () => {
    syncs += 1;
    return syncs === 1 ? new Promise((resolve) => (open = resolve)) : Promise.resolve();
  };
  const first = journal.synced(journal.append(admitted(1)));
  await until(() => syncs === 1);
  const later = [2, 3, 4, 5].map((n) => journal.synced(journal.append(admitted(n))));
  let early = false;
  void Promise.race(later).then(() => (early = true));
  await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual([syncs, early], [1, false]);
  open();
  await Promise.all([first, ...later]);
  assert.equal(syncs, 2);
});

test('a journal that cannot be written at all refuses to start, in one line, and frees its lock', async (t) => {
  const directory = await temporaryDirectory(t);
  const disk = createFailingDisk();
  disk.open = diskError('ENOSPC');
  await assert.rejects(openTestJournal(t, directory, { openSegment: disk.openSegment }), (error: Error) => {
    assert.ok(error instanceof UserError);
    assert.match(error.message, /gateway-1.*ENOSPC/);
    return true;
  });
  const { journal } = await openTestJournal(t, directory);
  assert.equal(journal.isWritable(), true);
});

test('a close that cannot be written says so and still gives up the lock', async (t) => {
  const directory = await temporaryDirectory(t);
  const disk = createFailingDisk();
  const { journal, alarms } = await openTestJournal(t, directory, { openSegment: disk.openSegment, retryMs: 5 });
  disk.write = { error: diskError('ENOSPC'), part: 0 };
  await journal.close();
  assert.match(alarms.at(-1) ?? '', /could not be closed cleanly/);
  await openTestJournal(t, directory);
});
