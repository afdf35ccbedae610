import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type JsonBounds, JsonProblem, parseStrictJson } from '../../src/lib/json.ts';

const read = (text: string | Buffer, bounds?: JsonBounds): unknown => parseStrictJson(Buffer.from(text as string), bounds);

function problemOf(text: string | Buffer, bounds?: JsonBounds): JsonProblem {
  try {
    read(text, bounds);
  } catch (error) {
    assert.ok(error instanceof JsonProblem, `not a JsonProblem but ${error}`);
    return error;
  }
  return assert.fail('accepted');
}

const bytes = (...values: number[]): Buffer => Buffer.from([0x22, ...values, 0x22]);

const refused: readonly (readonly [text: string | Buffer, reason: RegExp, offset: number, why: string])[] = [
  ['', /expected a value/, 0, 'nothing'],
  ['\ufeff{}', /byte order mark/, 0, 'H6: a BOM'],
  [Buffer.from('{}', 'utf16le'), /expected a name/, 1, 'H6: UTF-16'],
  [bytes(0xff), /UTF-8/, 1, 'H6: no UTF-8 byte'],
  [bytes(0xc0, 0xaf), /UTF-8/, 1, 'H6: overlong'],
  [bytes(0x61, 0xed, 0xa0, 0x80), /UTF-8/, 2, 'H6: a raw surrogate'],
  [bytes(0xf4, 0x90, 0x80, 0x80), /UTF-8/, 1, 'beyond U+10FFFF'],
  [bytes(0xe4, 0xb8), /UTF-8/, 1, 'a cut character'],
  [Buffer.concat([Buffer.from('"中\ufffd'), bytes(0x80)]), /UTF-8/, 8, 'the offset is right behind a real U+FFFD'],
  ['"\\ud800"', /surrogate/, 1, 'H6: an escaped high half alone'],
  ['"\\udc00"', /surrogate/, 1, 'an escaped low half alone'],
  ['"\\udc00\\ud800"', /surrogate/, 1, 'the halves in the wrong order'],
  ['"\\ud800x\\udc00"', /surrogate/, 1, 'a character between the halves'],
  ['"\\ud800\\u0041"', /surrogate/, 1, 'a high half and no low one'],
  ['"\\ud800\\ue000"', /surrogate/, 1, 'a high half and something above the low ones'],
  ['"\\ud800\\n"', /surrogate/, 1, 'a high half and another escape'],
  ['{"a\\udfff":1}', /surrogate/, 3, 'a name is checked too'],
  ['"\\u12g4"', /hexadecimal/, 1, 'no hexadecimal digit'],
  ['"\\u12', /hexadecimal/, 1, 'a cut escape'],
  ['"\\x41"', /no escape/, 1, 'JavaScript, not JSON'],
  ['"\\', /no escape/, 1, 'a cut backslash'],
  ['"a', /does not end/, 2, 'an open string'],
  ['"\t"', /control/, 1, 'a raw tab'],
  ['"\x1f"', /control/, 1, 'the last control character'],
  ['"\0"', /control/, 1, 'a raw NUL'],
  ["'a'", /expected a value/, 0, 'single quotes'],
  ['{"amount":1,"amount":2}', /repeats/, 12, 'H2: at the top'],
  ['{"a":{"b":1,"b":1}}', /repeats/, 12, 'H2: nested'],
  ['[{"a":1},{"b":[{"c":1,"c":1}]}]', /repeats/, 22, 'in an array'],
  ['{"amount":1,"\\u0061mount":2}', /repeats/, 12, 'H2: after unescaping'],
  ['{"中":1,"\\u4e2d":2}', /repeats/, 9, 'raw and escaped'],
  ['{"__proto__":1,"__proto__":2}', /repeats/, 15, 'no name is special'],
  ['{"":1,"":2}', /repeats/, 6, 'the empty name'],
  ['{a:1}', /name in double quotes/, 1, 'a bare name'],
  ['{"a" 1}', /colon/, 5, 'no colon'],
  ['{"a":1,}', /name in double quotes/, 7, 'a trailing comma in an object'],
  ['[1,]', /expected a value/, 3, 'a trailing comma in an array'],
  ['[1 2]', /comma/, 3, 'no comma'],
  ['[1}', /comma/, 2, 'the wrong bracket'],
  ['{} {}', /follows/, 3, 'two documents'],
  ['1x', /follows/, 1, 'a number and a letter'],
  ['truex', /follows/, 4, 'a word and a letter'],
  ['True', /expected a value/, 0, 'a word in capitals'],
  ['nul', /expected a value/, 0, 'a cut word'],
  ['{}\u00a0', /follows/, 2, 'white space that is none'],
  ['/**/{}', /expected a value/, 0, 'a comment'],
];
for (const [text, reason, offset, why] of refused) {
  test(`refused: ${why}`, () => {
    const problem = problemOf(text);
    assert.match(problem.reason, reason);
    assert.equal(problem.offset, offset);
  });
}

/** H1, and what else looks like a number. */
const NUMBERS =
  '-0 0.0 -0.0 1.0 1.10 1e2 1E2 1e+2 1e400 -1e400 1E400 01 -01 00 +1 1. .5 -.5 - -- 1e 1e+ 1.e1 0x10 1_000 NaN Infinity -Infinity １ ٣ 1,000 0e1 1e21 1e+21 ' +
  '9007199254740993 9007199254740992 9007199254740994 9223372036854775808 18446744073709551616 -9007199254740992 0.1000000000000000055 ' +
  '1234567890123456789012345678901234567890 0.30000000000000004440892098500626 5E-324';
for (const text of NUMBERS.split(' ')) {
  test(`refused as a number: ${text}`, () => {
    problemOf(`{"amountFen":${text}}`);
  });
}
for (const text of [
  '0',
  '1',
  '-1',
  '100',
  '999999999999',
  '9007199254740991',
  '-9007199254740991',
  '0.1',
  '-0.5',
  '1e-7',
  '5e-324',
  '1.5e-10',
  '0.30000000000000004',
]) {
  test(`accepted as a number: ${text}`, () => assert.equal(read(text), Number(text)));
}

test('__proto__ and its kin are own members like any other and change no prototype', () => {
  const value = read('{"__proto__":{"x":1},"constructor":{"prototype":{"y":1}},"toString":1}') as object;
  assert.deepEqual(Object.keys(value), ['__proto__', 'constructor', 'toString']);
  assert.equal(Object.getPrototypeOf(value), Object.prototype);
  assert.equal('x' in {} || 'y' in {}, false);
});

const nested = (depth: number) => '['.repeat(depth) + ']'.repeat(depth);
const names = (count: number) => `{${Array.from({ length: count }, (_, i) => `"k${i}":0`).join()}}`;

test('bounds are inclusive, have defaults, and count names of the whole document', () => {
  read(nested(32));
  assert.equal(problemOf(nested(33)).offset, 32);
  read(`${'{"a":'.repeat(32)}0${'}'.repeat(32)}`);
  read(`[${nested(31)},${nested(31)}]`);
  read(nested(1000), { depthMax: 1000 });
  assert.match(problemOf('[[]]', { depthMax: 1 }).reason, /more than 1 deep/);
  read(names(10_000));
  assert.match(problemOf(names(10_001)).reason, /more than 10000 names/);
  assert.match(problemOf('[{"a":0},{"a":0}]', { keysMax: 1 }).reason, /more than 1 names/);
  for (const depthMax of [0, 1001]) assert.throws(() => read('1', { depthMax }), RangeError);
});

test('H4: size alone is no danger', () => {
  const large: readonly (string | Buffer)[] = [
    '['.repeat(1_000_000),
    '{"a":'.repeat(200_000),
    `"${'\\u4e2d'.repeat(160_000)}`,
    names(90_000),
    '1'.repeat(1_000_000),
    '-'.repeat(1_000_000),
    ' '.repeat(1_000_000),
    Buffer.concat([Buffer.from(`"${'中'.repeat(330_000)}`), bytes(0xff)]),
  ];
  for (const text of large) problemOf(text);
  assert.equal((read(`[${'1,'.repeat(400_000)}1]`) as unknown[]).length, 400_001);
});

test('a reason never repeats the input', () => {
  for (const [text] of refused) {
    const { reason, message, offset } = problemOf(text);
    assert.equal(message, `${reason} (byte ${offset})`);
  }
  assert.ok(!problemOf('{"secret-6222":1,"secret-6222":2}').message.includes('6222'));
});

test('a view into a larger buffer is read within its bounds', () => {
  const larger = Uint8Array.from(Buffer.from('xx12yy'));
  assert.equal(parseStrictJson(larger.subarray(2, 4)), 12);
});

test('property: what JavaScript writes is read back equal, unless a number is beyond 2^53', () => {
  const number = fc
    .double({ noNaN: true, noDefaultInfinity: true })
    .filter((value) => !Object.is(value, -0) && (!Number.isInteger(value) || Number.isSafeInteger(value)));
  const leaf = fc.oneof(number, fc.string({ unit: 'binary' }), fc.boolean(), fc.constant(null));
  const { document } = fc.letrec((tie) => ({
    document: fc.oneof(
      { maxDepth: 5 },
      leaf,
      fc.array(tie('document'), { maxLength: 5 }),
      fc.dictionary(fc.string({ unit: 'binary' }), tie('document'), { maxKeys: 5 }),
    ),
  }));
  fc.assert(
    fc.property(document, fc.constantFrom(0, 2), (value, indent) => {
      const text = JSON.stringify(value, null, indent);
      assert.deepEqual(read(text), JSON.parse(text));
    }),
    { numRuns: 300 },
  );
});

test('property: whatever is accepted, JSON.parse accepts with the same value, and every repeat of a name is refused', () => {
  const fragment = fc.constantFrom(
    '{',
    '}',
    '[',
    ']',
    ',',
    ':',
    '"',
    '"a"',
    '"\\u0061"',
    '1',
    '-0',
    '1.0',
    'true',
    'null',
    '\\',
    '\\ud800',
    '中',
    '\u0000',
  );
  fc.assert(
    fc.property(fc.array(fragment, { maxLength: 12 }), (parts) => {
      const text = parts.join('');
      let value: unknown;
      try {
        value = read(text);
      } catch (error) {
        assert.ok(error instanceof JsonProblem);
        return;
      }
      assert.deepEqual(value, JSON.parse(text));
      assert.equal(JSON.stringify(value), text.replaceAll('\\u0061', 'a'));
    }),
    { numRuns: 2000 },
  );
});

test('property: any bytes give a value or a JsonProblem', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 40 }), (input) => {
      try {
        parseStrictJson(input);
      } catch (error) {
        assert.ok(error instanceof JsonProblem);
        assert.ok(error.offset >= 0 && error.offset <= input.length);
      }
    }),
    { numRuns: 1000 },
  );
});
