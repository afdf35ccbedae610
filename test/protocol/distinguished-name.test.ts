import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { generateKeyPairSync, X509Certificate } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import { readCertificate } from '../../src/certificates/read.ts';
import { UserError } from '../../src/lib/user-error.ts';
import {
  bindingKeyOf,
  type DistinguishedName,
  findNameProblem,
  type NameAttribute,
  parseName,
  printName,
  sameName,
  VALUE_BYTES_MAX,
} from '../../src/protocol/distinguished-name.ts';
import { hostileCertificate, name, type RawName } from '../support/hostile-certificate.ts';

const CN = '2.5.4.3';
const cn = (value: string): DistinguishedName => [[{ oid: CN, value }]];

const printed = [
  // value                 text                        why
  ['800000000000001', 'CN=800000000000001', 'nothing to escape'],
  ['虎符示例商户一', 'CN=虎符示例商户一', 'Chinese stays readable'],
  ['a,O=b', 'CN=a\\,O=b', 'a comma must not look like the next relative name'],
  ['a+OU=b', 'CN=a\\+OU=b', 'a plus must not look like the next attribute'],
  ['a=b', 'CN=a=b', 'an equals sign needs no escape in a value'],
  ['a"b', 'CN=a\\"b', 'a quote opens nothing'],
  ['a\\b', 'CN=a\\\\b', 'the escape character itself'],
  ['<a;b>', 'CN=\\<a\\;b\\>', 'the other specials'],
  [' a', 'CN=\\ a', 'a leading space would be lost'],
  ['a ', 'CN=a\\ ', 'a trailing space would be lost'],
  [' ', 'CN=\\ ', 'a space that is leading and trailing is escaped once'],
  ['a  b', 'CN=a  b', 'inner spaces are kept, also two'],
  ['#a', 'CN=\\#a', 'a leading number sign would begin hexadecimal'],
  ['a#b', 'CN=a#b', 'a later one would not'],
  ['𠮷', 'CN=𠮷', 'a character of two UTF-16 units is one'],
] as const;

for (const [value, text, why] of printed) {
  test(`printName and parseName: ${why}`, () => {
    assert.equal(printName(cn(value)), text);
    assert.deepEqual(parseName(text), cn(value));
  });
}

test('printName escapes what a reader cannot see', () => {
  assert.equal(printName(cn('M0001\0.evil\n\u202e\u200b')), 'CN=M0001\\00.evil\\0A\\E2\\80\\AE\\E2\\80\\8B');
});

test('the last relative name of a certificate is printed first, and read back into the same order', () => {
  const name = [[{ oid: '2.5.4.6', value: 'CN' }], [{ oid: '2.5.4.10', value: '虎符' }], [{ oid: CN, value: '1' }]];
  assert.equal(printName(name), 'CN=1,O=虎符,C=CN');
  assert.deepEqual(parseName('CN=1,O=虎符,C=CN'), name);
});

const read = [
  // text                       expected value              why
  ['cn=a', cn('a'), 'attribute types have no case'],
  ['2.5.4.3=a', cn('a'), 'a dotted number names the type too'],
  ['CN=\\61', cn('a'), 'hexadecimal pairs are bytes'],
  ['CN=\\E8\\99\\8E符', cn('虎符'), 'of UTF-8, beside plain characters'],
  ['CN=#0C0161', cn('a'), 'an encoded UTF8String'],
  ['CN=#130161', cn('a'), 'an encoded PrintableString'],
  ['CN=a\\ ,O=b', [[{ oid: '2.5.4.10', value: 'b' }], [{ oid: CN, value: 'a ' }]], 'an escaped space before a comma stays'],
  ['1.2.3.4=#0C03616263', [[{ oid: '1.2.3.4', value: 'abc' }]], 'a type without a name'],
] as const;

for (const [text, expected, why] of read) {
  test(`parseName: ${why}`, () => assert.deepEqual(parseName(text), expected));
}

const refused = [
  // text                      column  why
  ['', 1, 'nothing'],
  ['CN=a,', 6, 'a comma without a name behind it'],
  ['CN=a+', 6, 'a plus without an attribute behind it'],
  [',CN=a', 1, 'a comma without a name before it'],
  ['CN', 3, 'no equals sign'],
  ['CN=', 4, 'an empty value'],
  ['CN=a,O=,C=CN', 8, 'an empty value in the middle'],
  ['C = CN, O = x, CN = y', 2, 'the default output of openssl has the other order and would be misread'],
  ['CN=a, O=b', 6, 'a space after the comma likewise'],
  ['CN= a', 4, 'a leading space that is not escaped'],
  ['CN=a ,O=b', 5, 'a trailing space that is not escaped'],
  ['CN="a"', 4, 'quoted strings of RFC 1779'],
  ['CN=a;O=b', 5, 'a semicolon of RFC 2253 as separator'],
  ['XX=a', 1, 'an attribute type nobody knows'],
  ['CN=a,01.2=b', 6, 'a number that is no object identifier'],
  ['3.1=a', 1, 'arcs begin with 0, 1 or 2'],
  ['CN=a\\x', 5, 'an escape of a letter'],
  ['CN=a\\', 5, 'an escape of nothing'],
  ['CN=\\FF', 4, 'bytes that are not UTF-8'],
  ['CN=#0C02', 4, 'hexadecimal that ends too early'],
  ['CN=#0C0161zz', 4, 'hexadecimal that goes on otherwise'],
  ['CN=#1E020061', 4, 'a BMPString'],
  ['CN=#0C810161', 4, 'a length that is not the shortest'],
  ['CN=\ud800', 4, 'half of a surrogate pair'],
] as const;

for (const [text, column, why] of refused) {
  test(`parseName refuses ${why}`, () => {
    assert.throws(
      () => parseName(text),
      (error: unknown) => {
        assert.ok(error instanceof UserError);
        assert.match(error.message, new RegExp(`column ${column}:`), error.message);
        return true;
      },
    );
  });
}

const impossible = [
  ['CN=a,CN=b', 'two common names'],
  ['OU=a+OU=b', 'one type twice in a relative name'],
  ['CN=a\\00', 'NUL'],
  ['CN=a\u200bb', 'a zero-width space'],
  ['CN=\u202ea', 'a direction override'],
  ['CN=a\ufe0f', 'a variation selector'],
  [`CN=${'虎'.repeat(171)}`, `more than ${VALUE_BYTES_MAX} bytes`],
  [Array.from({ length: 33 }, (_, i) => `OU=${i}`).join(','), 'more than 32 attributes'],
] as const;

for (const [text, why] of impossible) {
  test(`parseName refuses a name that no accepted certificate has: ${why}`, () =>
    assert.throws(() => parseName(text), { name: 'UserError', message: /cannot be used/ }));
}

const value = fc
  .oneof(fc.string({ unit: 'grapheme' }), fc.string({ unit: fc.constantFrom(...',+="\\<>;# a虎#=CN') }), fc.string({ unit: 'binary' }))
  .filter((text) => findNameProblem(cn(text)) === undefined);
const type = fc.constantFrom(CN, '2.5.4.10', '2.5.4.11', '2.5.4.6', '1.2.3.4', '2.999.1', '1.2.840.113549.1.9.1');
const attribute: fc.Arbitrary<NameAttribute> = fc.record({ oid: type, value }, { noNullPrototype: true });
const distinguishedName = fc
  .array(fc.array(attribute, { minLength: 1, maxLength: 3 }), { minLength: 1, maxLength: 5 })
  .filter((candidate) => findNameProblem(candidate) === undefined);

test('property: parseName(printName(name)) is the name', () => {
  fc.assert(fc.property(distinguishedName, (name) => assert.deepEqual(parseName(printName(name)), name)));
});

/** A comparison that shares nothing with the code under test. */
const oracle = (name: DistinguishedName): string =>
  name
    .map((relative) => [...new Set(relative.map(({ oid, value }) => `${oid}:${Buffer.from(value).toString('hex')}`))].sort().join('+'))
    .join(',');

test('property: binding keys are equal exactly for equal authorities and names', () => {
  const near = fc.tuple(distinguishedName, distinguishedName, fc.boolean()).map(([a, b, isSame]) => [a, isSame ? a : b] as const);
  const authority = fc.constantFrom('a', 'b', '', '["a"', 'a","b');
  fc.assert(
    fc.property(near, authority, authority, ([a, b], one, other) => {
      const isSame = oracle(a) === oracle(b);
      assert.equal(sameName(a, b), isSame);
      assert.equal(bindingKeyOf(one, a) === bindingKeyOf(other, b), isSame && one === other);
    }),
  );
});

test('the order inside one relative name does not count, the order of relative names does', () => {
  assert.ok(sameName(parseName('CN=a+OU=b,C=CN'), parseName('OU=b+CN=a,C=CN')));
  assert.ok(!sameName(parseName('CN=a,OU=b'), parseName('OU=b,CN=a')));
  assert.ok(!sameName(parseName('CN=a+OU=b'), parseName('CN=a,OU=b')));
});

const different = [
  ['CN=M0001', 'CN=m0001', 'case'],
  ['CN=M 0001', 'CN=M  0001', 'inner double space'],
  ['CN=M0001', 'CN=M0001\\ ', 'trailing space'],
  ['CN=M0001', 'CN=М0001', 'Cyrillic М'],
  ['CN=é', 'CN=e\u0301', 'two compositions of one letter'],
  ['CN=1', 'CN=１', 'full-width digit'],
  ['CN=a\\,O=b', 'CN=a,O=b', 'a comma inside'],
] as const;

for (const [a, b, why] of different) {
  test(`sameName tells apart: ${why}`, () => {
    assert.ok(!sameName(parseName(a), parseName(b)));
    assert.notEqual(bindingKeyOf('x', parseName(a)), bindingKeyOf('x', parseName(b)));
  });
}

const keys = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const certificateOf = (subject: RawName): Buffer => {
  const encoded = name(subject);
  return hostileCertificate({ issuer: encoded, subject: encoded, publicKey: keys.publicKey, signer: keys.privateKey });
};

const certificates: readonly (readonly [RawName, string])[] = [
  [
    [
      ['C', 'CN', 0x13],
      ['O', '虎符示例商户一'],
      ['OU', 'Merchants'],
      ['CN', '800000000000001'],
    ],
    'a CFCA-like name',
  ],
  [
    [
      ['O', 'a,b+c=d"e\\f<g>;h'],
      ['CN', '#x'],
    ],
    'all specials',
  ],
  [
    [
      ['O', ' lead'],
      ['OU', 'trail '],
      ['CN', ' '],
    ],
    'spaces at the ends',
  ],
  [
    [
      [
        ['CN', 'a'],
        ['OU', 'b'],
      ],
      ['O', 'c'],
    ],
    'a multi-valued relative name',
  ],
  [
    [
      ['CN', '𠮷野家'],
      ['1.2.840.113549.1.9.1', 'a@b.example', 0x16],
    ],
    'characters beyond the basic plane, an e-mail address',
  ],
  [
    [
      ['0.9.2342.19200300.100.1.25', 'example', 0x16],
      ['0.9.2342.19200300.100.1.1', 'u1'],
      ['2.5.4.5', '123', 0x13],
    ],
    'DC, UID and serialNumber',
  ],
  [
    [
      ['1.2.3.4', 'abc'],
      ['CN', 'x'],
    ],
    'a type without a name',
  ],
];

for (const [raw, why] of certificates) {
  test(`printName agrees with OpenSSL: ${why}`, (t) => {
    const der = certificateOf(raw);
    const text = printName(readCertificate(der).subject);
    // Node prints one relative name a line in certificate order, by OpenSSL with the same escapes, but no unknown types.
    if (!why.includes('without a name')) {
      const lines = (new X509Certificate(der).subject ?? '').split('\n').toReversed();
      assert.equal(text, lines.map((line) => line.split(' + ').toReversed().join('+')).join(','));
    }
    const arguments_ = ['x509', '-inform', 'DER', '-noout', '-subject', '-nameopt', 'RFC2253,utf8,-esc_msb'];
    const openssl = spawnSync('openssl', arguments_, { input: der, encoding: 'utf8' });
    if (openssl.error) return t.diagnostic('no openssl command here: compared with the OpenSSL inside Node only');
    assert.equal(text, openssl.stdout.trim().replace(/^subject=/, ''));
  });
}
