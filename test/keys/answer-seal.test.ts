import assert from 'node:assert/strict';
import { createCipheriv, randomBytes } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import { openAnswer, SEAL_BYTES, sealAnswer } from '../../src/keys/answer-seal.ts';
import { createSecretKey } from '../../src/keys/secret-key.ts';
import { lengthPrefixed } from '../../src/lib/bytes.ts';

const key = createSecretKey('answer-seal', randomBytes(32));
const aad = Buffer.from('merchant and key');

test('property: what was sealed opens under the same key and aad, and only there', () => {
  const bytes = fc.uint8Array({ maxLength: 2000 });
  fc.assert(
    fc.property(bytes, bytes, bytes, (plaintext, associated, other) => {
      const sealed = sealAnswer(key, plaintext, associated);
      assert.equal(sealed.length, plaintext.length + SEAL_BYTES);
      assert.deepEqual(openAnswer(key, sealed, associated), Buffer.from(plaintext));
      if (Buffer.compare(associated, other) !== 0) assert.equal(openAnswer(key, sealed, other), undefined);
    }),
  );
});

test('a seal with any octet changed, missing or added does not open', () => {
  const sealed = sealAnswer(key, Buffer.from('{"status":"SUCCEEDED"}'), aad);
  for (const at of sealed.keys()) {
    const changed = Buffer.from(sealed);
    changed[at] = (changed[at] as number) ^ 1;
    assert.equal(openAnswer(key, changed, aad), undefined, `octet ${at}`);
    assert.equal(openAnswer(key, sealed.subarray(0, at), aad), undefined, `cut at ${at}`);
  }
  assert.equal(openAnswer(key, Buffer.concat([sealed, Buffer.from([0])]), aad), undefined);
});

test('fuzz: openAnswer never throws', () => {
  const sealed = fc.uint8Array({ maxLength: 100 }).map((bytes) => Buffer.concat([Buffer.from(key.id, 'hex'), bytes]));
  fc.assert(fc.property(sealed, (bytes) => assert.equal(openAnswer(key, bytes, aad), undefined)));
});

test('the key id stands in front, tells keys and purposes apart, and is authenticated', () => {
  const sealed = sealAnswer(key, Buffer.from('a'), aad);
  assert.equal(sealed.subarray(0, 8).toString('hex'), key.id);
  const samePurpose = createSecretKey('answer-seal', key.key);
  const otherPurpose = createSecretKey('fingerprint', key.key);
  assert.equal(samePurpose.id, key.id);
  assert.notEqual(otherPurpose.id, key.id);
  const moved = Buffer.concat([Buffer.from(otherPurpose.id, 'hex'), sealed.subarray(8)]);
  assert.equal(openAnswer(otherPurpose, moved, aad), undefined);
});

test('sealing twice gives two texts', () => {
  assert.notDeepEqual(sealAnswer(key, Buffer.from('a'), aad), sealAnswer(key, Buffer.from('a'), aad));
});

test('the form is AES-256-GCM as written down, so that another program can open it', () => {
  const [id, iv] = [Buffer.from(key.id, 'hex'), randomBytes(12)];
  const cipher = createCipheriv('aes-256-gcm', key.key, iv);
  cipher.setAAD(lengthPrefixed([id, aad]));
  const text = Buffer.concat([cipher.update('answer'), cipher.final()]);
  assert.equal(openAnswer(key, Buffer.concat([id, iv, text, cipher.getAuthTag()]), aad)?.toString(), 'answer');
});

test('a key of another length is a bug, not a weaker seal', () => {
  assert.throws(() => createSecretKey('answer-seal', randomBytes(16)), RangeError);
});
