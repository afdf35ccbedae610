import assert from 'node:assert/strict';
import { test } from 'node:test';
import { findAt } from '../../src/lib/json-pointer.ts';

/** The document of RFC 6901 section 5, and what must not be found. */
const DOCUMENT = JSON.parse(
  '{"foo":["bar","baz"],"":0,"a/b":1,"c%d":2,"e^f":3,"g|h":4,"i\\\\j":5,"k\\"l":6," ":7,"m~n":8,"~1":9,"none":null,"__proto__":{"x":1}}',
);

const cases: readonly (readonly [pointer: string, value: unknown, why: string])[] = [
  ['', DOCUMENT, 'the whole document'],
  ['/foo', ['bar', 'baz'], 'a member'],
  ['/foo/0', 'bar', 'an index'],
  ['/', 0, 'the empty name'],
  ['/a~1b', 1, '~1 is a slash'],
  ['/c%d', 2, 'nothing is percent-decoded'],
  ['/e^f', 3, 'a caret'],
  ['/g|h', 4, 'a bar'],
  ['/i\\j', 5, 'a backslash'],
  ['/k"l', 6, 'a quote'],
  ['/ ', 7, 'a space'],
  ['/m~0n', 8, '~0 is a tilde'],
  ['/~01', 9, '~01 is ~1, not a slash'],
  ['/none', null, 'null is a value'],
  ['/none/x', undefined, 'null has no members'],
  ['/foo/2', undefined, 'beyond the end'],
  ['/foo/-', undefined, '- is no element'],
  ['/foo/00', undefined, 'a leading zero'],
  ['/foo/+0', undefined, 'no number of JSON pointer'],
  ['/foo/length', undefined, 'length is not data'],
  ['/foo/0/0', undefined, 'a string has no elements'],
  ['/toString', undefined, 'nothing from the prototype'],
  ['/constructor/prototype', undefined, 'nothing from the prototype'],
  ['/__proto__/x', 1, 'an own member of this name'],
  ['/__proto__/toString', undefined, 'and no further'],
  ['foo', undefined, 'a pointer begins with a slash'],
  ['/missing/deeper', undefined, 'absent'],
];
for (const [pointer, value, why] of cases) {
  test(`findAt ${JSON.stringify(pointer)}: ${why}`, () => assert.deepEqual(findAt(DOCUMENT, pointer), value));
}

test('findAt on something that is no container', () => {
  for (const value of [undefined, null, 1, 'text', true]) assert.equal(findAt(value, '/0'), undefined);
  assert.equal(findAt({}, '/__proto__'), undefined);
});
