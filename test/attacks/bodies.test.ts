import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { brotliCompressSync, deflateSync, gzipSync } from 'node:zlib';
import fc from 'fast-check';
import type { Header } from '../signature/request-maker.ts';
import { freshOrderNo, type Gateway, MERCHANT_2, orderBody } from '../support/system.ts';
import { readVectors } from '../vectors/outside.ts';
import { AMOUNTS, BODIES, field, good } from './body-cases.ts';
import { ask, digestField, get, lineOf, order, payment, type Sender, senderOf, tell } from './requests.ts';
import { residentBytes, startWorld, type World } from './world.ts';

const coding = (name: string, encode: (body: Buffer) => Buffer) => [name, encode] as const;
const CODINGS = [
  coding('gzip', gzipSync),
  coding('x-gzip', gzipSync),
  coding('deflate', deflateSync),
  coding('br', brotliCompressSync),
  coding('gzip, gzip', (body) => gzipSync(gzipSync(body))),
  coding('identity', (body) => body),
  coding('unknown', (body) => body),
];

describe('bodies (H)', { timeout: 120_000 }, () => {
  let world: World;
  let sender: Sender;
  before(async () => {
    world = await startWorld();
    sender = senderOf(world.system, MERCHANT_2);
  });
  after(() => world?.end());

  const AT_ONCE = 8;
  const inGroups = <T>(all: readonly T[]): T[][] =>
    Array.from({ length: Math.ceil(all.length / AT_ONCE) }, (_, i) => all.slice(i * AT_ONCE, (i + 1) * AT_ONCE));

  for (const group of inGroups(AMOUNTS)) {
    test(`amounts that are 400, for an order and for a payment: ${group.map((amount) => amount.slice(0, 24)).join(' ')} (H1)`, () =>
      world.harmless(async () => {
        const refused = async (amount: string): Promise<void> => {
          const body = `{"amountFen":${amount},"currency":"CNY","method":"OWN_BANK","payer":{"accountNo":"6200000000000001"}}`;
          for (const draft of [order(sender, { body: field('"amountFen"', amount) }), payment(sender, 'H1', 0, { body })]) {
            const told = await ask(sender, draft);
            assert.deepEqual([told.status, told.outcome, told.accepted], [400, 'unknown', true], amount);
            assert.match(told.code, /^(BODY|SCHEMA)_INVALID$/);
          }
        };
        await Promise.all(group.map(refused));
      }));
  }

  for (const [body, code, why] of BODIES) {
    test(`400 ${code}: ${why}`, () =>
      world.harmless(async () => {
        const told = await ask(sender, order(sender, { body: body() }));
        assert.deepEqual([told.status, told.code], [400, code], JSON.stringify(told.value));
      }));
  }

  const typed = (type: string, more: readonly Header[] = [], body: string | Buffer = good()) =>
    order(sender, {
      body,
      headers: [
        ...[['Host', sender.host] as const, ['Content-Type', type] as const, ['Content-Digest', digestField(body)] as const],
        ...[['Merchant-Number', sender.number] as const, ['Idempotency-Key', freshOrderNo()] as const, ...more],
      ],
    });
  const types = [
    ...[
      'text/plain',
      'application/x-www-form-urlencoded',
      'multipart/form-data; boundary=a',
      'application/jsonp',
      'text/json',
      'application/json, text/plain',
    ],
    ...[
      'application/json; charset=utf-7',
      'application/json; charset=utf-16',
      'application/json; a=b',
      'application/problem+json',
      'application/json;charset=utf-8;charset=utf-7',
      '',
    ],
  ];
  for (const type of types) {
    test(`415: Content-Type ${JSON.stringify(type)} (H7)`, () =>
      world.harmless(async () => assert.equal((await ask(sender, typed(type))).code, 'MEDIA_TYPE_UNSUPPORTED')));
  }
  for (const [name, encode] of CODINGS) {
    test(`415: Content-Encoding ${name}, so that nothing is ever inflated (H8)`, () =>
      world.harmless(async () => {
        const bomb = encode(
          Buffer.concat([Buffer.from(good()), Buffer.alloc(name === 'identity' || name === 'unknown' ? 0 : 1_000_000, 0x20)]),
        );
        const told = await ask(sender, typed('application/json', [['Content-Encoding', name]], bomb));
        assert.equal(told.code, 'MEDIA_TYPE_UNSUPPORTED');
      }));
  }
  for (const type of ['application/json', 'APPLICATION/JSON', 'application/json; charset=utf-8', 'application/json;charset="UTF-8"']) {
    test(`201: Content-Type ${type} says the same`, async () => {
      assert.equal((await ask(sender, typed(type))).status, 201);
    });
  }
  test('without a Content-Type there is nothing to cover: 401', () =>
    world.harmless(async () => {
      const body = good();
      const headers = [
        ['Host', sender.host],
        ['Content-Digest', digestField(body)],
        ['Idempotency-Key', freshOrderNo()],
      ] as const;
      assert.equal((await ask(sender, order(sender, { body, headers }))).code, 'SIGNATURE_COVERAGE');
    }));

  for (const [make, code, why] of [
    [() => get(sender, '/v1/orders/A', { body: '{}' }), 'HTTP_INVALID', 'a body on GET (H12)'],
    [() => get(sender, '/v1/orders', { method: 'DELETE', body: '{}' }), 'OPERATION_UNKNOWN', 'a body on DELETE (H12)'],
    [() => order(sender, { body: '' }), 'BODY_INVALID', 'no body on POST (H12)'],
    [() => get(sender, '/v1/orders/__proto__/payments'), 'OPERATION_UNKNOWN', 'GET where only POST is'],
    [() => get(sender, '/v1/orders/a?__proto__[x]=1&constructor.prototype.x=1'), 'SCHEMA_INVALID', '__proto__ in the query (H3)'],
    [() => get(sender, '/v1/orders/a?a=%zz'), 'SCHEMA_INVALID', 'a query that is not percent-encoding'],
    [() => get(sender, '/v1/orders/..%2f..%2fledger'), 'OPERATION_UNKNOWN', 'an escaped way up in a parameter'],
    [() => get(sender, '/v1/orders/%00'), 'OPERATION_UNKNOWN', 'an escaped NUL in a parameter'],
    [() => get(sender, '/v1/orders/%E0%A4%A'), 'OPERATION_UNKNOWN', 'a broken escape in a parameter'],
    [
      () => get(sender, '/v1/executions/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA'),
      'OPERATION_UNKNOWN',
      'an operation between gateway and core',
    ],
  ] as const) {
    test(`${code}: ${why}`, () =>
      world.harmless(async () => {
        const told = await ask(sender, make());
        assert.equal(told.code, code, JSON.stringify(told.value));
      }));
  }

  test('header names of objects change nothing (H3)', async () => {
    const headers = ['constructor', 'toString', 'hasOwnProperty', 'valueOf'].map((name) => [name, 'x'] as const);
    assert.equal((await ask(sender, typed('application/json', headers))).status, 201);
    await world.invariants();
  });

  const refuseHuge = async (start: string, more: Buffer, goOn: (sent: number) => boolean) => {
    const line = await lineOf(sender);
    line.send(start);
    let sent = 0;
    let closed = false;
    void line.closed.then(() => {
      closed = true;
    });
    while (!closed && goOn(sent)) {
      sent += more.length;
      if (!line.socket.write(more)) await Promise.race([new Promise((resolve) => line.socket.once('drain', resolve)), line.closed]);
    }
    await line.closed;
    return { sent, answer: await line.answer() };
  };
  const head = `POST /v1/orders HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n`;
  const request = { method: 'POST', target: '/v1/orders', rawHeaders: ['Host', 'localhost'] };
  const HUGE = 100_000_000;

  test('a hundred megabytes are refused before they are read, announced or in chunks (H4)', () =>
    world.harmless(async () => {
      const gateway = world.system.gateways[0] as Gateway;
      const bytesBefore = await residentBytes(gateway);
      const chunk = Buffer.alloc(65_536, 0x20);
      const chunks = Buffer.concat([Buffer.from('10000\r\n'), chunk, Buffer.from('\r\n')]);
      for (const [framing, more] of [
        [`Content-Length: ${HUGE}`, chunk],
        ['Transfer-Encoding: chunked', chunks],
      ] as const) {
        const { sent, answer } = await refuseHuge(`${head}${framing}\r\n\r\n`, more, (bytes) => bytes < HUGE);
        assert.ok(sent < HUGE / 4, `${sent} bytes were taken`);
        if (answer) assert.deepEqual([tell(sender, request, answer).code, answer.status], ['BODY_TOO_LARGE', 413]);
      }
      const grownBytes = (await residentBytes(gateway)) - bytesBefore;
      assert.ok(grownBytes < 50_000_000, `${grownBytes} bytes of memory`);
    }));

  const times = [
    ...[
      '2099-11-23T12:00:00Z',
      '2099-11-23T12:00:00+08:00',
      '2099-11-23T12:00:00.123456789Z',
      '2099-11-23t12:00:00z',
      '2099-12-31T23:59:60Z',
    ],
    ...['2099-11-23T24:00:00Z', '2099-02-30T12:00:00Z', '2099-11-23T12:00:00+24:00', '2099-11-23T12:00:00-00:00', '2099-11-23 12:00:00Z'],
    ...[
      '0000-01-01T00:00:00Z',
      '0001-01-01T00:00:00Z',
      '1970-01-01T00:00:00Z',
      '9999-12-31T23:59:59Z',
      '9999-12-31T23:59:59-23:59',
      '+010000-01-01T00:00:00Z',
    ],
  ];
  const plainTexts = fc.oneof(
    fc.string({ unit: 'binary', minLength: 1, maxLength: 140 }),
    fc.string({ unit: 'grapheme', minLength: 100, maxLength: 140 }),
  );
  const orders = fc.record(
    {
      orderNo: fc.stringMatching(/^[A-Za-z0-9_-]{0,33}$/),
      amountFen: fc.oneof(fc.integer({ min: 1, max: 100 }), fc.constantFrom(5_000_000, 5_000_001, 999_999_999_999)),
      currency: fc.constant('CNY'),
      subject: plainTexts,
      expiresAt: fc.constantFrom(...times),
      merchantNumber: fc.constant(MERCHANT_2),
    },
    { requiredKeys: ['orderNo', 'amountFen', 'currency', 'subject'] },
  );
  test('what the gateway lets through, the core understands: no order is left with an unknown outcome', async () => {
    const client = world.system.merchant(MERCHANT_2);
    const run = async (body: object) => {
      const answer = await client.call({ method: 'POST', path: '/v1/orders', idempotencyKey: freshOrderNo(), body });
      assert.match(String(answer.status), /^(201|400|403|409)$/, `${JSON.stringify(body)}: ${answer.body}`);
    };
    for (const expiresAt of times) await run({ ...orderBody(freshOrderNo(), 1), expiresAt });
    await fc.assert(fc.asyncProperty(orders, run), { numRuns: 100 });
    await world.invariants();
  });

  test('naughty strings round trip, or are refused (H11)', async (t) => {
    const [file] = readVectors(t, 'blns', /^blns.*\.json$/) ?? [];
    if (!file) return;
    const client = world.system.merchant(MERCHANT_2);
    let passed = 0;
    const roundTrip = async (subject: string): Promise<void> => {
      const orderNo = freshOrderNo();
      const body = { ...orderBody(orderNo, 1), subject };
      const answer = await client.call({ method: 'POST', path: '/v1/orders', idempotencyKey: orderNo, body });
      assert.equal(answer.accepted, true, answer.why ?? '');
      if (answer.status !== 201) assert.deepEqual([answer.status, answer.code], [400, 'SCHEMA_INVALID'], subject);
      else assert.equal((answer.value as { subject: string }).subject, subject);
      if (answer.status === 201) passed += 1;
    };
    for (const group of inGroups(JSON.parse(file.bytes.toString('utf8')) as string[])) await Promise.all(group.map(roundTrip));
    assert.ok(passed > 300, `${passed} passed`);
    await world.invariants();
  });
});
