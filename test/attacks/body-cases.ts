import { freshOrderNo, orderBody } from '../support/system.ts';

/** What stands in place of an amount, as JSON or close to it. */
export const AMOUNTS = [
  ...[
    '0',
    '-1',
    '-0',
    '0.001',
    '1.5',
    '1e2',
    '1E2',
    '1E400',
    '-1E400',
    '01',
    '+1',
    '1.',
    '.5',
    '1.0',
    '100.00',
    'NaN',
    'Infinity',
    '-Infinity',
    '0x10',
    '0b1',
    '1_000',
  ],
  ...[
    '１',
    '١',
    '9007199254740993',
    '9223372036854775808',
    '18446744073709551616',
    '1'.repeat(40),
    '1000000000000',
    '1,000',
    '(1)',
    '1n',
    '1/**/',
  ],
  ...['"1"', '"1,000"', '" 1"', 'true', 'null', '[1]', '{"$gt":0}', '{"valueOf":1}', '""', '[]', '{}'],
];

/** An order with one more member, as text. */
export const field = (name: string, json: string): string =>
  `{"orderNo":"${freshOrderNo()}",${name}:${json},"currency":"CNY","subject":"a"}`;
/** An order that is created, whatever else is spoiled. */
export const good = (): string => JSON.stringify(orderBody(freshOrderNo(), 100));
const inside = (members: string): string => good().replace('{', `{${members},`);
const [BODY, SCHEMA] = ['BODY_INVALID', 'SCHEMA_INVALID'] as const;

/** Correctly signed bodies that have more than one reading, or none. */
export const BODIES: readonly (readonly [body: () => string | Buffer, code: string, why: string])[] = [
  [() => inside('"amountFen":1'), BODY, 'amountFen twice (H2)'],
  [() => inside('"\\u0061mountFen":1'), BODY, 'amountFen twice, once escaped (H2)'],
  [
    () => good().replace(/}$/, ',"merchantNumber":"800000000000002","merchantNumber":"800000000000001"}'),
    BODY,
    'merchantNumber twice (H2)',
  ],
  [() => inside('"x":{"a":1,"a":2}'), BODY, 'a key twice, deeper (H2)'],
  ...['__proto__', 'constructor', 'prototype', 'toString', 'hasOwnProperty', '__defineGetter__'].flatMap((name) => [
    [() => inside(`"${name}":{"amountFen":1,"isAdmin":true}`), SCHEMA, `a member ${name} (H3)`] as const,
    [() => good().replace('"subject"', `"${name}"`), SCHEMA, `${name} in place of a member (H3)`] as const,
  ]),
  [() => '['.repeat(60_000), BODY, 'sixty thousand open brackets (H4)'],
  [() => `{"a":${'['.repeat(29_000)}${']'.repeat(29_000)}}`, BODY, 'depth beyond any use (H4)'],
  [() => `{${Array.from({ length: 6_000 }, (_, i) => `"k${i}":1`).join(',')}}`, SCHEMA, 'six thousand members (H4)'],
  [() => `{"${'k'.repeat(60_000)}":1}`, SCHEMA, 'a key of sixty kilobytes (H4)'],
  [() => inside(`"subject2":"${'\\u0000'.repeat(9_000)}"`), SCHEMA, 'nine thousand escaped NULs (H4)'],
  [() => Buffer.concat([Buffer.from([0xef, 0xbb, 0xbf]), Buffer.from(good())]), BODY, 'a byte order mark (H6)'],
  [() => Buffer.from(good(), 'utf16le'), BODY, 'UTF-16 (H6)'],
  [() => Buffer.from(good().replace('龙', '\xff'), 'latin1'), BODY, 'invalid UTF-8 (H6)'],
  [() => Buffer.concat([Buffer.from('{"subject":"'), Buffer.from([0xc0, 0xaf]), Buffer.from('"}')]), BODY, 'an overlong form (H6)'],
  [
    () => Buffer.concat([Buffer.from('{"subject":"'), Buffer.from([0xed, 0xa0, 0x80]), Buffer.from('"}')]),
    BODY,
    'a surrogate in UTF-8 (H6)',
  ],
  [() => good().replace('龙', '\\ud800'), BODY, 'a lone surrogate (H6)'],
  [() => good().replace('龙', '\\u0000'), SCHEMA, 'NUL in a text'],
  [() => good().replace('龙', '\\u2028'), SCHEMA, 'a line separator in a text (M1)'],
  [() => good().replace('龙', '\\u001b[31m'), SCHEMA, 'an escape sequence of terminals (M1)'],
  [() => good().replace('龙', '\\r\\n{\\"level\\":60}'), SCHEMA, 'a line break in a text (M1)'],
  [() => `${good()}${good()}`, BODY, 'two documents'],
  [() => `${good()}\0`, BODY, 'NUL behind the document'],
  [() => good().replace(/"/g, "'"), BODY, 'single quotes'],
  [() => good().replace(/}$/, ',}'), BODY, 'a comma at the end'],
  [() => `/* */${good()}`, BODY, 'a comment'],
  [() => ' ', BODY, 'white space only'],
  [() => '[]', SCHEMA, 'an array'],
  [() => `[${good()}]`, SCHEMA, 'the order in an array'],
  [() => JSON.stringify(good()), SCHEMA, 'the order in a string'],
  ...['cny', 'CNY ', ' CNY', 'XXX', 'JPY', 'USD', '人民币', 'CNY\\u0000', ''].map(
    (currency) => [() => good().replace('CNY', currency), SCHEMA, `currency ${JSON.stringify(currency)} (H10)`] as const,
  ),
];
