import assert from 'node:assert/strict';
import { createPrivateKey, createPublicKey, generateKeyPairSync, sign, verify } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  ALGORITHM_NAMES,
  type AlgorithmName,
  defaultAlgorithm,
  findKeyProblem,
  isAlgorithmName,
  signBytes,
  verifyBytes,
} from '../../src/protocol/algorithms.ts';

const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
const p256 = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const p384 = generateKeyPairSync('ec', { namedCurve: 'P-384' });
const ed25519 = generateKeyPairSync('ed25519');
const PAIRS = {
  'rsa-v1_5-sha256': rsa,
  'rsa-pss-sha512': rsa,
  'rsa-pss-sha256': rsa,
  'ecdsa-p256-sha256': p256,
  'ecdsa-p384-sha384': p384,
  ed25519,
};
const DATA = Buffer.from('data');

for (const name of ALGORITHM_NAMES) {
  const { publicKey, privateKey } = PAIRS[name];
  test(`${name} signs and verifies, and any change is refused`, () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), fc.nat(), fc.integer({ min: 1, max: 255 }), (data, at, flip) => {
        const signature = signBytes(name, privateKey, data);
        assert.ok(verifyBytes(name, publicKey, data, signature));
        const forged = Buffer.from(signature);
        forged[at % forged.length] = (forged[at % forged.length] as number) ^ flip;
        assert.ok(!verifyBytes(name, publicKey, data, forged));
        assert.ok(!verifyBytes(name, publicKey, Buffer.concat([data, Buffer.from('x')]), signature));
        assert.ok(!verifyBytes(name, publicKey, data, Buffer.concat([signature, Buffer.from([0])])));
        assert.ok(!verifyBytes(name, publicKey, data, signature.subarray(1)));
      }),
      { numRuns: 10 },
    );
  });

  test(`${name} refuses hostile signatures without throwing`, () => {
    for (const length of [0, 1, 63, 64, 65, 96, 255, 256, 257, 100_000]) {
      for (const fill of [0, 1, 0xff]) assert.equal(verifyBytes(name, publicKey, DATA, Buffer.alloc(length, fill)), false);
    }
  });

  test(`${name} accepts signatures of no other algorithm`, () => {
    for (const other of ALGORITHM_NAMES.filter((candidate) => candidate !== name)) {
      assert.equal(verifyBytes(name, publicKey, DATA, signBytes(other, PAIRS[other].privateKey, DATA)), false);
    }
  });
}

test('the encodings are those of RFC 9421 section 3.3, checked with plain node:crypto', () => {
  const p1363 = { key: p256.publicKey, dsaEncoding: 'ieee-p1363' } as const;
  assert.ok(verify('sha256', DATA, p1363, signBytes('ecdsa-p256-sha256', p256.privateKey, DATA)));
  assert.equal(signBytes('ecdsa-p384-sha384', p384.privateKey, DATA).length, 96);
  assert.equal(verifyBytes('ecdsa-p256-sha256', p256.publicKey, DATA, sign('sha256', DATA, p256.privateKey)), false);
  for (const saltLength of [0, 32, 63, 190]) {
    const signature = sign('sha512', DATA, { key: rsa.privateKey, padding: 6, saltLength });
    assert.equal(verifyBytes('rsa-pss-sha512', rsa.publicKey, DATA, signature), false, `a salt of ${saltLength}`);
  }
  for (const saltLength of [0, 31, 32, 64]) {
    const signature = sign('sha256', DATA, { key: rsa.privateKey, padding: 6, saltLength });
    assert.equal(verifyBytes('rsa-pss-sha256', rsa.publicKey, DATA, signature), saltLength === 32, `a salt of ${saltLength} in JWS`);
  }
});

const small = generateKeyPairSync('rsa', { modulusLength: 1024 }).publicKey;
const p521 = generateKeyPairSync('ec', { namedCurve: 'P-521' }).publicKey;
const fits: readonly (readonly [name: AlgorithmName, key: typeof small, problem: RegExp | undefined])[] = [
  ['rsa-v1_5-sha256', rsa.publicKey, undefined],
  ['rsa-pss-sha512', rsa.publicKey, undefined],
  ['ecdsa-p256-sha256', p256.publicKey, undefined],
  ['ecdsa-p384-sha384', p384.publicKey, undefined],
  ['ed25519', ed25519.publicKey, undefined],
  ['rsa-v1_5-sha256', small, /at least 2048 bits, found 1024/],
  ['ecdsa-p256-sha256', p384.publicKey, /prime256v1, found secp384r1/],
  ['ecdsa-p384-sha384', p521, /secp384r1, found secp521r1/],
  ['ed25519', p256.publicKey, /type ed25519, found ec/],
  ['rsa-pss-sha512', ed25519.publicKey, /type rsa, found ed25519/],
];
for (const [name, key, problem] of fits) {
  test(`findKeyProblem ${name} with ${key.asymmetricKeyType}: ${problem ?? 'none'}`, () => {
    const found = findKeyProblem(name, key);
    if (problem) assert.match(found ?? '', problem);
    else assert.equal(found, undefined);
  });
}

test('a key without a record gets the first algorithm it fits', () => {
  assert.deepEqual(
    [rsa, p256, p384, ed25519].map(({ publicKey }) => defaultAlgorithm(publicKey)),
    ['rsa-v1_5-sha256', 'ecdsa-p256-sha256', 'ecdsa-p384-sha384', 'ed25519'],
  );
  for (const key of [small, p521]) assert.throws(() => defaultAlgorithm(key), TypeError);
});

test('names of algorithms are exact', () => {
  for (const name of ['RSA-PSS-SHA512', 'hmac-sha256', 'none', '', '__proto__', 'toString', undefined, 1])
    assert.equal(isAlgorithmName(name), false);
  assert.ok(ALGORITHM_NAMES.every(isAlgorithmName));
});

test('a public key read from PEM verifies what its private key signed', () => {
  const pem = p256.privateKey.export({ type: 'pkcs8', format: 'pem' });
  assert.ok(verifyBytes('ecdsa-p256-sha256', createPublicKey(pem), DATA, signBytes('ecdsa-p256-sha256', createPrivateKey(pem), DATA)));
});

test('an RSA signature has the length of the modulus: a leading zero byte cannot be dropped', () => {
  for (const name of ['rsa-v1_5-sha256', 'rsa-pss-sha512'] as const) {
    const withZero = Array.from({ length: 5000 }, (_, i) => Buffer.from(String(i))).find((data) => signedZero(name, data));
    assert.ok(withZero, 'one signature of 256 begins with a zero byte');
  }
});

/** Signs until the signature begins with a zero byte; then the shorter spelling of the same number must be refused. */
function signedZero(name: 'rsa-v1_5-sha256' | 'rsa-pss-sha512', data: Buffer): boolean {
  const signature = signBytes(name, rsa.privateKey, data);
  if (signature[0] !== 0) return false;
  assert.ok(verifyBytes(name, rsa.publicKey, data, signature));
  assert.ok(!verifyBytes(name, rsa.publicKey, data, signature.subarray(1)));
  assert.ok(!verifyBytes(name, rsa.publicKey, data, Buffer.concat([Buffer.from([0]), signature])));
  return true;
}
