import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { createPublicKey, generateKeyPairSync } from 'node:crypto';
import { test } from 'node:test';
import { keyidOf } from '../../src/protocol/keyid.ts';

test('keyidOf is SHA-256 of the SubjectPublicKeyInfo, whatever form the key came in', () => {
  // The public key of RFC 8410 section 10.1.
  const pem = '-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n-----END PUBLIC KEY-----\n';
  const key = createPublicKey(pem);
  // printf of the PEM above | openssl pkey -pubin -outform DER | openssl dgst -sha256
  assert.equal(keyidOf(key), 'a1e9156054e04fac899ae9f275132cdc07a5dbc4ea2c2ad3a1ffc6e0d253681f');
  assert.equal(keyidOf(createPublicKey({ key: key.export({ format: 'jwk' }), format: 'jwk' })), keyidOf(key));
});

test('keyidOf is what openssl alone gives', (t) => {
  const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const pem = publicKey.export({ type: 'spki', format: 'pem' });
  const der = spawnSync('openssl', ['pkey', '-pubin', '-outform', 'DER'], { input: pem });
  if (der.error) return t.diagnostic('no openssl command here');
  const digest = spawnSync('openssl', ['dgst', '-sha256'], { input: der.stdout, encoding: 'utf8' });
  assert.equal(keyidOf(publicKey), digest.stdout.trim().split(' ').at(-1));
});
