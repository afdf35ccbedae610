import assert from 'node:assert/strict';
import { createHash, generateKeyPairSync, X509Certificate } from 'node:crypto';
import { test } from 'node:test';
import { readTime } from '../../src/certificates/der.ts';
import { CertificateProblem } from '../../src/certificates/problem.ts';
import { CERTIFICATE_BYTES_MAX, readCertificate } from '../../src/certificates/read.ts';
import { printName } from '../../src/protocol/distinguished-name.ts';
import {
  basicConstraints,
  CLIENT_AUTH,
  extendedKeyUsage,
  extension,
  type HostileCertificate,
  hostileCertificate,
  name,
  oid,
  type RawName,
  sequence,
  tlv,
} from '../support/hostile-certificate.ts';

const keys = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const issuer = name([['CN', 'Authority']]);
const make = (changes: Partial<HostileCertificate> = {}): Buffer =>
  hostileCertificate({ issuer, subject: name([['CN', '1']]), publicKey: keys.publicKey, signer: keys.privateKey, ...changes });

test('readCertificate gives the facts that OpenSSL reads too', () => {
  const der = make({
    subject: name([
      ['C', 'CN', 0x13],
      ['O', '虎符示例商户一'],
      [
        ['OU', 'b'],
        ['CN', 'a,O=c'],
      ],
    ]),
    serial: Buffer.from('00ff01', 'hex'),
    notBeforeMs: Date.UTC(2026, 0, 1, 2, 3, 4),
    notAfterMs: Date.UTC(2051, 11, 31, 23, 59, 59),
    extensions: [
      extendedKeyUsage(CLIENT_AUTH, '1.2.3'),
      basicConstraints(false),
      extension('2.5.29.15', tlv(0x03, Buffer.from([5, 0xa0])), true),
    ],
  });
  const facts = readCertificate(der);
  const openssl = new X509Certificate(der);
  assert.equal(facts.serialNumber, openssl.serialNumber);
  assert.equal(facts.serialNumber, 'FF01');
  assert.deepEqual(facts.subject, [
    [{ oid: '2.5.4.6', value: 'CN' }],
    [{ oid: '2.5.4.10', value: '虎符示例商户一' }],
    [
      { oid: '2.5.4.11', value: 'b' },
      { oid: '2.5.4.3', value: 'a,O=c' },
    ],
  ]);
  assert.equal(printName(facts.issuer), 'CN=Authority');
  assert.equal(facts.notBeforeMs, openssl.validFromDate.getTime());
  assert.equal(facts.notAfterMs, openssl.validToDate.getTime());
  assert.deepEqual(facts.extendedKeyUsage, openssl.keyUsage);
  assert.deepEqual(facts.keyUsage, new Set(['digitalSignature', 'keyEncipherment']));
  assert.equal(facts.isAuthority, openssl.ca);
  assert.equal(facts.signatureAlgorithm, 'ecdsa-with-SHA256');
  assert.equal(facts.thumbprint, createHash('sha256').update(der).digest('base64url'));
  assert.ok(facts.publicKey.equals(keys.publicKey));
});

test('a certificate without the three extensions says so', () => {
  const facts = readCertificate(make({ extensions: [extension('1.2.3', Buffer.alloc(1))] }));
  assert.equal(facts.extendedKeyUsage, undefined);
  assert.equal(facts.keyUsage, undefined);
  assert.equal(facts.isAuthority, false);
});

const names: readonly (readonly [RawName, RegExp, string])[] = [
  [
    [
      ['CN', '2'],
      ['CN', '1'],
    ],
    /more than one CN/,
    'two common names',
  ],
  [
    [
      ['CN', '1'],
      ['O', 'x'],
      ['CN', '2'],
    ],
    /more than one CN/,
    'two common names apart, the other way round',
  ],
  [
    [
      [
        ['CN', '1'],
        ['CN', '2'],
      ],
    ],
    /more than one CN/,
    'two common names in one relative name',
  ],
  [[['CN', '800000000000001\0.evil']], /control/, 'NUL, where C programs stop reading'],
  [[['CN', '1\n2']], /control/, 'a newline, which makes two log lines'],
  [[['CN', '1\u007f']], /control/, 'DEL'],
  [[['CN', '1\u0085']], /control/, 'a C1 control character'],
  [[['CN', '1\u200b']], /zero-width/, 'a zero-width space'],
  [[['CN', '1\u2060']], /zero-width/, 'a word joiner'],
  [[['CN', '\ufeff1']], /zero-width/, 'a byte order mark'],
  [[['CN', '\u202e1']], /direction/, 'a right-to-left override'],
  [[['CN', '\u20661']], /direction/, 'an isolate'],
  [[['CN', '1\u2028']], /control/, 'a line separator'],
  [[['CN', '1\u3164']], /zero-width/, 'a Hangul filler'],
  [[['CN', '']], /empty/, 'an empty value'],
  [[['CN', '虎'.repeat(171)]], /longer than 512/, '513 bytes'],
  [[], /name is empty/, 'no subject at all'],
  [[['CN', Buffer.from('0031', 'hex'), 0x1e]], /UTF8String/, 'a BMPString'],
  [[['CN', '1', 0x14]], /UTF8String/, 'a TeletexString, which has no agreed alphabet'],
  [[['CN', Buffer.from('00000031', 'hex'), 0x1c]], /UTF8String/, 'a UniversalString'],
  [[['CN', '1', 0x12]], /UTF8String/, 'a NumericString'],
  [[['CN', Buffer.from([0xc0, 0xb1])]], /UTF-8/, 'an overlong UTF-8 sequence'],
  [[['CN', Buffer.from([0xed, 0xa0, 0x80])]], /UTF-8/, 'an encoded surrogate'],
  [[['CN', Buffer.from([0xe9]), 0x13]], /ASCII/, 'Latin-1 in a PrintableString'],
  [[['OU', 'a'], ...Array.from({ length: 33 }, (_, i): [string, string] => ['OU', String(i)])], /32 attributes/, 'too many attributes'],
  [
    [
      [
        ['OU', 'a'],
        ['OU', 'b'],
      ],
    ],
    /twice/,
    'one type twice in one relative name',
  ],
];

for (const [subject, reason, why] of names) {
  test(`readCertificate refuses a subject with ${why}`, () => {
    assert.throws(() => readCertificate(make({ subject: name(subject) })), { name: 'CertificateProblem', reason });
    assert.throws(() => readCertificate(make({ issuer: name(subject) })), { name: 'CertificateProblem', reason }, 'as issuer');
  });
}

const kept: readonly (readonly [RawName, string, string])[] = [
  [[['CN', '1,O=evil']], 'CN=1\\,O=evil', 'a comma inside is not another attribute'],
  [[['CN', '1+OU=x/CN=2=3']], 'CN=1\\+OU=x/CN=2=3', 'plus, slash and equals signs neither'],
  [[['CN', 'm0001']], 'CN=m0001', 'case is kept'],
  [[['CN', ' 1  2 ']], 'CN=\\ 1  2\\ ', 'spaces are kept'],
  [[['CN', 'М0001']], 'CN=М0001', 'a Cyrillic letter is another letter'],
  [[['CN', '1', 0x13]], 'CN=1', 'a PrintableString is compared by value'],
  [[['CN', '1', 0x16]], 'CN=1', 'an IA5String too'],
  [
    [
      ['OU', 'a'],
      ['OU', 'b'],
      ['CN', '1'],
    ],
    'CN=1,OU=b,OU=a',
    'two organisational units in order',
  ],
];

for (const [subject, text, why] of kept) {
  test(`readCertificate: ${why}`, () => assert.equal(printName(readCertificate(make({ subject: name(subject) })).subject), text));
}

/** RFC 3279 section 2.3.1 wants the parameters NULL; OpenSSL reads the key without them and writes it with them. */
function rsaWithoutParameters(): Buffer {
  const { publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const key = publicKey.export({ type: 'pkcs1', format: 'der' });
  return sequence(sequence(oid('1.2.840.113549.1.1.1')), tlv(0x03, Buffer.from([0]), key));
}

const tbs = (der: Buffer): Buffer => der.subarray(4);
const forms: readonly (readonly [() => Buffer, RegExp, string])[] = [
  [() => make({ version: 1 }), /version 3/, 'version 1, where every field stands one place further up (hole 17)'],
  [() => make({ version: 2 }), /version 3/, 'version 2'],
  [() => make({ serial: Buffer.from([0]) }), /serial/, 'serial number 0'],
  [() => make({ serial: Buffer.from([0x80]) }), /DER/, 'a negative serial number'],
  [() => make({ serial: Buffer.from([0, 1]) }), /DER/, 'a serial number that is not in its shortest form'],
  [() => make({ serial: Buffer.alloc(21, 1) }), /serial/, 'a serial number of 21 octets'],
  [() => make({ innerSignature: 'ecdsa-sha1' }), /two signature algorithms/, 'another algorithm inside than outside'],
  [() => make({ notBeforeMs: 2_000_000_000_000, notAfterMs: 1_900_000_000_000 }), /validity/, 'a validity that ends before it begins'],
  [() => make({ extra: tlv(0x81, Buffer.from([0, 1])) }), /DER|fields/, 'an issuerUniqueID'],
  [
    () => make({ extra: tlv(0xa3, sequence(extendedKeyUsage(CLIENT_AUTH))) }),
    /fields/,
    'extensions twice, of which two readers may take different ones',
  ],
  [() => make({ spki: rsaWithoutParameters() }), /key .* not in DER/, 'an RSA key without the NULL that belongs to it'],
  [() => make({ extensions: [extendedKeyUsage(CLIENT_AUTH), extendedKeyUsage(CLIENT_AUTH)] }), /twice/, 'an extension twice'],
  [() => make({ extensions: [extension('1.2.3', Buffer.alloc(1), true)] }), /critical/, 'an unknown critical extension'],
  [() => make({ extensions: [extension('2.5.29.37', Buffer.from([0x30, 0x80, 0, 0]))] }), /DER/, 'an indefinite length'],
  [() => make({ extensions: [extension('2.5.29.37', Buffer.from([0x30, 0x81, 0x00]))] }), /DER/, 'a length in a longer form'],
  [
    () => make({ extensions: [extension('2.5.29.37', Buffer.concat([sequence(oid(CLIENT_AUTH)), Buffer.from([0])]))] }),
    /DER/,
    'bytes behind a value',
  ],
  [() => make({ extensions: [extension('2.5.29.37', sequence(Buffer.from([6, 3, 0x80, 1, 1])))] }), /DER/, 'a padded object identifier'],
  [
    () => make({ extensions: [extension('2.5.29.37', sequence(Buffer.from([6, 2, 0x2a, 0x86])))] }),
    /DER/,
    'an unfinished object identifier',
  ],
  [() => make({ extensions: [extension('2.5.29.15', tlv(0x03, Buffer.from([0, 0xa0])))] }), /DER/, 'key usage with trailing zero bits'],
  [() => make({ extensions: [extension('2.5.29.19', sequence(tlv(0x01, Buffer.from([1]))))] }), /DER/, 'a TRUE that is not FF'],
  [() => make({ extensions: [extension('2.5.29.17', Buffer.alloc(CERTIFICATE_BYTES_MAX))] }), /too large/, 'more than 16 KB'],
  [() => Buffer.concat([make(), Buffer.from([0])]), /DER/, 'a byte too many'],
  [() => make().subarray(0, -1), /DER/, 'a byte too few'],
  [() => sequence(tbs(make()), sequence(), tlv(0x03), sequence()), /parts/, 'a fourth part'],
  [() => Buffer.alloc(0), /DER/, 'nothing'],
];

for (const [der, reason, why] of forms) {
  test(`readCertificate refuses ${why}`, () => {
    assert.throws(
      () => readCertificate(der()),
      (error: unknown) => error instanceof CertificateProblem && reason.test(error.reason),
    );
  });
}

test('an explicit FALSE is read: many authorities write it, and it has one meaning', () => {
  const explicit = sequence(tlv(0x01, Buffer.from([0])));
  assert.equal(readCertificate(make({ extensions: [extension('2.5.29.19', explicit, true)] })).isAuthority, false);
});

const times = [
  ['490101000000Z', 0x17, Date.UTC(2049, 0, 1), 'UTCTime below 50 is this century'],
  ['500101000000Z', 0x17, Date.UTC(1950, 0, 1), 'UTCTime from 50 on is the last one'],
  ['99991231235959Z', 0x18, Date.UTC(9999, 11, 31, 23, 59, 59), 'no expiry, RFC 5280 section 4.1.2.5'],
  ['260230000000Z', 0x17, undefined, '30 February'],
  ['2602280000Z', 0x17, undefined, 'no seconds'],
  ['260228000000+0800', 0x17, undefined, 'an offset instead of Z'],
  ['20260228000000.5Z', 0x18, undefined, 'a fraction'],
  ['20260228240000Z', 0x18, undefined, 'hour 24'],
] as const;

for (const [text, tag, expected, why] of times) {
  test(`readTime: ${why}`, () => {
    const element = { tag, content: Buffer.from(text), whole: Buffer.alloc(0) };
    if (expected === undefined) assert.throws(() => readTime(element), CertificateProblem);
    else assert.equal(readTime(element), expected);
  });
}
