import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  authorityOf,
  type ComponentParameters,
  findFieldValue,
  findMember,
  findRequestValue,
  identityOf,
  readByteSequence,
  readSignatureInput,
  type SignatureInput,
  serialiseByteSequence,
  serialiseParams,
  serialiseString,
  signatureBase,
  splitMembers,
} from '../../src/protocol/signature-base.ts';

const request = (target: string, ...rawHeaders: string[]) => ({
  method: 'GET',
  target,
  rawHeaders: ['Host', 'Bank.Example:443', ...rawHeaders],
});

const values: readonly (readonly [name: string, target: string, value: string | undefined, why: string])[] = [
  ['@method', '/', 'GET', 'as sent'],
  ['@target-uri', '/a?b=%41', 'https://bank.example/a?b=%41', 'nothing is decoded'],
  ['@target-uri', '/a?', 'https://bank.example/a?', 'an empty query stays'],
  ['@authority', '/', 'bank.example', 'lower case, no default port'],
  ['@scheme', '/', 'https', 'there is no other'],
  ['@request-target', '/a?b', '/a?b', 'as sent'],
  ['@path', '/a/%2e?b?c', '/a/%2e', 'up to the first question mark'],
  ['@query', '/a?b?c', '?b?c', 'from the first question mark'],
  ['@query', '/a', '?', 'RFC 9421 section 2.2.7: no query is a lone question mark'],
  ['@query', '/a?', '?', 'and so is an empty one'],
  ['@status', '/', undefined, 'not of a request'],
  ['@query-param', '/?a=1', undefined, 'not supported'],
  ['@anything', '/', undefined, 'not known'],
  ['host', '/', 'Bank.Example:443', 'a field as sent'],
  ['absent', '/', undefined, 'absent'],
  ['toString', '/', undefined, 'nothing from a prototype'],
];
for (const [name, target, value, why] of values) {
  test(`${name} of ${target}: ${why}`, () => assert.equal(findRequestValue(request(target), name), value));
}

test('authorityOf drops :443 only', () => {
  const cases = {
    'A.b': 'a.b',
    'a.b:443': 'a.b',
    'a.b:8443': 'a.b:8443',
    'a.b:0443': 'a.b:0443',
    '[::1]:443': '[::1]',
    '[::443]': '[::443]',
  };
  for (const [host, authority] of Object.entries(cases)) assert.equal(authorityOf(['hOST', host]), authority);
  assert.equal(authorityOf([]), '');
});

test('findFieldValue joins lines, strips blanks around and nothing else', () => {
  const rawHeaders = ['A', ' x \t', 'b', '1', 'a', '\u00a0y', 'A', ''];
  assert.equal(findFieldValue(rawHeaders, 'a'), 'x, \u00a0y, ');
  assert.equal(findFieldValue([], 'a'), undefined);
});

test('signatureBase has no line feed at its end', () => {
  assert.equal(
    signatureBase(
      [
        ['"a"', '1'],
        ['"b";req', ''],
      ],
      '();created=1',
    ),
    '"a": 1\n"b";req: \n"@signature-params": ();created=1',
  );
  assert.equal(signatureBase([], '()'), '"@signature-params": ()');
});

const members: readonly (readonly [field: string, members: readonly (readonly [string, string])[] | undefined, why: string])[] = [
  ['', [], 'nothing'],
  ['a=1', [['a', '1']], 'one'],
  [
    'a=1, b=2 ,c=3\t',
    [
      ['a', '1'],
      ['b', '2'],
      ['c', '3'],
    ],
    'blanks around commas',
  ],
  [
    'a=1,a=2',
    [
      ['a', '1'],
      ['a', '2'],
    ],
    'repeated labels are both there',
  ],
  ['a="x,y"', [['a', '"x,y"']], 'a comma within a string'],
  ['a="\\",b=\\""', [['a', '"\\",b=\\""']], 'escaped quotes'],
  [
    'a;q=1, *b',
    [
      ['a', ';q=1'],
      ['*b', ''],
    ],
    'members without a value',
  ],
  ['a=1,', undefined, 'a trailing comma'],
  ['a=1,,b=2', undefined, 'an empty member'],
  [',a=1', undefined, 'a leading comma'],
  ['a="x', undefined, 'an open string'],
  ['A=1', undefined, 'capitals'],
  ['=1', undefined, 'no label'],
  ['1=1', undefined, 'a digit first'],
];
for (const [field, expected, why] of members) {
  test(`splitMembers ${JSON.stringify(field)}: ${why}`, () =>
    assert.deepEqual(
      splitMembers(field)?.map(({ label, text }) => [label, text]),
      expected,
    ));
}

test('splitMembers stays linear on hostile fields', () => {
  const size = 30_000;
  for (const field of [
    `a${' '.repeat(size)}"`,
    `${' '.repeat(size)}"`,
    `a="${'\\"'.repeat(size)}`,
    `a=${'""'.repeat(size)}"`,
    'a,'.repeat(size),
    // Were every shorter label tried, these would take hours.
    `${'a'.repeat(1_000_000)}"`,
    `${'*'.repeat(1_000_000)}"`,
    `a${'.-'.repeat(500_000)}"`,
  ]) {
    assert.equal(splitMembers(field), undefined);
  }
});

test('findMember finds the one member of a label over all lines', () => {
  const rawHeaders = ['Signature', 'a=:AA==:', 'signature', 'hufu=:AQ==:', 'SIGNATURE', 'b=1, c=2'];
  assert.equal(findMember(rawHeaders, 'signature', 'hufu'), ':AQ==:');
  assert.equal(findMember([...rawHeaders, 'Signature', 'hufu=:AQ==:'], 'signature', 'hufu'), undefined);
  assert.equal(findMember(rawHeaders, 'signature', 'd'), undefined);
  assert.equal(findMember([], 'signature', 'a'), undefined);
});

test('byte sequences have one spelling', () => {
  for (const text of ['', ':', 'AAAA', ':AAAA', 'AAAA:', ':AAA:', ':AB==:', ':AA==:;a', ': AAAA:', ':AA_A:', ':AAAA:AAAA:']) {
    assert.equal(readByteSequence(text), undefined, text);
  }
  assert.deepEqual(readByteSequence('::'), Buffer.alloc(0));
  fc.assert(fc.property(fc.uint8Array(), (bytes) => assert.deepEqual(readByteSequence(serialiseByteSequence(bytes)), Buffer.from(bytes))));
});

const ascii = fc.string({ unit: fc.integer({ min: 0x20, max: 0x7e }).map((code) => String.fromCharCode(code)), maxLength: 12 });
const flag = fc.constant(true as const);
const component = fc.record({
  name: ascii,
  params: fc
    .record({ req: flag, sf: flag, bs: flag, tr: flag, key: ascii, name: ascii }, { requiredKeys: [], noNullPrototype: true })
    .chain((params) => fc.shuffledSubarray(Object.entries(params), { minLength: Object.keys(params).length }))
    .map((entries) => Object.fromEntries(entries)),
});
const seconds = fc.integer({ min: -999_999_999_999_999, max: 999_999_999_999_999 }).filter((value) => !Object.is(value, -0));
const params = fc.record(
  { created: seconds, expires: seconds, nonce: ascii, keyid: ascii, alg: ascii, tag: ascii },
  { requiredKeys: [], noNullPrototype: true },
);
const inputs = fc.record({ components: fc.array(component, { maxLength: 6 }), params });

test('property: a signature input is read back as it was written', () => {
  fc.assert(
    fc.property(inputs, (input) => {
      const text = serialiseParams(input as SignatureInput);
      assert.deepEqual(JSON.parse(JSON.stringify(readSignatureInput(text))), JSON.parse(JSON.stringify(input)));
      assert.deepEqual(splitMembers(`hufu=${text}`), [{ label: 'hufu', text }]);
    }),
  );
});

test('property: one input has one text: what is read, is written the same', () => {
  const text = fc.oneof(
    fc.tuple(inputs, fc.nat(), ascii).map(([input, at, more]) => {
      const whole = serialiseParams(input as SignatureInput);
      return whole.slice(0, at % whole.length) + more + whole.slice(at % whole.length);
    }),
    fc.stringMatching(/^\((?:"[a-z@\\"]{0,3}"(?:;req|;key="a"|;sf)? {0,2}){0,3}\)(?:;(?:created|nonce|x)=(?:"a"|0?1|1\.0|\?1)){0,3}$/),
  );
  fc.assert(
    fc.property(text, (given) => {
      const input = readSignatureInput(given);
      if (input) assert.equal(serialiseParams(input), given);
    }),
    { numRuns: 500 },
  );
});

const spellings = [
  '( )',
  '("a"  "b")',
  '("a" )',
  '("a");created=01',
  '("a");created=1.0',
  '("a");created="1"',
  '("a");nonce=1',
  '("a"); created=1',
  '("a");created=1;created=1',
  '("a");req',
  '("a";key)',
  '("a";req="x")',
  '("a";key="k";key="k")',
  '("a";Sf)',
  '("a";bs=1)',
  '("a";req=?1)',
  '"a"',
  '("a"',
  '',
  '("a");other="x"',
  '("a"),',
  '("é")',
  '(a)',
  '("a");created=-0',
  '("a");created=9999999999999999',
];
for (const text of spellings) {
  test(`not a canonical signature input: ${text}`, () => assert.equal(readSignatureInput(text), undefined));
}

test('two components are one when they differ in the order of their parameters only (RFC 9421 section 2)', () => {
  const named = (params: ComponentParameters) => identityOf({ name: 'a', params });
  assert.equal(named({ key: 'k', req: true }), named({ req: true, key: 'k' }));
  assert.notEqual(named({ key: 'k' }), named({ key: 'l' }));
  assert.notEqual(named({ bs: true }), named({}));
  assert.equal(named({}), '"a"');
});

test('what does not fit into a string is a bug of the caller', () => {
  for (const text of ['\n', '\u00e9', '\0']) assert.throws(() => serialiseString(text), RangeError);
  assert.equal(serialiseString('a"b\\'), '"a\\"b\\\\"');
});
