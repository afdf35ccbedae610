import assert from 'node:assert/strict';
import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { cp, mkdtemp, readdir, readFile, rename, rm, unlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import fc from 'fast-check';
import { openJournal } from '../../src/journal/journal.ts';
import { readFacts } from '../../src/journal/read.ts';
import { type JournalProblem, type Verification, verifyJournal } from '../../src/journal/verify.ts';
import { systemClock } from '../../src/lib/clock.ts';
import { UserError } from '../../src/lib/user-error.ts';
import { signBytes } from '../../src/protocol/algorithms.ts';
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

/** A journal of four segments that ended cleanly; every test works on a copy. */
let original = '';
let segments = 0;
let lastRecord = 0;

before(async () => {
  const directory = await mkdtemp(join(tmpdir(), 'hufu-journal-'));
  const journal = await openJournal({
    directory,
    instance: 'original',
    signer: journalSigner,
    clock: systemClock,
    groupMsMax: 2,
    groupRecordsMax: 64,
    segmentBytesMax: 5_000,
    onAlarm: assert.fail,
  });
  for (let n = 1; n <= 12; n += 1) {
    journal.append(nonce(n));
    await journal.synced(journal.append(admitted(n)));
    await journal.synced(journal.append(outcome(n)));
  }
  await journal.close();
  original = join(directory, 'original');
  segments = (await readdir(original)).filter((name) => name.endsWith('.journal')).length;
  const verified = await verifyJournal(original, { publicKeys: [journalPublicKey] });
  lastRecord = verified.lastRecord;
  assert.deepEqual(verified.problems, []);
  assert.ok(segments >= 3);
  assert.ok(verified.cleanlyClosed);
  assert.equal(verified.anchoredRecord, lastRecord);
});
after(() => rm(join(original, '..'), { recursive: true, force: true }));

/** Damages a copy and gives what verification says of it. */
async function verified(change: (folder: string) => Promise<void>): Promise<Verification> {
  const folder = await mkdtemp(join(tmpdir(), 'hufu-journal-'));
  try {
    await cp(original, folder, { recursive: true });
    await change(folder);
    return await verifyJournal(folder, { publicKeys: [journalPublicKey] });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

const lines = (bytes: Buffer): string[] => bytes.toString('utf8').split('\n').slice(0, -1);
const joined = (all: readonly string[]): Buffer => Buffer.from(all.map((line) => `${line}\n`).join(''));
const seqOf = (line: string): number => JSON.parse(line.split('\t')[0] as string).seq;

/** Changes the lines of segment 2, where line 0 is the checkpoint. */
const inSecond = (change: (all: string[]) => string[]) => (folder: string) =>
  damage(segmentFile(folder, 2), (bytes) => joined(change(lines(bytes))));

async function secondSegment(): Promise<string[]> {
  return lines(await readFile(segmentFile(original, 2)));
}

const names = (problems: readonly JournalProblem[], record: number, reason: RegExp): boolean =>
  problems.some((problem) => problem.record === record && reason.test(problem.reason));

test('M4: an edited record is named by its number', async () => {
  const seq = seqOf((await secondSegment())[3] as string);
  const { problems } = await verified(inSecond((all) => all.with(3, (all[3] as string).replace('800000000000001', '800000000000002'))));
  assert.ok(names(problems, seq, /changed/), JSON.stringify(problems));
  assert.equal(problems.length, 1, 'the others are whole');
});

test('M4: a deleted record is named by its number', async () => {
  const seq = seqOf((await secondSegment())[3] as string);
  const { problems } = await verified(inSecond((all) => all.toSpliced(3, 1)));
  assert.ok(names(problems, seq, /missing/), JSON.stringify(problems));
});

test('M4: swapped records are found', async () => {
  const all = await secondSegment();
  const { problems } = await verified(inSecond((found) => found.with(3, found[4] as string).with(4, found[3] as string)));
  assert.ok(names(problems, seqOf(all[3] as string), /order|missing/), JSON.stringify(problems));
});

test('M4: a record that was written twice is found', async () => {
  const seq = seqOf((await secondSegment())[3] as string);
  const { problems } = await verified(inSecond((all) => all.toSpliced(3, 0, all[3] as string)));
  assert.ok(names(problems, seq, /order/), JSON.stringify(problems));
});

test('M4: cutting the last line is found by the anchor, even where nothing is torn', async () => {
  const { problems, tornBytes } = await verified((folder) =>
    damage(segmentFile(folder, segments), (bytes) => joined(lines(bytes).slice(0, -1))),
  );
  assert.equal(tornBytes, 0);
  assert.ok(names(problems, lastRecord, /missing/), JSON.stringify(problems));
});

test('M4: cutting the last segment whole is found by the anchor', async () => {
  const { problems } = await verified((folder) => unlink(segmentFile(folder, segments)));
  assert.ok(problems.some(({ reason }) => /ends at record/.test(reason)));
});

test('an anchor kept elsewhere finds the cut although the one in the folder is gone', async () => {
  const { lastRecord: sequence, journal } = await verifyJournal(original);
  const last = lines(await readFile(segmentFile(original, segments))).at(-1) as string;
  const anchor = { journal: journal as string, sequence, hash: last.split('\t')[1] as string, at: 1 };
  assert.deepEqual((await verifyJournal(original, { anchor })).problems, []);
  const cut = async (folder: string): Promise<void> => {
    await unlink(join(folder, 'anchor'));
    await damage(segmentFile(folder, segments), (bytes) => joined(lines(bytes).slice(0, -1)));
  };
  const unanchored = await verified(cut);
  assert.deepEqual(
    [unanchored.problems, unanchored.anchoredRecord, unanchored.cleanlyClosed],
    [[], 0, false],
    'without one, only that it does not end with `closed`',
  );
  const folder = await mkdtemp(join(tmpdir(), 'hufu-journal-'));
  await cp(original, folder, { recursive: true });
  await cut(folder);
  assert.equal((await verifyJournal(folder, { anchor })).problems.length, 1);
  assert.equal((await verifyJournal(original, { anchor: { ...anchor, hash: 'x' } })).problems.length, 1, 'another history');
  assert.equal((await verifyJournal(original, { anchor: { ...anchor, journal: 'x' } })).problems.length, 1, 'another journal');
  await rm(folder, { recursive: true });
});

test('missing, swapped and foreign segments are found', async (t) => {
  const missing = await verified((folder) => unlink(segmentFile(folder, 2)));
  assert.ok(missing.problems.some(({ segment, reason }) => segment === 2 && /missing/.test(reason)));
  const first = await verified((folder) => unlink(segmentFile(folder, 1)));
  assert.ok(first.problems.some(({ segment, reason }) => segment === 1 && /missing/.test(reason)));
  const swapped = await verified(async (folder) => {
    await rename(segmentFile(folder, 2), join(folder, 'x'));
    await rename(segmentFile(folder, 3), segmentFile(folder, 2));
    await rename(join(folder, 'x'), segmentFile(folder, 3));
  });
  assert.ok(swapped.problems.some(({ segment, reason }) => segment === 2 && /written as number 3/.test(reason)));
  const other = await openTestJournal(t, await temporaryDirectory(t));
  await other.journal.close();
  const foreign = await verified((folder) => cp(segmentFile(other.folder, 1), segmentFile(folder, segments)));
  assert.ok(foreign.problems.some(({ reason }) => /another journal/.test(reason)));
  const emptied = await verified((folder) => writeFile(segmentFile(folder, 2), ''));
  assert.ok(emptied.problems.some(({ segment }) => segment === 2));
  const nothing = await verified(async (folder) => {
    for (let n = 1; n <= segments; n += 1) await unlink(segmentFile(folder, n));
  });
  assert.ok(nothing.problems.length > 0);
});

test('a checkpoint that somebody else signed is found, also with the whole chain made anew', async (t) => {
  const stranger = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
  assert.ok((await verifyJournal(original, { publicKeys: [stranger.publicKey] })).problems.length >= segments);
  const forged = await openTestJournal(t, await temporaryDirectory(t), { signer: { ...journalSigner, sign: () => Buffer.alloc(64) } });
  await forged.journal.close();
  assert.ok(
    (await verifyJournal(forged.folder, { publicKeys: [journalPublicKey] })).problems.some(({ reason }) => /signature/.test(reason)),
  );
  assert.deepEqual((await verifyJournal(forged.folder)).problems, [], 'without the key nobody can say');
});

test('M4: any flipped byte, in any file of the journal, is found', async () => {
  const files = (await readdir(original)).filter((name) => name.endsWith('.journal') || name === 'anchor');
  const sizes = new Map(await Promise.all(files.map(async (name) => [name, (await readFile(join(original, name))).length] as const)));
  await fc.assert(
    fc.asyncProperty(fc.constantFrom(...files), fc.nat(), fc.integer({ min: 1, max: 255 }), async (name, place, mask) => {
      const at = place % (sizes.get(name) as number);
      const { problems } = await verified((folder) =>
        damage(join(folder, name), (bytes) => {
          bytes[at] = (bytes[at] as number) ^ mask;
          return bytes;
        }),
      );
      // The newline that ends the anchor means nothing.
      if (!(name === 'anchor' && at === (sizes.get(name) as number) - 1)) assert.ok(problems.length > 0, `${name} byte ${at}`);
    }),
    { numRuns: 150 },
  );
});

test('M4: any deletion, swap or truncation of whole records is found', async () => {
  const edit = fc.oneof(
    fc.record({ kind: fc.constant('delete' as const), at: fc.nat(), count: fc.integer({ min: 1, max: 4 }) }),
    fc.record({ kind: fc.constant('swap' as const), at: fc.nat(), count: fc.integer({ min: 1, max: 4 }) }),
    fc.record({ kind: fc.constant('truncate' as const), at: fc.nat(), count: fc.constant(0) }),
  );
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 1, max: 3 }), edit, async (number, { kind, at, count }) => {
      let changed = false;
      const { problems } = await verified((folder) =>
        damage(segmentFile(folder, number), (bytes) => {
          const all = lines(bytes);
          const place = at % all.length;
          const edited = joined(
            kind === 'delete'
              ? all.toSpliced(place, count)
              : kind === 'truncate'
                ? all.slice(0, place)
                : swap(all, place, (place + count) % all.length),
          );
          changed = !edited.equals(bytes);
          return edited;
        }),
      );
      assert.ok(!changed || problems.length > 0);
    }),
    { numRuns: 80 },
  );
});

const swap = (all: string[], a: number, b: number): string[] => all.with(a, all[b] as string).with(b, all[a] as string);

test('a torn last record is no tampering: told by verify, cut by the next start, and only that', async (t) => {
  const directory = await temporaryDirectory(t);
  const { journal, folder } = await openTestJournal(t, directory);
  await journal.synced(journal.append(admitted(1)));
  const whole = await readFile(segmentFile(folder, 1));
  await journal.synced(journal.append(admitted(2)));
  await journal.close();
  const torn = (await readFile(segmentFile(folder, 1))).subarray(0, whole.length + 57);
  // A crash: neither `closed` nor its anchor was ever written.
  await rm(join(folder, 'anchor'));
  await writeFile(segmentFile(folder, 1), torn);
  const found = await verifyJournal(folder, { publicKeys: [journalPublicKey] });
  assert.deepEqual([found.problems, found.tornBytes, found.cleanlyClosed], [[], 57, false]);
  const next = await openTestJournal(t, directory);
  assert.equal(next.alarms.length, 1);
  assert.match(next.alarms[0] as string, /cut 57 bytes .* after record 2/);
  assert.deepEqual(await collect(next.journal.facts()), [admitted(1)]);
  await next.journal.close();
  assert.deepEqual((await verifyJournal(folder, { publicKeys: [journalPublicKey] })).problems, []);
});

test('blocks that were never written at the end are torn too, but not when whole records stand behind them', async (t) => {
  const directory = await temporaryDirectory(t);
  const { journal, folder } = await openTestJournal(t, directory);
  await journal.synced(journal.append(admitted(1)));
  await journal.close();
  await rm(join(folder, 'anchor'));
  const good = await readFile(segmentFile(folder, 1));
  await writeFile(segmentFile(folder, 1), Buffer.concat([good, Buffer.alloc(300), Buffer.from('xx\nyy')]));
  assert.deepEqual((await verifyJournal(folder)).problems, []);
  const next = await openTestJournal(t, directory);
  assert.match(next.alarms[0] as string, /cut 305 bytes/);
  await next.journal.close();
  await damage(segmentFile(folder, 1), (bytes) => {
    bytes[bytes.indexOf('"admissionId"')] = 0;
    return bytes;
  });
  assert.ok((await verifyJournal(folder)).problems.length > 0);
  await assert.rejects(openTestJournal(t, directory), /record 2 /);
});

const starts: readonly (readonly [string, (bytes: Buffer) => Buffer, RegExp])[] = [
  ['an edited record', (bytes) => Buffer.from(bytes.toString().replace('"a2"', '"a9"')), /record 3 .*changed.*journal verify/],
  ['an edited last record', (bytes) => Buffer.from(bytes.toString().replace('"closed"', '"clased"')), /record 4 .*changed/],
  ['a removed record', (bytes) => joined(lines(bytes).toSpliced(2, 1)), /record 2 .*missing/],
  ['a cut tail', (bytes) => joined(lines(bytes).slice(0, -2)), /ends at record 2, but record 4/],
  ['no checkpoint', (bytes) => joined(lines(bytes).slice(1)), /checkpoint/],
];
for (const [what, change, message] of starts)
  test(`${what}: the gateway refuses to start and names the record`, async (t) => {
    const directory = await temporaryDirectory(t);
    const { journal, folder } = await openTestJournal(t, directory);
    journal.append(admitted(1));
    journal.append(admitted(2));
    await journal.close();
    await damage(segmentFile(folder, 1), change);
    await assert.rejects(openTestJournal(t, directory), (error: Error) => {
      assert.ok(error instanceof UserError);
      assert.match(error.message, message);
      assert.ok(!error.message.includes('\n'));
      return true;
    });
    await damage(segmentFile(folder, 1), () => Buffer.from(''));
  });

test('facts are not read out of a damaged journal', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'hufu-journal-'));
  await cp(original, folder, { recursive: true });
  await damage(segmentFile(folder, 1), (bytes) => Buffer.from(bytes.toString().replace('"add":100', '"add":900')));
  await assert.rejects(collect(readFacts(folder)), UserError);
  await rm(folder, { recursive: true });
});

test('a segment that was begun but never written does not stop the next start', async (t) => {
  const directory = await temporaryDirectory(t);
  const { journal, folder } = await openTestJournal(t, directory);
  await journal.synced(journal.append(admitted(1)));
  await journal.close();
  await writeFile(segmentFile(folder, 2), '{"seq":4,"at":1,"boot":"x","type":"check');
  assert.deepEqual((await verifyJournal(folder)).problems, []);
  const next = await openTestJournal(t, directory, { segmentBytesMax: 10 });
  await next.journal.synced(next.journal.append(admitted(2)));
  await next.journal.close();
  assert.deepEqual(await collect(readFacts(folder)), [admitted(1), admitted(2)]);
  assert.deepEqual((await verifyJournal(folder, { publicKeys: [journalPublicKey] })).problems, []);
});

test('a journal that goes on under another key verifies with both, and with one of them only its part', async (t) => {
  const next = generateKeyPairSync('ed25519');
  const directory = await temporaryDirectory(t);
  const first = await openTestJournal(t, directory);
  first.journal.append(nonce(1));
  await first.journal.close();
  const signer = { keyid: 'next', algorithm: 'ed25519', sign: (data: Uint8Array) => signBytes('ed25519', next.privateKey, data) } as const;
  const second = await openTestJournal(t, directory, { signer });
  second.journal.append(nonce(2));
  await second.journal.close();
  const problems = async (...publicKeys: KeyObject[]) => (await verifyJournal(second.folder, { publicKeys })).problems;
  assert.deepEqual(await problems(journalPublicKey, next.publicKey), []);
  assert.deepEqual(await problems(next.publicKey, journalPublicKey), []);
  for (const [key, why] of [
    [next.publicKey, 'the new key alone'],
    [journalPublicKey, 'the old key alone'],
  ] as const) {
    const found = await problems(key);
    assert.ok(found.length > 0 && found.every(({ reason }) => /signature/.test(reason)), why);
  }
});
