import assert from 'node:assert/strict';
import { readdirSync, writeFileSync } from 'node:fs';
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { archiveSegments, findArchivable } from '../../src/journal/archive.ts';
import { readFacts } from '../../src/journal/read.ts';
import { verifyJournal } from '../../src/journal/verify.ts';
import type { Fact } from '../../src/ports/journal.ts';
import {
  admitted,
  collect,
  damage,
  journalPublicKey,
  journalSigner,
  nonce,
  openTestJournal,
  outcome,
  segmentFile,
  temporaryDirectory,
} from './support.ts';

/** Later than everything that the tests' facts are kept for. */
const AFTER = 5_000_000_000_000;
/** When nonces are over, and claims and windows are not. */
const BETWEEN = 3_000_000_000_000;

/** A journal whose facts each fill a segment of their own, and one segment that is written last. */
async function writeSegments(
  t: Parameters<typeof temporaryDirectory>[0],
  directory: string,
  facts: readonly Fact[],
  instance = 'gateway-1',
) {
  const opened = await openTestJournal(t, directory, { instance, segmentBytesMax: 1 });
  for (const fact of facts) await opened.journal.synced(opened.journal.append(fact));
  await opened.journal.close();
  return opened.folder;
}

const numbersOf = async (directory: string, nowMs: number, olderThanMs = 0) =>
  (await findArchivable(directory, nowMs, olderThanMs)).map(({ segments }) => segments.map(({ number }) => number));

test('what nothing needs leaves, whole and verifiable at both ends, and the journal goes on', async (t) => {
  const directory = await temporaryDirectory(t);
  const folder = await writeSegments(t, directory, [nonce(1), admitted(2), outcome(2), nonce(3)]);
  const before = readdirSync(folder).filter((name) => name.endsWith('.journal')).length;
  const [found] = await findArchivable(directory, AFTER, 0);
  assert.ok(found && found.segments.length === before - 1, 'all but the last');
  const target = join(directory, '..', `archive-${process.pid}`);
  t.after(() => rm(target, { recursive: true, force: true }));
  await archiveSegments(found, target, journalSigner, AFTER);
  const archive = join(target, 'gateway-1');
  assert.deepEqual(readdirSync(archive).length, before - 1);
  assert.deepEqual((await verifyJournal(archive, { publicKeys: [journalPublicKey] })).problems, []);
  const left = await verifyJournal(folder, { publicKeys: [journalPublicKey] });
  assert.deepEqual([left.problems, left.segments, left.cleanlyClosed], [[], 1, true]);
  const again = await openTestJournal(t, directory, {});
  await again.journal.synced(again.journal.append(nonce(9)));
  await again.journal.close();
  assert.deepEqual((await verifyJournal(folder, { publicKeys: [journalPublicKey] })).problems, []);
  assert.deepEqual(await collect(readFacts(archive)), [nonce(1), admitted(2), outcome(2), nonce(3)]);
});

/** Facts of two journals, each in a segment of its own; when; which segments of the first may go, and why. The first segment is that of `boot`. */
const ROWS: readonly (readonly [string, readonly Fact[], readonly Fact[], number, number])[] = [
  ['all is over', [nonce(1), admitted(2), outcome(2)], [], AFTER, 4],
  ['a nonce may still be replayed', [nonce(1)], [], 1_900_000_000_000, 1],
  ['a claim is still kept', [nonce(1), admitted(2), outcome(2)], [], BETWEEN, 2],
  ['an admission without an outcome is asked about, however old', [nonce(1), admitted(2), nonce(3)], [], AFTER, 2],
  ['its outcome stands in the journal of who resolved it', [nonce(1), admitted(2), nonce(3)], [outcome(2)], AFTER, 4],
  ['an outcome of an admission that another journal still keeps', [nonce(1), outcome(7), nonce(3)], [admitted(7)], BETWEEN, 2],
];
for (const [why, facts, others, nowMs, count] of ROWS)
  test(`archivable: ${why}`, async (t) => {
    const directory = await temporaryDirectory(t);
    await writeSegments(t, directory, [...facts, nonce(90), nonce(91)]);
    await writeSegments(t, directory, others, 'gateway-2');
    const [first = []] = await numbersOf(directory, nowMs);
    const needed = (await numbersOf(directory, AFTER, AFTER - 1_000))[0];
    assert.deepEqual(needed, [], 'nothing that is younger than is asked for');
    assert.ok(first.length >= 1 && first.every((number, i) => number === i + 1), 'the oldest ones, without a gap');
    if (count < facts.length + 1) assert.equal(first.length, count, first.join());
    else assert.ok(first.length >= count, first.join());
  });

test('a segment that is not as it was written stays, and so does what comes after it', async (t) => {
  const directory = await temporaryDirectory(t);
  const folder = await writeSegments(t, directory, [nonce(1), nonce(2), nonce(3)]);
  await damage(segmentFile(folder, 2), (bytes) => Buffer.from(bytes.toString().replace('nonce-1', 'nonce-x')));
  assert.deepEqual(await numbersOf(directory, AFTER), [[1]]);
});

test('killed between copy and delete: run again it ends the work; a foreign segment under the name is not overwritten', async (t) => {
  const directory = await temporaryDirectory(t);
  const folder = await writeSegments(t, directory, [nonce(1), nonce(2)]);
  const [found] = await findArchivable(directory, AFTER, 0);
  assert.ok(found);
  const target = join(directory, '..', `archive-${process.pid}-2`);
  t.after(() => rm(target, { recursive: true, force: true }));
  await mkdir(join(target, 'gateway-1'), { recursive: true });
  writeFileSync(join(target, 'gateway-1', '00000001.journal'), 'something else');
  await assert.rejects(archiveSegments(found, target, journalSigner, AFTER), /is there already and is not the same segment/);
  assert.deepEqual((await verifyJournal(folder, { publicKeys: [journalPublicKey] })).problems, [], 'nothing was taken away');
  await rm(join(target, 'gateway-1'), { recursive: true });
  await archiveSegments(found, target, journalSigner, AFTER);
  assert.deepEqual((await verifyJournal(folder, { publicKeys: [journalPublicKey] })).problems, []);
});

test('segments that were only deleted are missed, and a forged note about an archive is not believed', async (t) => {
  const directory = await temporaryDirectory(t);
  const folder = await writeSegments(t, directory, [nonce(1), nonce(2)]);
  const [found] = await findArchivable(directory, AFTER, 0);
  assert.ok(found?.last);
  await rm(segmentFile(folder, 1));
  assert.match(JSON.stringify((await verifyJournal(folder, { publicKeys: [journalPublicKey] })).problems), /the segment is missing/);
  const { seq } = found.last.record;
  const note = JSON.stringify({ journal: 'x', segments: 1, sequence: seq, hash: found.last.hash, at: 0 });
  writeFileSync(join(folder, 'archived'), `${note}\tAAAA\n`);
  assert.match(
    JSON.stringify((await verifyJournal(folder, { publicKeys: [journalPublicKey] })).problems),
    /`archived` has a wrong signature/,
  );
});
