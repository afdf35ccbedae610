import assert from 'node:assert/strict';
import { createPrivateKey, createPublicKey, createSecretKey, randomBytes, type webcrypto } from 'node:crypto';
import { type TestContext, test } from 'node:test';
import { sameBytes } from '../../src/lib/bytes.ts';
import { decryptJwe, type Jwe, readJwe } from '../../src/protocol/jwe/compact.ts';
import { type JweHeader, JweProblem } from '../../src/protocol/jwe/header.ts';
import { type JweKey, unwrapContentKey, wrapContentKey } from '../../src/protocol/jwe/key-management.ts';
import { macOf } from '../../src/protocol/working-key.ts';
import { readVectors } from './outside.ts';

/** github C2SP/wycheproof dac1dd47, testvectors_v1: what working keys and encryption are made of, each through our own functions. */
type Vector = { readonly tcId: number; readonly comment: string; readonly result: string } & Readonly<Record<string, string>>;
type Group = Readonly<Record<string, unknown>> & { readonly tests: readonly Vector[] };

const groupsOf = (t: TestContext, file: string): readonly Group[] => {
  const [vectors] = readVectors(t, 'wycheproof', new RegExp(`^${file}$`)) ?? [];
  return vectors ? (JSON.parse(vectors.bytes.toString()) as { readonly testGroups: readonly Group[] }).testGroups : [];
};
const hex = (text: string | undefined): Buffer => Buffer.from(text ?? '', 'hex');

test('hmac_sha256_test.json: exactly the valid ones of full length', (t) => {
  for (const { tagSize, tests } of groupsOf(t, 'hmac_sha256_test.json'))
    for (const { tcId, comment, key, msg, tag, result } of tests) {
      const isTaken = sameBytes(macOf(createSecretKey(hex(key)), hex(msg)), hex(tag));
      assert.equal(isTaken, result === 'valid' && tagSize === 256, `${tcId}: ${comment}`);
    }
});

const WRAPPING: JweKey = { keyid: 'w', algorithm: 'A256KW', key: createSecretKey(randomBytes(32)) };
const header = (algorithm: JweHeader['algorithm'], more: Partial<JweHeader> = {}) => ({ algorithm, ...more }) as JweHeader;

test('aes_gcm_test.json: of keys of 256 bits, IVs of 96 and tags of 128 exactly the valid ones', (t) => {
  let looked = 0;
  for (const { keySize, ivSize, tagSize, tests } of groupsOf(t, 'aes_gcm_test.json')) {
    if (keySize !== 256 || ivSize !== 96 || tagSize !== 128) continue;
    for (const { tcId, comment, key, iv, aad, msg, ct, tag, result } of tests) {
      looked += 1;
      const { encryptedKey } = wrapContentKey(WRAPPING, hex(key));
      const parts = { encryptedKey, iv: hex(iv), ciphertext: hex(ct), tag: hex(tag) };
      const jwe: Jwe = { header: header('A256KW'), protectedText: hex(aad).toString('latin1'), ...parts };
      const opened = decryptJwe(jwe, WRAPPING)?.toString('hex');
      assert.equal(opened, result === 'valid' ? msg : undefined, `${tcId}: ${comment}`);
    }
  }
  t.diagnostic(`${looked} ciphertexts`);
});

test('rsa_oaep_2048_sha256_mgf1sha256_test.json: a content key of 32 bytes of a valid one, else a random one', (t) => {
  for (const { privateKeyPem, tests } of groupsOf(t, 'rsa_oaep_2048_sha256_mgf1sha256_test.json')) {
    const key: JweKey = { keyid: 'r', algorithm: 'RSA-OAEP-256', key: createPrivateKey(privateKeyPem as string) };
    for (const { tcId, comment, msg, ct, label, result } of tests) {
      const found = unwrapContentKey(header('RSA-OAEP-256'), hex(ct), key);
      assert.equal(found.length, 32);
      const isOurs = result === 'valid' && label === '' && hex(msg).length === 32;
      assert.equal(found.equals(hex(msg)), isOurs, `${tcId}: ${comment}`);
    }
  }
});

const OURS: readonly unknown[] = ['RSA-OAEP-256', 'ECDH-ES+A256KW', 'A256KW'];

/** Our header demands a binding, which these have not: so the header is taken as it is, and the rest goes our way. */
function opens(text: string, jwk: webcrypto.JsonWebKey, alg: JweKey['algorithm']): boolean {
  const [protectedText = '', ...parts] = text.split('.');
  const [encryptedKey, iv, ciphertext, tag] = parts.map((part) => Buffer.from(part, 'base64url')) as [Buffer, Buffer, Buffer, Buffer];
  const key =
    jwk.kty === 'oct' ? createSecretKey(Buffer.from(jwk.k as string, 'base64url')) : createPrivateKey({ key: jwk, format: 'jwk' });
  try {
    const { epk, alg: named, enc, zip } = JSON.parse(Buffer.from(protectedText, 'base64url').toString());
    if (named !== alg || enc !== 'A256GCM' || zip !== undefined) return false;
    const ephemeralKey = epk && createPublicKey({ key: epk, format: 'jwk' });
    const jwe = { header: header(alg, { ephemeralKey }), protectedText, encryptedKey, iv, ciphertext, tag };
    return decryptJwe(jwe, { keyid: 'k', algorithm: alg, key }) !== undefined;
  } catch {
    return false;
  }
}

test('json_web_encryption_test.json: what has our algorithms opens exactly when it is valid, and readJwe takes nothing without a binding', (t) => {
  let looked = 0;
  for (const { private: jwk, tests } of groupsOf(t, 'json_web_encryption_test.json')) {
    const key = jwk as webcrypto.JsonWebKey & { readonly alg?: string };
    for (const { tcId, comment, jwe, result, enc } of tests) {
      if (typeof jwe !== 'string') continue;
      assert.throws(() => readJwe(jwe), JweProblem, `${tcId}: ${comment}`);
      if (!OURS.includes(key.alg) || enc !== 'A256GCM') continue;
      looked += 1;
      assert.equal(opens(jwe, key, key.alg as JweKey['algorithm']), result === 'valid', `${tcId}: ${comment}`);
    }
  }
  t.diagnostic(`${looked} messages opened or refused`);
});
