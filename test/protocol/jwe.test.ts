import assert from 'node:assert/strict';
import crypto, { createSecretKey, generateKeyPairSync, type KeyObject, randomBytes } from 'node:crypto';
import { syncBuiltinESMExports } from 'node:module';
import { afterEach, describe, mock, test } from 'node:test';
import fc from 'fast-check';
import { CompactEncrypt, compactDecrypt } from 'jose';
import { type Binding, sameBinding } from '../../src/protocol/jwe/binding.ts';
import { decryptJwe, encryptJwe, looksLikeJwe, readJwe } from '../../src/protocol/jwe/compact.ts';
import { JweProblem } from '../../src/protocol/jwe/header.ts';
import { type JweKey, jweAlgorithmOf } from '../../src/protocol/jwe/key-management.ts';

const BINDING: Binding = {
  of: 'request',
  merchant: '800000000000001',
  method: 'POST',
  target: '/v1/orders/A/payments',
  request: 'pay-A',
  pointer: '/payer/accountNo',
};
const TEXT = '"6200000000000001"';

type Pair = { readonly encrypt: JweKey; readonly decrypt: JweKey };
function pairOf(publicKey: KeyObject, privateKey: KeyObject): Pair {
  const algorithm = jweAlgorithmOf(publicKey) ?? 'A256KW';
  return { encrypt: { keyid: 'k1', algorithm, key: publicKey }, decrypt: { keyid: 'k1', algorithm, key: privateKey } };
}
const ec = (namedCurve: string) => generateKeyPairSync('ec', { namedCurve });
const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
const [p256, p384] = [ec('P-256'), ec('P-384')];
const secret = createSecretKey(randomBytes(32));
const SECRET_PAIR = pairOf(secret, secret);
const PAIRS: readonly (readonly [name: string, pair: Pair])[] = [
  ['RSA-OAEP-256', pairOf(rsa.publicKey, rsa.privateKey)],
  ['ECDH-ES+A256KW on P-256', pairOf(p256.publicKey, p256.privateKey)],
  ['ECDH-ES+A256KW on P-384', pairOf(p384.publicKey, p384.privateKey)],
  ['A256KW', SECRET_PAIR],
];
const EC_PAIR = pairOf(p256.publicKey, p256.privateKey);
const RSA_PAIR = pairOf(rsa.publicKey, rsa.privateKey);

const encode = (value: unknown): string => Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url');
const headerOf = (jwe: string): Record<string, unknown> => JSON.parse(Buffer.from(jwe.split('.')[0] as string, 'base64url').toString());
const withHeader = (jwe: string, header: unknown): string => [encode(header), ...jwe.split('.').slice(1)].join('.');
const changed = (jwe: string, changes: Readonly<Record<string, unknown>>): string => withHeader(jwe, { ...headerOf(jwe), ...changes });
const without = (jwe: string, name: string): string => {
  const { [name]: _, ...rest } = headerOf(jwe);
  return withHeader(jwe, rest);
};
const withPart = (jwe: string, index: number, change: (bytes: Buffer) => Buffer): string => {
  const parts = jwe.split('.');
  parts[index] = change(Buffer.from(parts[index] as string, 'base64url')).toString('base64url');
  return parts.join('.');
};
const flip = (bytes: Buffer): Buffer => {
  bytes[0] = (bytes[0] as number) ^ 1;
  return bytes;
};

describe('JWE with jose as oracle, both ways', () => {
  for (const [name, { encrypt, decrypt }] of PAIRS) {
    test(`${name}: jose reads ours`, async () => {
      const { plaintext, protectedHeader } = await compactDecrypt(encryptJwe(Buffer.from(TEXT), encrypt, BINDING), decrypt.key, {
        crit: { hufu: true },
      });
      assert.equal(Buffer.from(plaintext).toString(), TEXT);
      assert.deepEqual(protectedHeader.hufu, BINDING);
      assert.equal(protectedHeader.kid, 'k1');
    });

    test(`${name}: we read jose's`, async () => {
      const header = { alg: encrypt.algorithm, enc: 'A256GCM', kid: 'k1', crit: ['hufu'], hufu: BINDING };
      const theirs = await new CompactEncrypt(Buffer.from(TEXT))
        .setProtectedHeader({ ...header })
        .encrypt(encrypt.key, { crit: { hufu: true } });
      const read = readJwe(theirs);
      assert.ok(sameBinding(read.header.binding, BINDING));
      assert.equal(decryptJwe(read, decrypt)?.toString(), TEXT);
    });

    test(`${name}: a reader that does not know hufu fails`, async () => {
      await assert.rejects(compactDecrypt(encryptJwe(Buffer.from(TEXT), encrypt, BINDING), decrypt.key), /crit|hufu/i);
    });
  }

  test('any bytes come back', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 3000 }), (bytes) => {
        const { encrypt, decrypt } = SECRET_PAIR;
        assert.deepEqual(decryptJwe(readJwe(encryptJwe(bytes, encrypt, BINDING)), decrypt), Buffer.from(bytes));
      }),
      { numRuns: 50 },
    );
  });
});

describe('what is refused before any key is used', () => {
  const good = encryptJwe(Buffer.from(TEXT), EC_PAIR.encrypt, BINDING);
  const duplicated = Buffer.from(JSON.stringify(headerOf(good)).replace('{', '{"alg":"RSA-OAEP-256",')).toString('base64url');
  const epk = headerOf(good).epk as Record<string, string>;
  const other = p384.publicKey.export({ format: 'jwk' }) as Record<string, string>;
  const cases: readonly (readonly [jwe: string, why: string])[] = [
    [changed(good, { zip: 'DEF' }), 'compressed: a bomb, and lengths that tell secrets'],
    [changed(good, { alg: 'none' }), 'none'],
    [changed(good, { alg: 'dir' }), 'dir'],
    [changed(good, { alg: 'RSA1_5' }), 'PKCS#1 v1.5: Bleichenbacher'],
    [changed(good, { alg: 'RSA-OAEP' }), 'OAEP with SHA-1'],
    [changed(good, { alg: 'PBES2-HS512+A256KW', p2c: 2_000_000_000, p2s: 'AAAA' }), 'a password with billions of rounds'],
    [changed(good, { alg: 'ECDH-ES' }), 'direct agreement'],
    [changed(good, { alg: 'A256GCMKW', iv: 'AAAA', tag: 'AAAA' }), 'GCM key wrap'],
    [changed(good, { alg: ['ECDH-ES+A256KW'] }), 'alg as a list'],
    [changed(good, { alg: '__proto__' }), 'alg as a name of objects'],
    [changed(good, { enc: 'A128GCM' }), 'a shorter key'],
    [changed(good, { enc: 'A256CBC-HS512' }), 'another content encryption'],
    [changed(good, { p2c: 1 }), 'a member that is not known'],
    [changed(good, { jku: 'https://evil.example/' }), 'a link to a key'],
    [changed(good, { b64: false }), 'another member of JWS'],
    [changed(good, { kid: '../../etc/passwd' }), 'kid as a path'],
    [changed(good, { kid: 5 }), 'kid as a number'],
    [without(good, 'kid'), 'no kid'],
    [without(good, 'crit'), 'no crit'],
    [changed(good, { crit: ['hufu', 'exp'], exp: 1 }), 'a critical member that is not known'],
    [changed(good, { crit: [] }), 'an empty crit'],
    [changed(good, { crit: 'hufu' }), 'crit as text'],
    [without(good, 'hufu'), 'no binding'],
    [changed(good, { hufu: { ...BINDING, pointer: undefined } }), 'a binding without pointer'],
    [changed(good, { hufu: { ...BINDING, more: '1' } }), 'a binding with more'],
    [changed(good, { hufu: { ...BINDING, request: 7 } }), 'a binding with a number'],
    [[duplicated, ...good.split('.').slice(1)].join('.'), 'a member twice: two readings'],
    [withHeader(good, '[]'), 'a list as header'],
    [withHeader(good, '{'), 'no JSON'],
    [changed(good, { cty: 'x'.repeat(5000) }), 'longer than any header'],
    [`${good.split('.')[0]}=.${good.split('.').slice(1).join('.')}`, 'padding'],
    [good.split('.').slice(0, 4).join('.'), 'four parts'],
    [`${good}.AAAA`, 'six parts'],
    [withPart(good, 4, (tag) => tag.subarray(0, 12)), 'a tag of 12 bytes'],
    [withPart(good, 4, (tag) => tag.subarray(0, 1)), 'a tag of one byte'],
    [withPart(good, 4, () => Buffer.alloc(0)), 'no tag'],
    [withPart(good, 2, (iv) => iv.subarray(0, 8)), 'an IV of 8 bytes'],
    [withPart(good, 2, () => Buffer.alloc(0)), 'no IV'],
    [without(good, 'epk'), 'no ephemeral key'],
    [changed(good, { epk: { ...epk, y: epk.x } }), 'a point beside the curve'],
    [changed(good, { epk: { ...epk, x: Buffer.alloc(32).toString('base64url'), y: Buffer.alloc(32).toString('base64url') } }), '(0, 0)'],
    [changed(good, { epk: { ...epk, x: `${epk.x}AA` } }), 'a coordinate too long'],
    [changed(good, { epk: { ...epk, d: epk.x } }), 'a private key as epk'],
    [changed(good, { epk: { kty: 'OKP', crv: 'X25519', x: epk.x } }), 'another family of curves'],
    [changed(good, { epk: { kty: 'EC', crv: 'secp256k1', x: epk.x, y: epk.y } }), 'a curve that is not in the table'],
    [changed(good, { epk: { kty: 'EC', crv: 'P-384', x: other.x, y: other.y } }), 'a curve other than that of the key'],
    [changed(good, { epk: { kty: 'EC', crv: 'toString', x: epk.x, y: epk.y } }), 'a curve that is a name of objects'],
    [withPart(good, 1, (key) => key.subarray(8)), 'an encrypted key of another length'],
    [withPart(good, 1, () => Buffer.alloc(0)), 'no encrypted key: what dir looks like'],
    [encryptJwe(Buffer.from(TEXT), RSA_PAIR.encrypt, BINDING), 'alg of RSA under the id of an elliptic-curve key'],
    [encryptJwe(Buffer.from(TEXT), SECRET_PAIR.encrypt, BINDING), 'alg of a shared key under the id of a public one'],
  ];
  afterEach(() => {
    mock.restoreAll();
    syncBuiltinESMExports();
  });

  for (const [jwe, why] of cases) {
    test(why, () => {
      const private1 = mock.method(crypto, 'privateDecrypt');
      const private2 = mock.method(crypto, 'diffieHellman');
      const private3 = mock.method(crypto, 'createDecipheriv');
      syncBuiltinESMExports();
      assert.throws(() => decryptJwe(readJwe(jwe), EC_PAIR.decrypt), JweProblem);
      assert.deepEqual(
        [private1, private2, private3].map((spy) => spy.mock.callCount()),
        [0, 0, 0],
      );
    });
  }

  test('clear text is not taken for a JWE, a broken JWE is never taken for clear text', () => {
    assert.equal(looksLikeJwe(good), true);
    assert.equal(looksLikeJwe(changed(good, { alg: 'dir' })), true);
    for (const text of ['6200000000000001', 'a.b.c.d.e', '', 5, undefined, { good }]) assert.equal(looksLikeJwe(text), false);
  });
});

describe('every decryption failure looks and works the same', () => {
  afterEach(() => {
    mock.restoreAll();
    syncBuiltinESMExports();
  });

  const random = (bytes: Buffer): Buffer => randomBytes(bytes.length);
  const wrongKeyBytes = (bytes: number): string => {
    const good = encryptJwe(Buffer.from(TEXT), RSA_PAIR.encrypt, BINDING);
    const oaep = { key: rsa.publicKey, padding: crypto.constants.RSA_PKCS1_OAEP_PADDING, oaepHash: 'sha256' };
    return withPart(good, 1, () => crypto.publicEncrypt(oaep, randomBytes(bytes)));
  };
  const old = { key: rsa.publicKey, padding: crypto.constants.RSA_PKCS1_PADDING };
  const goodRsa = encryptJwe(Buffer.from(TEXT), RSA_PAIR.encrypt, BINDING);
  const goodEc = encryptJwe(Buffer.from(TEXT), EC_PAIR.encrypt, BINDING);
  const failures: readonly (readonly [why: string, pair: Pair, jwe: string])[] = [
    ['an encrypted key of noise', RSA_PAIR, withPart(goodRsa, 1, random)],
    ['an encrypted key of zeros', RSA_PAIR, withPart(goodRsa, 1, (bytes) => bytes.fill(0))],
    ['an encrypted key above the modulus', RSA_PAIR, withPart(goodRsa, 1, (bytes) => bytes.fill(0xff))],
    ['well-formed PKCS#1 v1.5', RSA_PAIR, withPart(goodRsa, 1, () => crypto.publicEncrypt(old, randomBytes(32)))],
    ['a content key of 16 bytes', RSA_PAIR, wrongKeyBytes(16)],
    ['a content key of 33 bytes', RSA_PAIR, wrongKeyBytes(33)],
    ['another content key of the right length', RSA_PAIR, wrongKeyBytes(32)],
    ['a changed ciphertext', RSA_PAIR, withPart(goodRsa, 3, flip)],
    ['a changed tag', RSA_PAIR, withPart(goodRsa, 4, flip)],
    ['a changed binding', RSA_PAIR, changed(goodRsa, { hufu: { ...BINDING, pointer: '/payee/accountNo' } })],
    ['a header spelled otherwise', RSA_PAIR, changed(goodRsa, { typ: 'JWE' })],
    ['a changed wrapped key', EC_PAIR, withPart(goodEc, 1, flip)],
    ['another ephemeral key', EC_PAIR, changed(goodEc, { epk: headerOf(encryptJwe(Buffer.from('1'), EC_PAIR.encrypt, BINDING)).epk })],
    ['a changed ciphertext, elliptic curve', EC_PAIR, withPart(goodEc, 3, flip)],
  ];
  for (const [why, pair, jwe] of failures) {
    test(why, () => {
      const spies = (['privateDecrypt', 'diffieHellman', 'createDecipheriv', 'randomBytes'] as const).map((name) =>
        mock.method(crypto, name),
      );
      syncBuiltinESMExports();
      assert.equal(decryptJwe(readJwe(jwe), pair.decrypt), undefined);
      const work = pair === RSA_PAIR ? [1, 0, 1, 1] : [0, 1, 2, 1];
      assert.deepEqual(
        spies.map((spy) => spy.mock.callCount()),
        work,
        'the same work for every failure',
      );
    });
  }

  test('any single changed byte of any part is noticed', () => {
    const parts = goodEc.split('.').map((part) => Buffer.from(part, 'base64url'));
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 4 }), fc.nat(), fc.integer({ min: 1, max: 255 }), (index, place, mask) => {
        const copy = parts.map((part) => Buffer.from(part));
        const part = copy[index] as Buffer;
        const at = place % part.length;
        part[at] = (part[at] as number) ^ mask;
        assert.equal(decryptJwe(readJwe(copy.map((bytes) => bytes.toString('base64url')).join('.')), EC_PAIR.decrypt), undefined);
      }),
      { numRuns: 200 },
    );
  });
});

test('bindings differ by any member, also where text moves from one to the next', () => {
  for (const member of ['merchant', 'method', 'target', 'request', 'pointer'] as const)
    assert.equal(sameBinding(BINDING, { ...BINDING, [member]: `${BINDING[member]}x` }), false);
  assert.equal(sameBinding(BINDING, { ...BINDING, of: 'answer' }), false);
  assert.equal(sameBinding({ ...BINDING, method: 'POS', target: 'T/' }, { ...BINDING, method: 'POST', target: '/' }), false);
  assert.equal(sameBinding(BINDING, { ...BINDING }), true);
});
