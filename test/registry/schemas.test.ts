import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { JsonProblem, parseStrictJson } from '../../src/lib/json.ts';
import type { Problem } from '../../src/protocol/operation.ts';
import { isDate, isDateTime } from '../../src/registry/formats.ts';
import { loadOperations } from '../../src/registry/operations.ts';

const { all } = loadOperations([new URL('../../config/operations/payments.yaml', import.meta.url).pathname], ({ message }) =>
  assert.fail(message),
);
const find = (id: string) => all.find((operation) => operation.id === id) ?? assert.fail(id);
const [create, pay, close, get, query, balance] = [
  'orders.create',
  'payments.create',
  'orders.close',
  'orders.get',
  'executions.get',
  'accounts.balance',
].map(find) as [
  ReturnType<typeof find>,
  ReturnType<typeof find>,
  ReturnType<typeof find>,
  ReturnType<typeof find>,
  ReturnType<typeof find>,
  ReturnType<typeof find>,
];

/** Members of a good order as JSON text, so that every spelling of a value can be tried. */
const ORDER = { orderNo: '"A-1"', amountFen: '1999', currency: '"CNY"', subject: '"Tea"' };
const written = (members: Readonly<Record<string, string>>): Buffer =>
  Buffer.from(
    `{${Object.entries(members)
      .map(([name, value]) => `${JSON.stringify(name)}:${value}`)
      .join(',')}}`,
  );

/** As the gateway opens a body: strict JSON, then the schema. */
function refusal(bytes: Buffer): 'BODY_INVALID' | readonly Problem[] {
  try {
    return create.checkBody(parseStrictJson(bytes));
  } catch (error) {
    if (error instanceof JsonProblem) return 'BODY_INVALID';
    throw error;
  }
}

test('a good order passes', () => {
  assert.deepEqual(refusal(written(ORDER)), []);
  assert.deepEqual(refusal(written({ ...ORDER, merchantNumber: '"800000000000001"', expiresAt: '"2026-11-23T10:00:00.5+08:00"' })), []);
  for (const amount of ['1', '999999999999'])
    assert.deepEqual(refusal(written({ ...ORDER, amountFen: amount })), [], 'the bounds belong to it');
});

// Threat H1: one meaning for every amount, or none.
const AMOUNTS = [
  '0',
  '-1',
  '-0',
  '0.001',
  '1e2',
  '1E400',
  '01',
  '+1',
  '" 1"',
  '1.',
  '.5',
  'NaN',
  'Infinity',
  '0x10',
  '1_000',
  '"１"',
  '１',
  '"١٢"',
  '9007199254740993',
].concat([
  '9223372036854775808',
  '18446744073709551616',
  '1'.repeat(40),
  '"1,000"',
  '"1"',
  'true',
  'null',
  '[1]',
  '{"$gt":0}',
  '1000000000000',
  '1.0',
  '',
]);
for (const amount of AMOUNTS) {
  test(`H1: the amount ${amount.slice(0, 24) || '(nothing)'} is refused`, () => {
    const found = refusal(written({ ...ORDER, amountFen: amount }));
    assert.ok(found === 'BODY_INVALID' || found.every(({ pointer }) => pointer === '/amountFen'), JSON.stringify(found));
    assert.notDeepEqual(found, []);
  });
}

// Threat H10: one currency, spelled in one way.
for (const currency of ['"cny"', '"CNY "', '" CNY"', '"XXX"', '"JPY"', '"ＣＮＹ"', '"CNY\\u0000"', '156', 'null', '["CNY"]', '""']) {
  test(`H10: the currency ${currency} is refused`, () => {
    const found = refusal(written({ ...ORDER, currency }));
    assert.ok(found !== 'BODY_INVALID' && found.some(({ pointer, message }) => pointer === '/currency' && message === 'must be "CNY"'));
  });
}

// Threat H3: names that objects inherit are mere names.
for (const name of ['__proto__', 'constructor', 'prototype', 'toString', 'hasOwnProperty', 'valueOf', '__defineGetter__']) {
  test(`H3: the member ${name} is refused at the top and below, and leaves no trace`, () => {
    assert.deepEqual(refusal(written({ ...ORDER, [name]: '{"x":1}' })), [{ pointer: '', message: `must not have the member ${name}` }]);
    const nested = parseStrictJson(
      Buffer.from(`{"amountFen":1,"currency":"CNY","method":"OWN_BANK","payer":{"accountNo":"62000000",${JSON.stringify(name)}:{"x":1}}}`),
    );
    assert.deepEqual(pay.checkBody(nested), [{ pointer: '/payer', message: `must not have the member ${name}` }]);
    assert.equal(({} as { x?: number }).x, undefined);
    assert.deepEqual(refusal(written(ORDER)), [], 'the next request is a normal one');
  });
}

test('H3: an inherited member does not stand for a required one', () => {
  const inherited = Object.create({ orderNo: 'A', amountFen: 1, currency: 'CNY', subject: 'x' }) as unknown;
  assert.equal(create.checkBody(inherited).length, 4);
});

const BODIES: readonly (readonly [why: string, members: Readonly<Record<string, string>>, pointer: string])[] = [
  ['a number of 33 letters', { ...ORDER, orderNo: `"${'A'.repeat(33)}"` }, '/orderNo'],
  ['no letters at all', { ...ORDER, orderNo: '""' }, '/orderNo'],
  ['a path in a number', { ...ORDER, orderNo: '"../x"' }, '/orderNo'],
  ['a line behind a number', { ...ORDER, orderNo: '"A\\n"' }, '/orderNo'],
  ['a line break in a text', { ...ORDER, subject: '"a\\r\\nb"' }, '/subject'],
  ['U+2028 in a text', { ...ORDER, subject: '"a\\u2028b"' }, '/subject'],
  ['a colour of a terminal', { ...ORDER, subject: '"\\u001b[31m"' }, '/subject'],
  ['129 letters', { ...ORDER, subject: `"${'茶'.repeat(129)}"` }, '/subject'],
  ['a merchant number of letters', { ...ORDER, merchantNumber: '"80000000000000A"' }, '/merchantNumber'],
  ['a day that does not exist', { ...ORDER, expiresAt: '"2026-02-29T00:00:00Z"' }, '/expiresAt'],
  ['a time without offset', { ...ORDER, expiresAt: '"2026-02-28T00:00:00"' }, '/expiresAt'],
];
for (const [why, members, pointer] of BODIES) {
  test(`an order with ${why} is refused at ${pointer}`, () => {
    const found = refusal(written(members));
    assert.ok(found !== 'BODY_INVALID' && found.length > 0);
    for (const problem of found) assert.equal(problem.pointer, pointer);
  });
}

test('128 letters of four bytes are 128 letters', () =>
  assert.deepEqual(refusal(written({ ...ORDER, subject: `"${'𠮷'.repeat(128)}"` })), []));

test('problems name place and rule, never the value, nor a name that could carry one', () => {
  const secret = '6222020200112233445';
  const found = pay.checkBody({
    amountFen: secret,
    currency: secret,
    method: secret,
    payer: { accountNo: `x${secret}` },
    [`${secret} ${secret}`]: 1,
    merchantNumber: secret,
  });
  assert.ok(found.length >= 6);
  assert.ok(!JSON.stringify(found).includes(secret), JSON.stringify(found));
});

test('problems are at most 20, however many there are', () => {
  const body = Object.fromEntries(Array.from({ length: 500 }, (_, index) => [`x${index}`, 1]));
  assert.equal(close.checkBody(body).length, 20);
});

test('an operation without a body takes none, one with a body needs it', () => {
  assert.deepEqual(get.checkBody(undefined), []);
  assert.equal(get.checkBody({}).length, 1);
  assert.equal(close.checkBody(undefined).length, 1);
  assert.deepEqual(close.checkBody({}), []);
});

test('query parameters: undeclared ones are refused, whatever they are called', () => {
  for (const name of ['x', '__proto__', 'toString', 'orderNo', ''])
    assert.deepEqual(get.checkParameters({ orderNo: 'A' }, [[name, '1']]), [
      { pointer: '/query', message: 'has a parameter that the operation does not name' },
    ]);
});

test('path parameters fit their schema', () => {
  assert.deepEqual(get.checkParameters({ orderNo: 'A-1_b' }, []), []);
  for (const orderNo of ['A.', 'A~', 'x'.repeat(33)]) assert.equal(get.checkParameters({ orderNo }, [])[0]?.pointer, 'path:orderNo');
  assert.deepEqual(get.checkParameters({}, []), [{ pointer: 'path:orderNo', message: 'is required' }]);
});

const EXECUTION = {
  status: 'SUCCEEDED',
  httpStatus: 201,
  merchantNumber: '800000000000001',
  orderNo: 'A',
  amountFen: 1,
  currency: 'CNY',
  body: { any: 1 },
};
const ANSWERS = [
  ['an execution', query, 200, EXECUTION, true],
  ['an execution in another state', query, 200, { ...EXECUTION, status: 'DONE' }, false],
  ['not found', query, 404, { code: 'EXECUTION_NOT_FOUND', message: '' }, true],
  ['a 404 of something else', query, 404, '<html>', false],
  ['a status that is not described', query, 500, { code: 'X_Y', message: '' }, false],
  [
    'a newer core may say more',
    balance,
    200,
    {
      accountNo: '6800000000000001',
      merchantNumber: '800000000000001',
      currency: 'CNY',
      balanceFen: 0,
      availableFen: 0,
      asOf: '2026-11-23T00:00:00Z',
      new: 1,
    },
    true,
  ],
  [
    'an amount as text',
    balance,
    200,
    {
      accountNo: '6800000000000001',
      merchantNumber: '800000000000001',
      currency: 'CNY',
      balanceFen: '0',
      availableFen: 0,
      asOf: '2026-11-23T00:00:00Z',
    },
    false,
  ],
] as const;
for (const [why, operation, status, body, fits] of ANSWERS)
  test(`answer: ${why}`, () => assert.equal(operation.checkAnswer(status, body).length === 0, fits));

test('date-time takes exactly the moments that there are', () => {
  fc.assert(
    fc.property(fc.date({ noInvalidDate: true, min: new Date(0), max: new Date('9999-12-31T23:59:59Z') }), (date) =>
      isDateTime(date.toISOString()),
    ),
  );
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 9999 }), fc.integer({ min: 0, max: 13 }), fc.integer({ min: 0, max: 32 }), (year, month, day) => {
      const text = `${String(year).padStart(4, '0')}-${String(month).padStart(2, '0')}-${String(day).padStart(2, '0')}`;
      const parsed = new Date(`${text}T00:00:00Z`);
      assert.equal(isDate(text), !Number.isNaN(parsed.getTime()) && parsed.toISOString().startsWith(text));
    }),
  );
  for (const text of [
    '2026-11-23T24:00:00Z',
    '2026-11-23T23:59:60Z',
    '2026-11-23 10:00:00Z',
    '2026-11-23T10:00:00z',
    '2026-11-23T10:00:00+24:00',
    '2026-11-23T10:00:00Z\n',
  ])
    assert.ok(!isDateTime(text), text);
});
