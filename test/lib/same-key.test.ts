import assert from 'node:assert/strict';
import { createPrivateKey, generateKeyPairSync } from 'node:crypto';
import { test } from 'node:test';
import { sameKey } from '../../src/lib/same-key.ts';

const keys = [
  generateKeyPairSync('ec', { namedCurve: 'P-256' }),
  generateKeyPairSync('ec', { namedCurve: 'P-256' }),
  generateKeyPairSync('ec', { namedCurve: 'P-384' }),
  generateKeyPairSync('rsa', { modulusLength: 2048 }),
  generateKeyPairSync('ed25519'),
].map(({ privateKey }) => privateKey);

test('a key is the same as itself only, and a comparison leaves nothing behind that spoils the next key', () => {
  for (const [i, a] of keys.entries())
    for (const [j, b] of keys.entries()) {
      assert.equal(sameKey(a, b), i === j);
      const text = a.export({ type: 'pkcs8', format: 'pem' });
      assert.ok(sameKey(a, createPrivateKey(text)), 'a key is read after it');
    }
});
