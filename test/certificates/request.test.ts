import assert from 'node:assert/strict';
import { createPublicKey, generateKeyPairSync } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import fc from 'fast-check';
import { readRequestPem } from '../../src/certificates/pem.ts';
import { CertificateProblem } from '../../src/certificates/problem.ts';
import { REQUEST_BYTES_MAX, readRequest } from '../../src/certificates/request.ts';
import { printName } from '../../src/protocol/distinguished-name.ts';
import { basicConstraints, CLIENT_AUTH, extendedKeyUsage, oid, sequence, tlv } from '../support/hostile-certificate.ts';
import { askFor, attribute, type HostileRequest, hostileRequest, subjectAltName } from '../support/hostile-request.ts';
import { openssl, opensslOk } from '../support/openssl.ts';

let directory: string;
before(() => {
  directory = mkdtempSync(join(tmpdir(), 'hufu-request-'));
});
after(() => rmSync(directory, { recursive: true }));

const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const other = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const make = (changes: Partial<HostileRequest> = {}): Buffer =>
  hostileRequest({ publicKey: ec.publicKey, signer: ec.privateKey, ...changes });

const KINDS: readonly (readonly [algorithm: readonly string[], digest: string, why: string])[] = [
  [['RSA', '-pkeyopt', 'rsa_keygen_bits:2048'], 'sha256', 'RSA of 2048 bits'],
  [['RSA', '-pkeyopt', 'rsa_keygen_bits:3072'], 'sha512', 'RSA of 3072 bits, SHA-512'],
  [['EC', '-pkeyopt', 'ec_paramgen_curve:P-256'], 'sha256', 'P-256'],
  [['EC', '-pkeyopt', 'ec_paramgen_curve:P-384'], 'sha384', 'P-384'],
  [['ED25519'], 'null', 'Ed25519'],
];

describe('requests that openssl writes', () => {
  for (const [algorithm, digest, why] of KINDS) {
    test(`are read: ${why}`, () => {
      const [key, csr] = [join(directory, 'k.pem'), join(directory, 'r.csr')];
      opensslOk(['genpkey', '-algorithm', ...algorithm, '-out', key]);
      const extra = ['-utf8', '-addext', 'subjectAltName=DNS:evil.example', ...(digest === 'null' ? [] : [`-${digest}`])];
      opensslOk(['req', '-new', '-key', key, '-out', csr, '-subj', '/C=CN/O=示例茶行/CN=800000000000003', ...extra]);
      const facts = readRequest(readRequestPem(readFileSync(csr, 'utf8'), csr));
      assert.equal(printName(facts.subject ?? []), 'CN=800000000000003,O=示例茶行,C=CN');
      assert.deepEqual(facts.asked, ['2.5.29.17']);
      assert.ok(facts.publicKey.equals(createPublicKey(readFileSync(key))));
    });
  }

  test("openssl agrees about possession: with ours, and with one whose signature is another key's", () => {
    const judge = (der: Buffer): boolean => {
      const file = join(directory, 'ours.csr');
      writeFileSync(file, der);
      const { status, output } = openssl(['req', '-verify', '-noout', '-inform', 'DER', '-in', file]);
      return status === 0 && !/failure/.test(output);
    };
    assert.equal(judge(make()), true);
    readRequest(make());
    assert.equal(judge(make({ signer: other.privateKey })), false);
    assert.throws(() => readRequest(make({ signer: other.privateKey })), /may not hold the key/);
  });
});

test('what a request asks for is listed, once and without its values', () => {
  const password = attribute('1.2.840.113549.1.9.7', tlv(0x0c, 'sesame'));
  const facts = readRequest(
    make({ extensions: [basicConstraints(true), extendedKeyUsage(CLIENT_AUTH), subjectAltName('x.example')], attributes: [password] }),
  );
  assert.deepEqual(facts.asked, ['2.5.29.19', '2.5.29.37', '2.5.29.17', '1.2.840.113549.1.9.7']);
  assert.ok(!JSON.stringify(facts).includes('sesame'));
});

test('a request without attributes, against the standard but common, is read', () => {
  assert.deepEqual(readRequest(make({ withoutAttributes: true })).asked, []);
});

const names: readonly (readonly [HostileRequest['subject'], string])[] = [
  [[], 'an empty name'],
  [[['CN', 'a\0b']], 'NUL in the name'],
  [
    [
      ['CN', '1'],
      ['CN', '2'],
    ],
    'two CNs',
  ],
  [[['CN', Buffer.from([0xff, 0xfe])]], 'no UTF-8'],
  [[['CN', 'old', 0x14]], 'a string type with several readings'],
];
for (const [subject, why] of names)
  test(`a name that we would not issue is nobody's: ${why}`, () =>
    assert.equal(readRequest(make({ subject: subject ?? [] })).subject, undefined));

const rsa = (modulusLength: number, publicExponent = 65_537) => generateKeyPairSync('rsa', { modulusLength, publicExponent });
const RSA_SHA256 = sequence(oid('1.2.840.113549.1.1.11'), tlv(0x05));
const asRsa = (keys: ReturnType<typeof rsa>, digest = 'sha256', algorithm = RSA_SHA256): Partial<HostileRequest> => ({
  publicKey: keys.publicKey,
  signer: keys.privateKey,
  algorithm,
  digest,
});
const p192 = generateKeyPairSync('ec', { namedCurve: 'prime192v1' });
const rsa2048 = rsa(2048);
const flip = (good: Buffer): Buffer => Buffer.concat([good.subarray(0, -1), Buffer.from([(good.at(-1) as number) ^ 1])]);

const hostile: readonly (readonly [() => Uint8Array, RegExp, string])[] = [
  [() => make({ signature: flip }), /may not hold the key/, 'one bit of the signature is another'],
  [() => make({ signature: () => Buffer.alloc(0) }), /may not hold the key/, 'an empty signature'],
  [() => make({ signature: () => Buffer.from('3006020100020100', 'hex') }), /may not hold the key/, 'an ECDSA signature of zeros'],
  [() => make({ algorithm: RSA_SHA256 }), /may not hold the key/, 'an algorithm for another kind of key'],
  [
    () => make({ signer: rsa2048.privateKey, algorithm: RSA_SHA256 }),
    /may not hold the key/,
    'the signature of another key of another kind',
  ],
  [() => make({ publicKey: other.publicKey }), /may not hold the key/, 'the public key of somebody else'],
  [() => make(asRsa(rsa(1024))), /shorter than 2048/, 'RSA of 1024 bits'],
  [() => make(asRsa(rsa(2048, 3))), /exponent/, 'RSA with exponent 3'],
  [() => make(asRsa(rsa(4104))), /longer than 4096/, 'RSA of 4104 bits'],
  [() => make({ publicKey: p192.publicKey, signer: p192.privateKey }), /P-256/, 'P-192'],
  [() => make(asRsa(rsa2048, 'sha1', sequence(oid('1.2.840.113549.1.1.5'), tlv(0x05)))), /not signed with SHA-256/, 'signed with SHA-1'],
  [() => make({ algorithm: sequence(oid('1.2.840.10045.4.1')), digest: 'sha1' }), /not signed with SHA-256/, 'ECDSA with SHA-1'],
  [() => make({ version: 1 }), /version/, 'a version that does not exist'],
  [() => make({ extra: tlv(0xa1) }), /not known/, 'a field behind the attributes'],
  [
    () => make({ extensions: [basicConstraints(true)], attributes: [askFor(basicConstraints(false))] }),
    /twice/,
    'one extension asked for twice',
  ],
  [
    () => make({ spki: sequence(sequence(oid('1.2.840.10045.2.1')), tlv(0x03, Buffer.from([0, 4]))) }),
    /cannot be read/,
    'a key that is none',
  ],
  [() => make({ attributes: [attribute('2.5.4.3', tlv(0x0c, 'x'.repeat(REQUEST_BYTES_MAX)))] }), /too large/, 'huge'],
  [() => Buffer.alloc(0), /well-formed/, 'nothing'],
  [() => Buffer.concat([make(), Buffer.from([0])]), /well-formed/, 'a byte behind the end'],
  [() => make().subarray(0, -1), /well-formed/, 'a byte short'],
];
for (const [der, reason, why] of hostile)
  test(`a hostile request is refused with a reason: ${why}`, () =>
    assert.throws(
      () => readRequest(der()),
      (error) => error instanceof CertificateProblem && reason.test(error.reason),
    ));

test('a request with any one byte changed is refused, or says the very same (fuzz)', () => {
  const good = make({ extensions: [subjectAltName('a.example')] });
  fc.assert(
    fc.property(fc.nat(good.length - 1), fc.integer({ min: 1, max: 255 }), (at, change) => {
      const bad = Buffer.from(good);
      bad[at] = (bad[at] as number) ^ change;
      assert.throws(() => readRequest(bad), CertificateProblem);
    }),
    { numRuns: 1500 },
  );
});

test('no bytes make the reader throw anything else, nor take them (fuzz)', () => {
  const good = make();
  const cut = fc.tuple(fc.nat(good.length), fc.uint8Array({ maxLength: 64 }), fc.nat(64));
  const spliced = cut.map(([at, bytes, skipped]) => Buffer.concat([good.subarray(0, at), bytes, good.subarray(at + skipped)]));
  fc.assert(
    fc.property(fc.oneof(fc.uint8Array({ maxLength: 400 }), spliced), (bytes) => {
      try {
        readRequest(bytes);
        assert.ok(good.equals(bytes));
      } catch (error) {
        assert.ok(error instanceof CertificateProblem, String(error));
      }
    }),
    { numRuns: 1500 },
  );
});

describe('readRequestPem', () => {
  const base64 = make().toString('base64');
  const block = (label: string): string => `-----BEGIN ${label}-----\n${base64}\n-----END ${label}-----\n`;
  const request = block('CERTIFICATE REQUEST');
  const texts: readonly (readonly [string, RegExp | undefined, string])[] = [
    [request, undefined, 'as openssl writes it'],
    [`From: a shop\r\n${request.replaceAll('\n', '\r\n')}`, undefined, 'text before it, lines that end as on Windows'],
    [block('NEW CERTIFICATE REQUEST'), undefined, 'the label of older tools'],
    [request + request, /several/, 'two of them'],
    ['', /no certificate request/, 'nothing'],
    [block('CERTIFICATE'), /no certificate request/, 'a certificate'],
    [
      `${request}-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n`,
      /private key, which belongs to the merchant/,
      'the private key beside it',
    ],
    [block('NEW CERTIFICATE REQUEST').replace('END NEW', 'END'), /no certificate request/, 'an end that is not that of its beginning'],
  ];
  for (const [text, reason, why] of texts) {
    test(why, () => {
      if (reason) assert.throws(() => readRequestPem(text, 'x.csr'), { name: 'UserError', message: reason });
      else assert.deepEqual(readRequestPem(text, 'x.csr'), readRequestPem(request, 'y.csr'));
    });
  }
});
