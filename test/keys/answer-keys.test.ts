import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { chmodSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import fc from 'fast-check';
import { type AnswerKeys, createAnswerKeys, type HeldKey } from '../../src/keys/answer-keys.ts';
import { type AnswerKey, type AnswerKeysOptions, loadAnswerKeys } from '../../src/keys/load-answer-keys.ts';
import { type AlgorithmName, verifyBytes } from '../../src/protocol/algorithms.ts';
import { isInShare, KEY_STATES, keyStateAt, nextKeyChangeMs, type WrittenKeyState } from '../../src/protocol/answer-key.ts';
import type { KeyHint } from '../../src/protocol/key-hint.ts';
import { makePki, type Pki } from '../support/pki.ts';

const NOW_MS = Date.parse('2027-01-10T00:00:00Z');
const DAY_MS = 86_400_000;
const at = (days: number): string => new Date(NOW_MS + days * DAY_MS).toISOString();

const states: readonly (readonly [WrittenKeyState, number, string, string])[] = [
  // written                                                   day   state        why
  [{}, 0, 'current', 'nothing written'],
  [{ state: 'announced' }, 999, 'announced', 'no moment moves it'],
  [{ currentFrom: at(1) }, 0, 'announced', 'before its moment'],
  [{ currentFrom: at(1) }, 1, 'current', 'the very moment'],
  [{ state: 'announced', currentFrom: at(1), retiringFrom: at(2), retiredFrom: at(3) }, 2, 'retiring', 'the second moment'],
  [{ state: 'announced', currentFrom: at(1), retiringFrom: at(2), retiredFrom: at(3) }, 3, 'retired', 'the last moment'],
  [{ retiredFrom: at(1) }, 2, 'retired', 'a moment may skip a state'],
  [{ state: 'retiring', currentFrom: at(-1) }, 0, 'retiring', 'a moment never moves it back'],
  [{ state: 'retired', currentFrom: at(-1) }, 0, 'retired', 'nor does it wake the dead'],
  [{ retiringFrom: at(-2), currentFrom: at(-1) }, 0, 'retiring', 'moments in the wrong order'],
  [{ currentFrom: '2027-01-11T08:00:00+08:00' }, 1, 'current', 'a moment with an offset'],
];
for (const [written, days, state, why] of states) {
  test(`the state of a key: ${why}`, () => assert.equal(keyStateAt(written, NOW_MS + days * DAY_MS), state));
}

const days = fc.option(fc.integer({ min: -5, max: 5 }).map(at), { nil: undefined });
const written = fc.record({
  state: fc.option(fc.constantFrom(...KEY_STATES), { nil: undefined }),
  ...{ currentFrom: days, retiringFrom: days, retiredFrom: days },
});

test('a key never grows younger, and changes only at the moments that are told', () => {
  fc.assert(
    fc.property(written, fc.integer({ min: -7, max: 7 }), fc.nat(14 * 24), (key, day, hours) => {
      const fromMs = NOW_MS + day * DAY_MS;
      const thenMs = fromMs + hours * 3_600_000;
      const [before, later] = [keyStateAt(key, fromMs), keyStateAt(key, thenMs)].map((state) => KEY_STATES.indexOf(state));
      assert.ok((before as number) <= (later as number));
      if (thenMs < nextKeyChangeMs([key], fromMs)) assert.equal(before, later);
    }),
  );
});

test('a share of the merchants only grows, is the same everywhere, and is another one for another key', () => {
  const numbers = Array.from({ length: 20_000 }, (_, i) => String(800_000_000_000_000 + i));
  const chosen = (keyid: string, percent: number): Set<string> => new Set(numbers.filter((number) => isInShare(keyid, number, percent)));
  let before = new Set<string>();
  for (const percent of [1, 5, 25, 50, 99, 100]) {
    const now = chosen('key-2027', percent);
    assert.ok(
      [...before].every((number) => now.has(number)),
      `${percent} % contains what was chosen before`,
    );
    const expected = (numbers.length * percent) / 100;
    assert.ok(Math.abs(now.size - expected) <= 5 * Math.sqrt(expected), `${percent} %: ${now.size}`);
    before = now;
  }
  const others = chosen('key-2028', 5);
  const both = [...chosen('key-2027', 5)].filter((number) => others.has(number)).length;
  assert.ok(both < 200, `${both} merchants are among the first 5 % twice`);
});

const EC: AlgorithmName = 'ecdsa-p256-sha256';
const RSA: AlgorithmName = 'rsa-v1_5-sha256';
type Row = WrittenKeyState & { readonly algorithm?: AlgorithmName; readonly share?: number; readonly validDays?: number };
const held = (keyid: string, { algorithm = EC, share = 100, validDays = 30, ...state }: Row = {}): HeldKey => ({
  signer: { keyid, algorithm, sign: () => Buffer.alloc(0) },
  der: Buffer.alloc(0),
  certificate: {
    ...{ keyid, algorithm, serial: `0${keyid.length}AB`, alipaySerial: '', pem: '' },
    ...{ notBeforeMs: NOW_MS - DAY_MS, notAfterMs: NOW_MS + validDays * DAY_MS },
  },
  written: state,
  sharePercent: share,
});
const MERCHANT = '800000000000001';
const choose = (keys: AnswerKeys, hint?: KeyHint, algorithm: AlgorithmName = EC, nowMs = NOW_MS): string | undefined =>
  keys.choose({ number: MERCHANT, answerAlgorithm: algorithm }, hint, nowMs)?.signer.keyid;

const keys = createAnswerKeys(
  [
    held('next', { state: 'announced' }),
    held('now'),
    held('spare'),
    held('old', { state: 'retiring' }),
    held('rsa', { algorithm: RSA }),
    held('gone', { validDays: -0.5 }),
  ],
  ['long-gone'],
);
const covered = (hint: Partial<KeyHint>): KeyHint => ({ isCovered: true, ...hint });
const chosen: readonly (readonly [KeyHint | undefined, AlgorithmName, string | undefined, string])[] = [
  // hint                                          preference  key      why
  [undefined, EC, 'now', 'the first current key of the preference'],
  [undefined, RSA, 'rsa', 'another preference'],
  [undefined, 'ed25519', undefined, 'a preference that no key has'],
  [covered({ keyid: 'spare' }), EC, 'spare', 'another current key'],
  [covered({ keyid: 'old' }), EC, 'old', 'a retiring key, asked for by name'],
  [covered({ keyid: 'next' }), EC, 'next', 'an announced key, to rehearse'],
  [covered({ keyid: 'rsa' }), EC, 'rsa', 'a key of another algorithm'],
  [covered({ keyid: 'rsa', algorithm: EC }), EC, 'now', 'a key and an algorithm that is not its own: no such key'],
  [covered({ algorithm: RSA }), EC, 'rsa', 'an algorithm'],
  [covered({ algorithm: 'ed25519' }), EC, 'now', 'an algorithm that no key has'],
  [covered({ keyid: 'gone' }), EC, 'now', 'a key whose certificate has expired'],
  [covered({ keyid: 'long-gone' }), EC, 'now', 'a retired key'],
  [covered({ keyid: '__proto__' }), EC, 'now', 'no key at all'],
  [{ isCovered: false, keyid: 'old' }, EC, 'now', 'a retiring key in a header that nobody signed: no downgrade'],
  [{ isCovered: false, algorithm: RSA }, EC, 'now', 'an algorithm in a header that nobody signed'],
  [{ isCovered: false, serial: '05AB' }, EC, 'spare', 'a current key by serial number'],
  [{ isCovered: false, serial: 'rsa' }, EC, 'rsa', 'a current key by keyid, as the serial number'],
];
for (const [hint, algorithm, keyid, why] of chosen) test(`chosen: ${why}`, () => assert.equal(choose(keys, hint, algorithm), keyid));

test('what is published: announced, current and retiring keys, and the names of those that are gone', () => {
  const { certificates, retired } = keys.publication(NOW_MS);
  assert.deepEqual(
    certificates.map(({ keyid, state }) => [keyid, state]),
    [
      ...[
        ['next', 'announced'],
        ['now', 'current'],
        ['spare', 'current'],
      ],
      ...[
        ['old', 'retiring'],
        ['rsa', 'current'],
      ],
    ],
  );
  assert.deepEqual(retired, ['long-gone'], 'not one whose certificate has run out: it may be renewed');
  assert.equal(keys.publication(NOW_MS + 1), keys.publication(NOW_MS + 2), 'the same object while nothing changes');
});

test('moments take effect by themselves, one after the other', () => {
  const rotating = createAnswerKeys(
    [held('old', { retiringFrom: at(2), retiredFrom: at(3) }), held('new', { currentFrom: at(2), share: 100 })],
    [],
  );
  const seen = [0, 1.99, 2, 2.99, 3].map((day) => {
    const nowMs = NOW_MS + day * DAY_MS;
    return [
      choose(rotating, undefined, EC, nowMs),
      rotating
        .publication(nowMs)
        .certificates.map(({ keyid }) => keyid)
        .join(),
    ];
  });
  assert.deepEqual(seen, [
    ['old', 'old,new'],
    ['old', 'old,new'],
    ['new', 'old,new'],
    ['new', 'old,new'],
    ['new', 'new'],
  ]);
});

test('a part of the merchants gets the new key, everybody else the old one, and so do refusals', () => {
  const numbers = Array.from({ length: 2_000 }, (_, i) => String(800_000_000_000_000 + i));
  const shared = createAnswerKeys([held('old'), held('new', { share: 25 })], []);
  for (const number of numbers) {
    const expected = isInShare('new', number, 25) ? 'new' : 'old';
    assert.equal(shared.choose({ number, answerAlgorithm: EC }, undefined, NOW_MS)?.signer.keyid, expected);
    assert.equal(shared.forRefusals(number, NOW_MS).keyid, expected);
  }
  assert.equal(shared.forRefusals(undefined, NOW_MS).keyid, 'old', 'who is nobody yet gets the key of all');
});

test('a certificate that is not valid yet makes its key an announced one', () => {
  const early = held('early');
  const later = { ...early, certificate: { ...early.certificate, notBeforeMs: NOW_MS + DAY_MS } };
  const two = createAnswerKeys([later, held('now')], []);
  assert.equal(choose(two), 'now');
  assert.equal(choose(two, undefined, EC, NOW_MS + DAY_MS), 'early');
});

let pki: Pki;
before(async () => {
  pki = await makePki();
});
after(() => pki.dispose());
const row = (keyid: string, changes: Partial<AnswerKey> = {}): AnswerKey => ({
  keyid,
  certificate: join(pki.directory, `signing/${keyid}.crt`),
  ...{ ...changes, key: join(pki.directory, `signing/${changes.key ?? keyid}.key`) },
});
const load = (answerKeys: readonly AnswerKey[], changes: Partial<AnswerKeysOptions> = {}): AnswerKeys =>
  loadAnswerKeys({ answerKeys, nowMs: Date.now(), ...changes });

test('from files: signers sign, and what is published verifies them', async () => {
  const loaded = load([row('platform-ec'), row('platform-rsa')]);
  for (const { keyid, algorithm, pem, serial, notAfterMs } of loaded.publication(Date.now()).certificates) {
    const certificate = new X509Certificate(pem);
    const signer = loaded.choose({ number: MERCHANT, answerAlgorithm: algorithm }, undefined, Date.now());
    const signature = await signer?.signer.sign(Buffer.from('answer'));
    assert.ok(verifyBytes(algorithm, certificate.publicKey, Buffer.from('answer'), signature as Buffer), keyid);
    assert.deepEqual([certificate.serialNumber, certificate.validToDate.getTime()], [serial, notAfterMs]);
    assert.equal(pem.match(/BEGIN/g)?.length, 1, 'the certificate alone');
  }
  assert.equal(load([row('platform-rsa'), row('platform-ec')]).forRefusals(undefined, Date.now()).keyid, 'platform-ec');
  const pss = load([row('platform-ec'), row('platform-rsa', { algorithm: 'rsa-pss-sha512' })]);
  assert.equal(choose(pss, undefined, 'rsa-pss-sha512', Date.now()), 'platform-rsa');
});

test('the files of a retired key are not read', () => {
  const loaded = load([row('platform-ec'), row('absent', { state: 'retired' })]);
  assert.deepEqual(loaded.publication(Date.now()).retired, ['absent']);
});

const LATER_MS = Date.now() + 1000 * DAY_MS;
const broken: readonly (readonly [() => AnswerKeys, RegExp, string])[] = [
  [() => load([row('platform-rsa')]), /answers\.keys has no P-256/, 'no key that signs refusals cheaply'],
  [() => load([row('platform-ec', { state: 'announced' }), row('platform-rsa')]), /has no P-256/, 'one that is only announced'],
  [() => load([row('platform-ec', { sharePercent: 5 }), row('platform-rsa')]), /has no P-256/, 'one for a part of the merchants only'],
  [() => load([row('platform-ec', { key: 'platform-rsa' })]), /platform-rsa\.key is not the key of .*platform-ec\.crt/, "another's key"],
  [() => load([row('absent')]), /absent\.crt cannot be read \(ENOENT\)/, 'a path that does not exist'],
  [() => load([row('platform-ec')], { nowMs: LATER_MS }), /platform-ec\.crt is not valid now .* renew/, 'an expired certificate'],
  [() => load([row('platform-rsa', { algorithm: 'ed25519' }), row('platform-ec')]), /rsa\.key does not fit/, 'an algorithm of other keys'],
  [() => load([row('platform-ec')], { production: true }), /was issued by a development authority/, 'development in production'],
];
for (const [run, message, why] of broken) {
  test(`answer keys are refused with one clear line: ${why}`, () => {
    assert.throws(run, (error: Error) => error.name === 'UserError' && message.test(error.message) && !/PRIVATE/.test(error.message));
  });
}

test('a key that others may read is refused, in development too', () => {
  const file = join(pki.directory, 'signing/platform-rsa.key');
  chmodSync(file, 0o644);
  assert.throws(() => load([row('platform-ec'), row('platform-rsa')]), {
    name: 'UserError',
    message: /platform-rsa\.key may be read by others/,
  });
  chmodSync(file, 0o600);
});
