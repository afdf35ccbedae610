import assert from 'node:assert/strict';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fingerprintsOf } from '../../src/admission/fingerprint.ts';
import { openWithAny, sealAnswer } from '../../src/keys/answer-seal.ts';
import { findTicketKeys, findWritingFile, loadSecretKeys, type SecretKeys } from '../../src/keys/secret-keys.ts';

const NOW_MS = Date.parse('2027-01-10T12:00:00Z');
const DAY_MS = 86_400_000;

/** Loads from a folder with these files; each key is its letter 64 times. */
function loaded(files: Readonly<Record<string, string>>, nowMs = NOW_MS): SecretKeys {
  const directory = mkdtempSync(join(tmpdir(), 'hufu-secret-keys-'));
  try {
    for (const [name, letter] of Object.entries(files)) writeFileSync(join(directory, name), letter.repeat(64));
    return loadSecretKeys(directory, 'answer-seal', nowMs);
  } finally {
    rmSync(directory, { recursive: true });
  }
}
const letterOf = ({ key }: { readonly key: Buffer }): string => key.toString('hex').charAt(0);

const TWO = { 'answer-seal.key': 'a', 'answer-seal.2027-01-11.key': 'b' };
const writing: readonly (readonly [Readonly<Record<string, string>>, number, string, string])[] = [
  // files                                          days  writes  why
  [{ 'answer-seal.key': 'a' }, 0, 'a', 'one key'],
  [TWO, 0, 'a', 'a dated key reads at once and does not write yet'],
  [TWO, 0.49, 'a', 'the last moment of the day before'],
  [TWO, 0.5, 'b', 'midnight, UTC'],
  [{ ...TWO, 'answer-seal.2027-02-01.key': 'c' }, 30, 'c', 'the newest whose day has come'],
  [{ 'answer-seal.2027-01-01.key': 'b' }, 0, 'b', 'the first file is gone'],
  [{ ...TWO, 'fingerprint.2027-01-05.key': 'f' }, 0, 'a', 'keys of another purpose are others'],
  [{ 'answer-seal.key': 'a', 'answer-seal.2027-01-05.pub': 'x' }, 0, 'a', 'what is no key'],
];
for (const [files, days, letter, why] of writing) {
  test(`the key that writes: ${why}`, () => assert.equal(letterOf(loaded(files).writing(NOW_MS + days * DAY_MS)), letter));
}

const broken: readonly (readonly [Readonly<Record<string, string>>, RegExp, string])[] = [
  [{}, /answer-seal\.key cannot be read/, 'none at all'],
  [{ 'answer-seal.2027-01-11.key': 'b' }, /no answer-seal key of .* writes today/, 'none that may write yet'],
  [
    { 'answer-seal.key': 'a', 'answer-seal.new.key': 'b' },
    /answer-seal\.new\.key: expected a name such as answer-seal\.2027-01-31\.key/,
    'no day',
  ],
  [{ 'answer-seal.key': 'a', 'answer-seal.2027-02-31.key': 'b' }, /expected a name such as/, 'a day that there is not'],
  [{ 'answer-seal.key': 'x' }, /holds no key: write 64/, 'no hexadecimal'],
];
for (const [files, message, why] of broken) {
  test(`refused: ${why}`, () =>
    assert.throws(
      () => loaded(files),
      (error: Error) => error.name === 'UserError' && message.test(error.message),
    ));
}

test('what the older key sealed is opened, what nobody of us sealed is not', () => {
  const aad = Buffer.from('order');
  const [before, both] = [loaded({ 'answer-seal.key': 'a' }), loaded(TWO)];
  const sealed = sealAnswer(before.writing(NOW_MS), Buffer.from('paid'), aad);
  assert.equal(openWithAny(both, sealed, aad)?.toString(), 'paid');
  const later = sealAnswer(both.writing(NOW_MS + DAY_MS), Buffer.from('paid'), aad);
  assert.equal(openWithAny(both, later, aad)?.toString(), 'paid');
  assert.equal(openWithAny(before, later, aad), undefined, 'an instance without the new file asks the core');
  assert.equal(openWithAny(both, Buffer.alloc(0), aad), undefined);
});

test('a request has a fingerprint under every key, and keeps the one of the key that writes', () => {
  const opened = {
    ...{ method: 'POST', target: '/v1/orders', operation: { id: 'o' }, merchant: { number: '1' } },
    ...{ rawHeaders: [], body: Buffer.from('{}') },
  } as unknown as Parameters<typeof fingerprintsOf>[1];
  const one = fingerprintsOf(loaded({ 'answer-seal.key': 'a' }), opened, NOW_MS);
  const two = fingerprintsOf(loaded(TWO), opened, NOW_MS + DAY_MS);
  assert.deepEqual(one.otherFingerprints, []);
  assert.deepEqual(two.otherFingerprints, [one.fingerprint]);
  assert.notEqual(two.fingerprint, one.fingerprint);
});

test('secrets of session tickets: none at all is none, and a file that others may read is refused', () => {
  const directory = mkdtempSync(join(tmpdir(), 'hufu-ticket-keys-'));
  try {
    assert.equal(findTicketKeys(directory, NOW_MS), undefined);
    const file = join(directory, 'tls-tickets.key');
    writeFileSync(file, 'a'.repeat(64), { mode: 0o600 });
    writeFileSync(join(directory, 'tls-tickets.2027-01-11.key'), 'b'.repeat(64), { mode: 0o600 });
    const keys = findTicketKeys(directory, NOW_MS) as SecretKeys;
    assert.deepEqual(
      [NOW_MS, NOW_MS + DAY_MS].map((ms) => letterOf(keys.writing(ms))),
      ['a', 'b'],
    );
    assert.deepEqual(
      [NOW_MS, NOW_MS + DAY_MS].map((ms) => findWritingFile(directory, 'tls-tickets', ms)),
      [file, join(directory, 'tls-tickets.2027-01-11.key')],
    );
    chmodSync(file, 0o644);
    assert.throws(() => findTicketKeys(directory, NOW_MS), { name: 'UserError', message: /tls-tickets\.key may be read by others/ });
  } finally {
    rmSync(directory, { recursive: true });
  }
});
