import assert from 'node:assert/strict';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { after, before, test } from 'node:test';
import request from 'supertest';
import {
  type CoreCallOptions,
  coreHeaders,
  executionQuery,
  freshKey,
  freshOrderNo,
  getCall,
  MERCHANT_2,
  orderCall,
  orderQuery,
  paymentCall,
  startTestCore,
  type TestCore,
} from '../support/core.ts';

let core: TestCore;
const faults: unknown[] = [];
before(async () => {
  core = await startTestCore({ reportError: (error) => faults.push(error) });
});
after(async () => {
  const { problems } = await core.readLedger().finally(core.dispose);
  assert.deepEqual(problems, []);
  assert.deepEqual(faults, [], 'hostile input is never an internal fault');
});

/** Sends an order's body as it is and checks that nothing was begun. */
async function refused(body: unknown, change: Partial<CoreCallOptions> = {}) {
  const key = freshKey();
  const answer = await core.call({ ...orderCall(freshOrderNo(), 1, key), body, ...change });
  assert.equal((await core.call(executionQuery(key))).code, 'EXECUTION_NOT_FOUND');
  return answer;
}

const order = (fields: string): Buffer => Buffer.from(`{"orderNo":"${freshOrderNo()}","currency":"CNY","subject":"s",${fields}}`);

const amounts = [
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
  '１',
  '١',
  '9007199254740993',
  '9223372036854775808',
  '18446744073709551616',
  '9'.repeat(40),
  '"1,000"',
  '"1"',
  'true',
  'null',
  '[1]',
  '{"$gt":0}',
  '1.0',
  '1000000000000',
];
for (const amount of amounts) {
  test(`amount ${amount} is no amount`, async () => {
    assert.equal((await refused(order(`"amountFen":${amount}`))).status, 400);
  });
}
for (const amount of [1, 999_999_999_999]) {
  test(`amount ${amount} is the edge and is accepted`, async () => {
    const answer = await core.call(orderCall(freshOrderNo(), amount));
    assert.deepEqual([answer.status, answer.json.amountFen], [201, amount]);
  });
}

const bodies: readonly (readonly [unknown, number, string, string])[] = [
  [Buffer.from('{"amountFen":1,"amountFen":2}'), 400, 'BODY_INVALID', 'a name twice'],
  [Buffer.from('{"amountFen":1,"\\u0061mountFen":2}'), 400, 'BODY_INVALID', 'a name twice by an escape'],
  [Buffer.from('\ufeff{}'), 400, 'BODY_INVALID', 'a byte order mark'],
  [Buffer.from('{}', 'utf16le'), 400, 'BODY_INVALID', 'UTF-16'],
  [Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x7d]), 400, 'BODY_INVALID', 'not UTF-8'],
  [Buffer.from('{"subject":"\\ud800"}'), 400, 'BODY_INVALID', 'half a surrogate pair'],
  [Buffer.from('['.repeat(60_000)), 400, 'BODY_INVALID', 'deep nesting'],
  [Buffer.from(`${'{"a":'.repeat(9)}1${'}'.repeat(9)}`), 400, 'BODY_INVALID', 'nested deeper than any request'],
  [Buffer.from('{} '.padEnd(70_000)), 413, 'BODY_TOO_LARGE', 'larger than any request'],
  [Buffer.alloc(0), 415, 'MEDIA_TYPE_UNSUPPORTED', 'no body'],
  [Buffer.from('[]'), 400, 'SCHEMA_INVALID', 'not an object'],
  [Buffer.from('null'), 400, 'SCHEMA_INVALID', 'null'],
  [order('"amountFen":1,"extra":1'), 400, 'SCHEMA_INVALID', 'a field that is not known'],
  [order('"amountFen":1,"__proto__":{"polluted":1}'), 400, 'SCHEMA_INVALID', 'a prototype'],
  [order('"amountFen":1,"toString":1'), 400, 'SCHEMA_INVALID', 'a name that every object inherits'],
  [order('"amountFen":1,"expiresAt":"tomorrow"'), 400, 'SCHEMA_INVALID', 'not a time'],
  [order('"amountFen":1,"merchantNumber":"8"'), 400, 'SCHEMA_INVALID', 'not a merchant number'],
  [order(`"amountFen":1,"merchantNumber":"${MERCHANT_2}"`), 403, 'MERCHANT_MISMATCH', 'the number of another merchant'],
  [{ orderNo: 'a'.repeat(33), amountFen: 1, currency: 'CNY', subject: 's' }, 400, 'SCHEMA_INVALID', 'an order number too long'],
  [{ orderNo: 'a b', amountFen: 1, currency: 'CNY', subject: 's' }, 400, 'SCHEMA_INVALID', 'a space in an order number'],
  [{ orderNo: 'a\n', amountFen: 1, currency: 'CNY', subject: 's' }, 400, 'SCHEMA_INVALID', 'a line break after an order number'],
  [{ orderNo: 'A1', amountFen: 1, currency: 'cny', subject: 's' }, 400, 'SCHEMA_INVALID', 'currency in lower case'],
  [{ orderNo: 'A1', amountFen: 1, currency: 'JPY', subject: 's' }, 400, 'SCHEMA_INVALID', 'a currency that the ledger does not keep'],
  [{ orderNo: 'A1', amountFen: 1, currency: 'CNY', subject: '' }, 400, 'SCHEMA_INVALID', 'an empty subject'],
  [{ orderNo: 'A1', amountFen: 1, currency: 'CNY', subject: '😀'.repeat(129) }, 400, 'SCHEMA_INVALID', 'a subject too long'],
  [{ orderNo: 'A1', amountFen: 1, currency: 'CNY', subject: 'a\u2028b' }, 400, 'SCHEMA_INVALID', 'a line separator in the subject'],
  [{ orderNo: 'A1', amountFen: 1, currency: 'CNY', subject: 'a\u001b[31m' }, 400, 'SCHEMA_INVALID', 'a terminal escape in the subject'],
  [{ amountFen: 1, currency: 'CNY', subject: 's' }, 400, 'SCHEMA_INVALID', 'no order number'],
];
for (const [body, status, code, why] of bodies) {
  test(`body refused: ${why}`, async () => {
    const answer = await refused(body);
    assert.deepEqual([answer.status, answer.code], [status, code]);
    assert.deepEqual(Object.keys(answer.json), ['code', 'message']);
  });
}

test('128 characters outside the basic plane are a subject of 128 characters', async () => {
  const answer = await core.call({
    ...orderCall('unused', 1),
    body: { orderNo: freshOrderNo(), amountFen: 1, currency: 'CNY', subject: '😀'.repeat(128) },
  });
  assert.equal(answer.status, 201);
});

const types: readonly (readonly [Record<string, string | undefined>, string])[] = [
  [{ 'content-type': undefined }, 'none'],
  [{ 'content-type': 'text/plain' }, 'text'],
  [{ 'content-type': 'application/json; charset=utf-7' }, 'another charset'],
  [{ 'content-type': 'application/x-www-form-urlencoded' }, 'a form'],
  [{ 'content-type': 'application/json-patch+json' }, 'a neighbour of JSON'],
  [{ 'content-encoding': 'gzip' }, 'a content coding'],
];
for (const [headers, why] of types) {
  test(`media type refused: ${why}`, async () => {
    const answer = await refused(order('"amountFen":1'), { headers });
    assert.deepEqual([answer.status, answer.code], [415, 'MEDIA_TYPE_UNSUPPORTED']);
  });
}

test('application/json with charset=utf-8 is the same type', async () => {
  const call = orderCall(freshOrderNo(), 1);
  assert.equal((await core.call({ ...call, headers: { 'content-type': 'Application/JSON ; charset=UTF-8' } })).status, 201);
});

const paths: readonly (readonly [string, string, string])[] = [
  ['GET', '/', 'the root'],
  ['GET', '/v1/orders', 'another method'],
  ['DELETE', '/v1/orders/A1', 'a method that no operation has'],
  ['POST', '/v1/Orders', 'another case'],
  ['POST', '/v1/orders/', 'a slash behind'],
  ['POST', '//v1/orders', 'two slashes'],
  ['POST', '/v1/orders?a=b', 'a query'],
  ['GET', '/v1/orders/%41', 'a percent sign'],
  ['GET', '/v1/orders/%zz', 'a broken percent sign'],
  ['GET', '/v1/platform-certificates', 'what the gateway answers itself'],
  ['GET', '/v1/executions', 'no key'],
  ['GET', '/v1/orders/A1/payments', 'payments are not listed'],
];
for (const [method, target, why] of paths) {
  test(`no such operation: ${why}`, async () => {
    const response = await request(core.url)
      [method.toLowerCase() as 'get'](target)
      .set(await coreHeaders(core.signer, { operation: 'orders.get', method, target }));
    assert.deepEqual([response.status, response.body.code], [404, 'OPERATION_UNKNOWN']);
  });
}

test('HEAD is not vouched for by an assertion for GET', async () => {
  const call = orderQuery(freshOrderNo());
  const response = await request(core.url)
    .head(call.target)
    .set(await coreHeaders(core.signer, call));
  assert.equal(response.status, 401);
});

test('path parameters out of form are refused, not looked up', async () => {
  for (const [operation, target] of [
    ['orders.get', `/v1/orders/${'a'.repeat(33)}`],
    ['orders.get', "/v1/orders/'or'1"],
    ['accounts.balance', '/v1/accounts/12/balance'],
    ['executions.get', '/v1/executions/short'],
  ] as const) {
    const answer = await core.call(getCall(operation, target));
    assert.deepEqual([answer.status, answer.code], [400, 'SCHEMA_INVALID']);
  }
});

test('a query with a body is refused', async () => {
  const call = orderQuery(freshOrderNo());
  const body = Buffer.from('{}');
  const response = await request(core.url)
    .get(call.target)
    .set(await coreHeaders(core.signer, { ...call, body }))
    .send('{}');
  assert.deepEqual([response.status, response.body.code], [400, 'HTTP_INVALID']);
});

test('answers are JSON, carry the headers of helmet, and tell nothing about the program', async () => {
  const call = orderCall(freshOrderNo(), 1);
  const headers = await coreHeaders(core.signer, call);
  const response = await request(core.url)
    .post(call.target)
    .set(headers)
    .send(call.body as object)
    .expect(201)
    .expect('content-type', 'application/json');
  assert.equal(response.headers['x-content-type-options'], 'nosniff');
  assert.match(response.headers['content-security-policy'] as string, /default-src 'self'/);
  for (const name of ['x-powered-by', 'server', 'etag', 'idempotency-replayed']) assert.equal(response.headers[name], undefined);
});

test('no answer to hostile input holds a stack, a path or what was sent', async () => {
  const marker = 'MARKER';
  for (const body of [
    Buffer.from(`{"${marker}":1}`),
    Buffer.from(marker),
    { orderNo: `${marker} `, amountFen: marker, currency: marker, subject: 1 },
  ]) {
    const { text } = await refused(body);
    assert.doesNotMatch(text, /MARKER|node_modules|\.ts|Error|:\d+:\d+/);
  }
});

/** Sends raw bytes; gives what came back until the end. */
async function raw(bytes: string): Promise<string> {
  const socket = connect(core.port, '127.0.0.1');
  let received = '';
  socket.setEncoding('utf8').on('data', (chunk: string) => {
    received += chunk;
  });
  socket.on('error', () => undefined);
  socket.end(bytes);
  await once(socket, 'close');
  return received;
}

const hostile: readonly (readonly [string, RegExp, string])[] = [
  ['GARBAGE\r\n\r\n', /^HTTP\/1\.1 400 /, 'not HTTP'],
  ['GET /v1/orders/A HTTP/1.1\r\nConnection: close\r\n\r\n', /^HTTP\/1\.1 400 /, 'no Host'],
  ['GET http://x/v1/orders/A HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n', /^HTTP\/1\.1 404 /, 'an absolute target'],
  ['GET /v1/orders/A? HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n', /^HTTP\/1\.1 404 /, 'an empty query'],
  [`GET /v1/orders/A HTTP/1.1\r\nHost: x\r\nX: ${'a'.repeat(20_000)}\r\n\r\n`, /^HTTP\/1\.1 431 /, 'large headers'],
  [
    'POST /v1/orders HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
    /^HTTP\/1\.1 400 /,
    'two framings',
  ],
  [
    'GET /v1/orders/A HTTP/1.1\r\nHost: x\r\nConnection: close\r\nHufu-Assertion: a\r\nHufu-Assertion: b\r\n\r\n',
    /^HTTP\/1\.1 401 [\s\S]*more than once/,
    'an assertion twice',
  ],
];
for (const [bytes, expected, why] of hostile) {
  test(`hostile HTTP: ${why}`, async () => assert.match(await raw(bytes), expected));
}

test('naughty strings as subjects and reasons are refused or come back equal', async (t) => {
  const file = new URL('../../../shared/vectors/blns/blns.json', import.meta.url);
  if (!existsSync(file)) return t.diagnostic('the outside list of naughty strings is not here');
  const strings = JSON.parse(readFileSync(file, 'utf8')) as string[];
  for (const subject of strings) {
    const answer = await core.call({
      ...orderCall('unused', 1),
      body: { orderNo: freshOrderNo(), amountFen: 1, currency: 'CNY', subject },
    });
    if (answer.status === 201) assert.equal(answer.json.subject, subject);
    else assert.equal(answer.status, 400);
  }
  t.diagnostic(`${strings.length} strings`);
});

test('a payment body with a spoiled payer is refused before it begins', async () => {
  for (const payer of [
    undefined,
    null,
    [],
    {},
    { accountNo: 62 },
    { accountNo: '62' },
    { accountNo: '6200000000000001', name: 'x' },
    { accountNo: '６２００００００００００００００' },
  ]) {
    const call = paymentCall(freshOrderNo(), 1);
    const answer = await core.call({ ...call, body: { ...(call.body as object), payer } });
    assert.deepEqual([answer.status, answer.code], [400, 'SCHEMA_INVALID']);
    assert.equal((await core.call(executionQuery(call.key as string))).code, 'EXECUTION_NOT_FOUND');
  }
});
