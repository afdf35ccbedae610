import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import { readPem } from '../../src/certificates/pem.ts';
import { CertificateProblem } from '../../src/certificates/problem.ts';
import { readCertificate } from '../../src/certificates/read.ts';
import { basicConstraints, CLIENT_AUTH, extendedKeyUsage, hostileCertificate, name } from '../support/hostile-certificate.ts';

const keys = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const good = hostileCertificate({
  issuer: name([['CN', 'Authority']]),
  subject: name([
    ['O', '虎符'],
    [
      ['CN', '1'],
      ['OU', 'a'],
    ],
  ]),
  publicKey: keys.publicKey,
  signer: keys.privateKey,
  extensions: [extendedKeyUsage(CLIENT_AUTH), basicConstraints(false)],
});

/** Whatever the bytes, the reader gives facts or a CertificateProblem. */
function readSafely(bytes: Uint8Array): boolean {
  try {
    readCertificate(bytes);
    return true;
  } catch (error) {
    assert.ok(error instanceof CertificateProblem, String((error as Error).stack));
    return false;
  }
}

test('fuzz: random bytes', () => {
  assert.ok(readSafely(good));
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 600 }), (bytes) => {
      assert.ok(!readSafely(bytes));
    }),
    { numRuns: 500 },
  );
});

test('fuzz: a certificate with a few octets changed, left out or put in', () => {
  const change = fc.record({
    at: fc.nat({ max: good.length - 1 }),
    bytes: fc.uint8Array({ maxLength: 3 }),
    removed: fc.nat({ max: 4 }),
  });
  fc.assert(
    fc.property(fc.array(change, { minLength: 1, maxLength: 3 }), (changes) => {
      let bytes = good;
      for (const { at, bytes: inserted, removed } of changes)
        bytes = Buffer.concat([bytes.subarray(0, at), inserted, bytes.subarray(at + removed)]);
      readSafely(bytes);
    }),
    { numRuns: 2000 },
  );
});

test('fuzz: each single octet of a certificate, with its neighbours in value and all bits set', () => {
  for (const [at, octet] of good.entries()) {
    for (const value of [octet - 1, octet + 1, octet ^ 0x80, 0xff, 0]) {
      const bytes = Buffer.from(good);
      bytes[at] = value & 0xff;
      readSafely(bytes);
    }
    readSafely(good.subarray(0, at));
  }
});

test('deep nesting costs nothing: the reader follows the schema, not the bytes', () => {
  readSafely(Buffer.concat([Buffer.from([0x30, 0x82, 0x3f, 0x00]), Buffer.alloc(0x3f00, 0x30)]));
});

test('readPem finds each certificate, skips the text between, and takes nothing else', () => {
  const pem = `-----BEGIN CERTIFICATE-----\r\n${good.toString('base64')}\r\n-----END CERTIFICATE-----\r\n`;
  assert.deepEqual(readPem(`subject: one\n${pem}issuer\n${pem}`, 'f.crt'), [good, good]);
  assert.throws(() => readPem('-----BEGIN CERTIFICATE-----\n!!!\n-----END CERTIFICATE-----', 'f.crt'), {
    name: 'UserError',
    message: /^f\.crt/,
  });
});
