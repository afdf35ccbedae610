import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { chmodSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { type EncryptionKeyFile, loadEncryptionKeys } from '../../src/keys/encryption-keys.ts';
import type { WrittenKeyState } from '../../src/protocol/answer-key.ts';
import { makePki, type Pki } from '../support/pki.ts';

const DAY_MS = 86_400_000;

describe('the keys that requests are encrypted to', () => {
  let pki: Pki;
  let notBeforeMs: number;
  let notAfterMs: number;
  before(async () => {
    pki = await makePki();
    const { validFrom, validTo } = new X509Certificate(pki.read('encryption/platform-enc-ec').certificatePem);
    [notBeforeMs, notAfterMs] = [Date.parse(validFrom), Date.parse(validTo)];
  });
  after(() => pki.dispose());

  const row = (keyid: string, written: WrittenKeyState = {}, file = 'encryption/platform-enc-ec'): EncryptionKeyFile => ({
    ...{ keyid, certificate: join(pki.directory, `${file}.crt`), key: join(pki.directory, `${file}.key`) },
    ...written,
  });
  const load = (rows: readonly EncryptionKeyFile[], nowMs: number, production = false) => loadEncryptionKeys(rows, { production, nowMs });
  const at = (days: number): string => new Date(notBeforeMs + days * DAY_MS).toISOString();
  const life = () => ({ currentFrom: at(1), retiringFrom: at(2), retiredFrom: at(3) });

  const moments: readonly (readonly [days: number, state: string | undefined, decrypts: boolean, why: string])[] = [
    [0, 'announced', true, 'a merchant who encrypts too early is understood'],
    [1, 'current', true, 'the very moment'],
    [2, 'retiring', true, 'what was encrypted to it before is on its way'],
    [3, undefined, false, 'the end, without a reload'],
  ];
  test('one key from its announcement to its end, by dates alone', () => {
    const keys = load([row('e', life())], notBeforeMs);
    for (const [days, state, decrypts, why] of moments) {
      const nowMs = notBeforeMs + days * DAY_MS;
      const { keys: told, retired } = keys.publication(nowMs);
      assert.deepEqual([told[0]?.state, retired], [state, state ? [] : ['e']], why);
      assert.equal(keys.find('e', nowMs) !== undefined, decrypts, why);
      assert.equal(keys.publication(nowMs + 1), keys.publication(nowMs), 'the same object until something changes');
    }
  });

  test('outside its validity a certificate is not told as current, and what was encrypted to it is opened', () => {
    const early = load([row('e')], notBeforeMs - DAY_MS);
    assert.equal(early.publication(notBeforeMs - DAY_MS).keys[0]?.state, 'announced');
    assert.equal(early.publication(notBeforeMs).keys[0]?.state, 'current');
    const late = early.publication(notAfterMs + 1);
    assert.deepEqual([late.keys, late.retired], [[], []], 'not said to be retired: it may be renewed');
    assert.ok(early.find('e', notAfterMs + 1));
  });

  test('files of a retired key may be gone; it is told by name', () => {
    const keys = load([row('gone', { state: 'retired' }, 'nowhere'), row('e')], notBeforeMs);
    assert.deepEqual(keys.publication(notBeforeMs).retired, ['gone']);
    assert.equal(keys.find('gone', notBeforeMs), undefined);
  });

  test('a key file that others may read is refused in every profile', () => {
    const file = join(pki.directory, 'encryption/platform-enc-rsa.key');
    chmodSync(file, 0o640);
    for (const production of [false, true])
      assert.throws(() => load([row('r', {}, 'encryption/platform-enc-rsa')], notBeforeMs, production), {
        name: 'UserError',
        message: /platform-enc-rsa\.key may be read by others than its owner \(mode 640\): run chmod 600/,
      });
    chmodSync(file, 0o600);
  });
});
