import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { appendFileSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { journalPublicKey, nonce, openTestJournal, temporaryDirectory } from '../journal/support.ts';
import { type Ran, runHufu } from './run-hufu.ts';

const RECORDS = 12;

/** A data directory with a journal of `boot`, ten nonces and `closed`, and the key it was signed with. */
async function dataWithJournal(t: TestContext) {
  const data = await temporaryDirectory(t);
  const { journal, folder } = await openTestJournal(t, join(data, 'journal'));
  for (let n = 1; n <= RECORDS - 2; n += 1) journal.append(nonce(n));
  await journal.close();
  mkdirSync(join(data, 'keys'));
  writeFileSync(join(data, 'keys', 'journal.pub'), journalPublicKey.export({ type: 'spki', format: 'pem' }));
  const [segment] = readdirSync(folder).filter((name) => /^\d+\./.test(name));
  return { data, folder, segment: join(folder, segment as string) };
}

const verify = (data: string, ...args: string[]): Promise<Ran> => runHufu(['journal', 'verify', '--data', data, ...args]);

/** The line of a record, and what is put in its place. */
function replaceLine(segment: string, seq: number, change: (line: string) => string): void {
  const lines = readFileSync(segment, 'utf8').split('\n');
  const at = lines.findIndex((line) => line.includes(`"seq":${seq},`) && !line.includes('"type":"checkpoint"'));
  assert.ok(at >= 0);
  const changed = change(lines[at] as string);
  writeFileSync(segment, [...lines.slice(0, at), ...(changed === '' ? [] : [changed]), ...lines.slice(at + 1)].join('\n'));
}

describe('hufu journal verify', () => {
  test('a whole journal', async (t) => {
    const { data, folder } = await dataWithJournal(t);
    const { code, stdout, stderr } = await verify(data);
    assert.deepEqual([code, stderr], [0, '']);
    assert.match(stdout, new RegExp(`^${folder}: whole, \\d+ records in 1 segment\n`));
    assert.doesNotMatch(stdout, /not closed|signatures not checked/);
    const json = JSON.parse((await verify(data, '--json')).stdout);
    assert.deepEqual([json[0].directory, json[0].problems, json[0].cleanlyClosed, json[0].lastRecord], [folder, [], true, RECORDS]);
  });

  const TAMPERED: readonly (readonly [why: string, seq: number, change: (line: string) => string, told: number])[] = [
    ['a changed record', 6, (line) => line.replace('nonce-5', 'nonce-6'), 6],
    ['a removed record', 7, () => '', 7],
    ['a record that stands twice', 8, (line) => `${line}\n${line}`, 8],
  ];
  for (const [why, seq, change, told] of TAMPERED) {
    test(`${why} is told by its number, exit status 1`, async (t) => {
      const { data, segment } = await dataWithJournal(t);
      replaceLine(segment, seq, change);
      const { code, stdout } = await verify(data);
      assert.match(stdout, new RegExp(`NOT as it was written, [^]*\\n {2}segment 1, record ${told}: `));
      assert.equal(code, 1);
      const json = await verify(data, '--json');
      assert.equal(json.code, 1);
      assert.equal(JSON.parse(json.stdout)[0].problems[0].record, told);
    });
  }

  test('a torn end is a crash and no problem', async (t) => {
    const { data, segment } = await dataWithJournal(t);
    const torn = `{"seq":${RECORDS + 1},"at":1`;
    appendFileSync(segment, torn);
    const { code, stdout } = await verify(data);
    assert.equal(code, 0);
    assert.match(stdout, new RegExp(`: whole, [^]*\\n {2}${torn.length} bytes of a record at the end were never finished \\(a crash\\)`));
  });

  test('an end that was cut off is behind its anchor', async (t) => {
    const { data, segment } = await dataWithJournal(t);
    for (const seq of [RECORDS, RECORDS - 1, RECORDS - 2]) replaceLine(segment, seq, () => '');
    const { code, stdout } = await verify(data);
    assert.equal(code, 1);
    assert.match(stdout, /NOT as it was written/);
  });

  test('signatures: of another key, or not checked for want of one', async (t) => {
    const { data, folder } = await dataWithJournal(t);
    const other = join(data, 'other.pub');
    writeFileSync(other, generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey.export({ type: 'spki', format: 'pem' }));
    const foreign = await verify(data, '--key', other);
    assert.equal(foreign.code, 1);
    assert.match(foreign.stdout, /\n {2}segment 1, record \d+: [^\n]*signature/);
    rmSync(join(data, 'keys'), { recursive: true });
    const unkeyed = await verify(data);
    assert.equal(unkeyed.code, 0);
    assert.match(unkeyed.stdout, /\(signatures not checked: no key\)/);
    // A copy elsewhere, as an auditor has it.
    const copy = await runHufu(['journal', 'verify', '--directory', folder, '--key', other]);
    assert.equal(copy.code, 1);
  });

  const WRONG: readonly (readonly [why: string, args: (data: string) => string[], said: RegExp])[] = [
    ['no journal', () => [], /^hufu: \S+\/journal: there is no journal; name one with --directory\n$/],
    ['no such folder', (data) => ['--directory', join(data, 'none')], /^hufu: \S+\/none: there is no such folder\n$/],
    ['no such key', (data) => ['--key', join(data, 'none.pub')], /^hufu: \S+none\.pub: there is no such file; --key names/],
    [
      'a key that is none',
      (data) => {
        writeFileSync(join(data, 'x.pub'), 'x');
        return ['--key', join(data, 'x.pub')];
      },
      /^hufu: \S+x\.pub: this is no public key in PEM form\n$/,
    ],
  ];
  for (const [why, args, said] of WRONG) {
    test(why, async (t) => {
      const data = await temporaryDirectory(t);
      const { code, stderr } = await verify(data, ...args(data));
      assert.match(stderr, said);
      assert.equal(code, 1);
    });
  }
});

describe('hufu journal list', () => {
  test('says which are open, closed, or ended uncleanly', async (t) => {
    const { data, segment } = await dataWithJournal(t);
    await openTestJournal(t, join(data, 'journal'), { instance: 'gateway-2' });
    const list = (...args: string[]) => runHufu(['journal', 'list', '--data', data, ...args]);
    const { code, stdout } = await list();
    assert.equal(code, 0);
    assert.match(stdout, /^journal +state +last record\ngateway-1 +closed +\d{4}-\S+Z\ngateway-2 +open +\d{4}-\S+Z\n$/);
    replaceLine(segment, RECORDS, () => '');
    const json = JSON.parse((await list('--json')).stdout);
    assert.deepEqual(
      json.map(({ instance, locked, cleanlyClosed }: Record<string, unknown>) => [instance, locked, cleanlyClosed]),
      [
        ['gateway-1', false, false],
        ['gateway-2', true, false],
      ],
    );
    assert.match((await list()).stdout, /^gateway-1 +ended uncleanly /m);
  });
});
