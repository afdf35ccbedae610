import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { RequestFacts } from '../../src/protocol/signature-base.ts';
import { MERCHANT_2 } from '../support/system.ts';
import type { Line } from './line.ts';
import { get, lineOf, order, type Sender, senderOf, tell, wireOf } from './requests.ts';
import { startWorld, type World } from './world.ts';

/** The request as its text says, for checking what the answer is bound to. */
function factsOf(text: string): RequestFacts {
  const [head = ''] = text.split('\r\n\r\n');
  const [first = '', ...lines] = head.split('\r\n');
  const [method = '', target = ''] = first.split(' ');
  return {
    method,
    target,
    rawHeaders: lines.flatMap((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1).trim()]),
  };
}

const first = (find: string | RegExp, replacement: string) => (text: string) => {
  assert.ok(text.search(find) >= 0, `the request has no ${find}`);
  return text.replace(find, replacement);
};
const withHeader = (line: string) => first('\r\n\r\n', `\r\n${line}\r\n\r\n`);
const asMethod = (method: string) => first(/^POST/, method);
const asTarget = (target: string) => first(' /v1/orders ', ` ${target} `);
/** Replaces the Host line. */
const withHost = (lines: string) => first(/Host: .*\r\n/, lines);
/** The same body in chunks; `chunk` writes one. */
const inChunks =
  (end = '0\r\n\r\n', chunk = (body: string) => `${body.length.toString(16)}\r\n${body}\r\n`) =>
  (text: string): string => {
    const [head, body] = text.split('\r\n\r\n') as [string, string];
    return `${head.replace(/Content-Length: \d+/, 'Transfer-Encoding: chunked')}\r\n\r\n${chunk(body)}${end}`;
  };

const UNSIGNED = 'unsigned';
type Expected = 'HTTP_INVALID' | 'closed' | typeof UNSIGNED;

/** Each is a correctly signed order but for its framing: whatever got through would be executed. */
const CASES: readonly (readonly [spoil: (text: string) => string, expected: Expected, why: string])[] = [
  // Host
  [withHost('Host: localhost\r\nHost: evil.example\r\n'), 'HTTP_INVALID', 'two Host lines'],
  [withHost('Host: localhost\r\nhost: localhost\r\n'), 'HTTP_INVALID', 'the same Host twice'],
  [withHost('Host: localhost, evil.example\r\n'), 'HTTP_INVALID', 'a list in Host'],
  [withHost('Host: merchant@localhost\r\n'), 'HTTP_INVALID', 'userinfo in Host'],
  [withHost('Host: localhost/v1\r\n'), 'HTTP_INVALID', 'a path in Host'],
  [withHost('Host: localhost:443:443\r\n'), 'HTTP_INVALID', 'two ports in Host'],
  [withHost('Host:\r\n'), 'HTTP_INVALID', 'an empty Host'],
  [withHost(''), 'HTTP_INVALID', 'no Host'],
  // request line
  [asTarget('https://localhost/v1/orders'), 'HTTP_INVALID', 'absolute form'],
  [asTarget('https://evil.example/v1/orders'), 'HTTP_INVALID', 'absolute form with another host'],
  [asTarget('a://b'), 'HTTP_INVALID', 'a target that URL parsers find no path in'],
  [asTarget('http://[::1'), 'HTTP_INVALID', 'a target that URL parsers throw on'],
  [asTarget('*'), 'HTTP_INVALID', 'asterisk form'],
  [asTarget('v1/orders'), UNSIGNED, 'no leading slash'],
  [asTarget('/v1/orders#a'), 'HTTP_INVALID', 'a fragment'],
  [asTarget('/v1/orders\\a'), 'HTTP_INVALID', 'a backslash'],
  [asTarget(`/v1/${'a'.repeat(3000)}`), 'HTTP_INVALID', 'a target beyond 2048 bytes'],
  [asTarget('/v1/orders\0'), UNSIGNED, 'NUL in the target'],
  [asTarget('/v1/orders\xff'), UNSIGNED, 'a byte above ASCII in the target'],
  [first('HTTP/1.1', 'HTTP/1.0'), 'HTTP_INVALID', 'HTTP/1.0'],
  [first('HTTP/1.1', 'HTTP/2.0'), 'HTTP_INVALID', 'HTTP/2.0 without its preface'],
  [first(' HTTP/1.1', ''), 'HTTP_INVALID', 'HTTP/0.9 with headers'],
  [first('HTTP/1.1', 'HTTP/1.1 '), UNSIGNED, 'a space behind the version'],
  [first('HTTP/1.1', 'HTTP/1.1\r'), UNSIGNED, 'two CR behind the version'],
  [asMethod('post'), UNSIGNED, 'a method in lower case'],
  [asMethod('HEAD'), 'HTTP_INVALID', 'HEAD'],
  [asMethod('OPTIONS'), 'HTTP_INVALID', 'OPTIONS'],
  [asMethod('TRACE'), 'HTTP_INVALID', 'TRACE'],
  [asMethod('QUERY'), 'HTTP_INVALID', 'a method of newer date'],
  [asMethod('PROPFIND'), 'HTTP_INVALID', 'a method of WebDAV'],
  [asMethod('PRI'), UNSIGNED, 'the method of the HTTP/2 preface'],
  [(text) => `PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n${text}`, UNSIGNED, 'the HTTP/2 preface'],
  [first('POST /v1/orders', 'CONNECT localhost:443'), 'closed', 'CONNECT'],
  // header lines
  [first('\r\nContent-Type', '\nContent-Type'), UNSIGNED, 'a bare LF between headers'],
  [(text) => text.replaceAll('\r\n', '\n'), UNSIGNED, 'bare LF everywhere'],
  [withHeader('X-A: b\rContent-Length: 0'), UNSIGNED, 'a bare CR in a value'],
  [withHeader('X-A: b\r\n c'), UNSIGNED, 'a folded line'],
  [withHeader('X-A : b'), UNSIGNED, 'a space before the colon'],
  [first('Merchant-Number:', 'Merchant-Number\t:'), UNSIGNED, 'a tab before the colon of a header that decides'],
  [withHeader(' X-A: b'), UNSIGNED, 'a space before the name'],
  [withHeader(': b'), UNSIGNED, 'no name'],
  [withHeader('X-A'), UNSIGNED, 'no colon'],
  [withHeader('X-A: b\0c'), UNSIGNED, 'NUL in a value'],
  [withHeader('X-\xc4: b'), UNSIGNED, 'a byte above ASCII in a name'],
  [withHeader('Merchant-Number: 800000000000001'), 'HTTP_INVALID', 'a second Merchant-Number'],
  [withHeader('Merchant_Number: 800000000000001'), 'HTTP_INVALID', 'an underscore twin of Merchant-Number'],
  [withHeader('Idempotency-Key: another'), 'HTTP_INVALID', 'a second Idempotency-Key'],
  [withHeader('Content-Type: text/plain'), 'HTTP_INVALID', 'a second Content-Type'],
  [withHeader('Content-Digest: sha-256=:AA==:'), 'HTTP_INVALID', 'a second Content-Digest'],
  [withHeader(`X-A: ${'a'.repeat(17_000)}`), UNSIGNED, 'headers beyond 16 KiB'],
  [withHeader('a:\r\n'.repeat(2_000).trimEnd()), UNSIGNED, 'two thousand headers: none may be dropped in silence'],
  [withHeader('a: b\r\n'.repeat(100).trimEnd()), 'HTTP_INVALID', 'more than a hundred headers'],
  // length
  [withHeader('Transfer-Encoding: chunked'), UNSIGNED, 'Content-Length and Transfer-Encoding'],
  [first(/Content-Length: (\d+)/, 'Content-Length: $1\r\nContent-Length: $1'), UNSIGNED, 'the same Content-Length twice'],
  [first(/Content-Length: (\d+)/, 'Content-Length: $1, $1'), UNSIGNED, 'a list of lengths'],
  [first(/Content-Length: /, 'Content-Length: +'), UNSIGNED, 'a signed length'],
  [first(/Content-Length: /, 'Content-Length: 0x'), UNSIGNED, 'a hexadecimal length'],
  [first(/Content-Length: (\d+)/, 'Content-Length: 18446744073709551616'), UNSIGNED, 'a length beyond 64 bits'],
  [first(/Content-Length: (\d+)/, 'Content-Length: $1 1'), UNSIGNED, 'a space within a length'],
  // chunks
  [inChunks('0\r\nMerchant-Number: 800000000000001\r\n\r\n'), 'HTTP_INVALID', 'a trailer that was not announced'],
  [(text) => withHeader('Trailer: Merchant-Number')(inChunks()(text)), 'HTTP_INVALID', 'an announced trailer'],
  [inChunks(undefined, (body) => `0x${body.length.toString(16)}\r\n${body}\r\n`), UNSIGNED, 'a chunk length with 0x'],
  [inChunks(undefined, (body) => `-${body.length.toString(16)}\r\n${body}\r\n`), UNSIGNED, 'a negative chunk length'],
  [inChunks(undefined, (body) => `1000000000000000${body.length.toString(16)}\r\n${body}\r\n`), UNSIGNED, 'a chunk length beyond 64 bits'],
  [inChunks(undefined, (body) => `${body.length.toString(16)}\n${body}\r\n`), UNSIGNED, 'a bare LF behind a chunk length'],
  [inChunks(undefined, (body) => `${body.length.toString(16)};a\n=b\r\n${body}\r\n`), UNSIGNED, 'a bare LF in a chunk extension'],
  [inChunks(undefined, (body) => `${body.length.toString(16)}\r\n${body}`), UNSIGNED, 'a chunk without its end'],
  [
    inChunks(undefined, (body) => `${body.length.toString(16)};${'a'.repeat(20_000)}\r\n${body}\r\n`),
    UNSIGNED,
    'a chunk extension without end',
  ],
  // what asks for another protocol, or for a word before the body
  [withHeader('Expect: 200-ok'), 'HTTP_INVALID', 'an expectation that nobody knows'],
  [withHeader('Expect: 100-continue, 200-ok'), 'HTTP_INVALID', 'two expectations'],
  [withHeader('Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk'), 'HTTP_INVALID', 'an upgrade to HTTP/2'],
  [withHeader('Connection: Upgrade\r\nUpgrade: websocket'), 'HTTP_INVALID', 'an upgrade to WebSocket'],
];

/** Spellings of Transfer-Encoding that some server somewhere takes for chunked and another does not. */
const CODINGS = [
  ...['Transfer-Encoding: ,chunked', 'Transfer-Encoding: chunked,', 'Transfer-Encoding: chunked, chunked', 'Transfer-Encoding: identity'],
  ...['Transfer-Encoding: xchunked', 'Transfer-Encoding: chunkedx', 'Transfer-Encoding: x, chunked', 'Transfer-Encoding: chunked, x'],
  ...['Transfer-Encoding: "chunked"', "Transfer-Encoding: 'chunked'", 'Transfer-Encoding: chunked;a=b', 'Transfer-Encoding:\tchunked'],
  ...[
    'Transfer-Encoding: \x0bchunked',
    'Transfer-Encoding: \x0cchunked',
    'Transfer-Encoding: \x00chunked',
    'Transfer-Encoding: chunked\x00',
  ],
  ...[
    'Transfer-Encoding: \x85chunked',
    'Transfer-Encoding: \xa0chunked',
    'Transfer-Encoding: chunked\xa0',
    'Transfer-Encoding: \xffchunked',
  ],
  ...['Transfer-Encoding : chunked', 'Transfer-Encoding\t: chunked', ' Transfer-Encoding: chunked', '\tTransfer-Encoding: chunked'],
  ...['Transfer-Encoding\x00: chunked', 'Transfer-Encoding\xa0: chunked', 'Transfer_Encoding: chunked', 'TRANSFER-ENCODING: CHUNKED'],
  ...['Transfer-Encoding: chunked\r\nTransfer-Encoding: identity', 'Transfer-Encoding: identity\r\nTransfer-Encoding: chunked'],
  ...[
    'Transfer-Encoding: x\r\n chunked',
    'Transfer-Encoding:\r\n chunked',
    'X-A: b\nTransfer-Encoding: chunked',
    'X-A: b\rTransfer-Encoding: chunked',
  ],
  ...['Transfer-Encoding: gzip, chunked', 'Transfer-Encoding: chunked, gzip', 'Transfer-Encoding: deflate', 'Transfer-Encoding:'],
];

describe('requests with more than one reading (J)', { timeout: 120_000 }, () => {
  let world: World;
  let sender: Sender;
  before(async () => {
    world = await startWorld();
    sender = senderOf(world.system, MERCHANT_2);
  });
  after(() => world?.end());

  /** The gateway closes after every one of these; that it does is awaited, not timed. */
  const meet = async (line: Line, text: string, expected: Expected): Promise<void> => {
    line.send(Buffer.from(text, 'latin1'));
    const facts = factsOf(text);
    const answer = await line.answer({ bodiless: facts.method === 'HEAD' });
    if (expected === 'closed' || !answer) {
      assert.deepEqual([answer, expected], [undefined, 'closed']);
      return;
    }
    const told = tell(sender, facts, answer);
    if (expected === UNSIGNED) {
      assert.match(String(answer.status), /^4(00|13|31)$/);
      assert.deepEqual([told.headers.get('signature'), answer.body.length], [undefined, 0]);
    } else {
      assert.deepEqual([told.status, told.verified], [400, true], told.why);
      if (facts.method !== 'HEAD') assert.equal(told.code, expected);
    }
    await line.closed;
  };

  for (const [spoil, expected, why] of CASES) {
    test(`${why}: ${expected}`, () =>
      world.harmless(async () => meet(await lineOf(sender), spoil(wireOf(order(sender)).bytes.toString('latin1')), expected)));
  }

  for (const coding of CODINGS) {
    test(`a request hidden behind ${JSON.stringify(coding)} is not found by any reading`, () =>
      world.harmless(async () => {
        const hidden = wireOf(order(sender)).bytes.toString('latin1');
        const outer = wireOf(order(sender, { body: Buffer.from(`0\r\n\r\n${hidden}`, 'latin1') })).bytes.toString('latin1');
        const line = await lineOf(sender);
        line.send(Buffer.from(outer.replace('\r\nContent-Length', `\r\n${coding}\r\nContent-Length`), 'latin1'));
        assert.equal((await line.answer())?.status, 400);
        await line.closed;
        assert.equal(await line.answer(), undefined);
      }));
  }

  for (const [start, why] of [
    ['Transfer-Encoding: ,chunked\r\n\r\n0\r\n\r\n', 'a coding with two readings'],
    ['Transfer-Encoding: chunked\r\nTrailer: a\r\n\r\n0\r\n\r\n', 'a trailer'],
    ['Host: localhost\r\n\r\n', 'a second Host'],
    ['Merchant_Number: 1\r\n\r\n', 'an underscore'],
  ] as const) {
    test(`nothing runs behind a request that ends its connection: ${why}`, () =>
      world.harmless(async () => {
        const line = await lineOf(sender);
        const { bytes } = wireOf(order(sender));
        line.send(Buffer.concat([Buffer.from(`POST /v1/orders HTTP/1.1\r\nHost: localhost\r\n${start}`), bytes, bytes]));
        assert.equal((await line.answer())?.status, 400);
        await line.closed;
        assert.equal(await line.answer(), undefined);
      }));
  }

  test('chunks, also with extensions, have one reading: the signed bytes, which go on under our own framing', async () => {
    for (const chunk of [undefined, (body: string) => `${body.length.toString(16)};a=b\r\n${body}\r\n`]) {
      const text = inChunks(undefined, chunk)(wireOf(order(sender)).bytes.toString('latin1'));
      const line = await lineOf(sender);
      line.send(Buffer.from(text, 'latin1'));
      const answer = await line.answer();
      assert.equal(answer && tell(sender, factsOf(text), answer).status, 201);
      line.leave();
    }
    await world.invariants();
  });

  test('Expect: 100-continue is met before the body is sent, but not for one that is too large', async () => {
    const [head, body] = wireOf(order(sender)).bytes.toString('latin1').split('\r\n\r\n') as [string, string];
    const line = await lineOf(sender);
    line.send(`${head}\r\nExpect: 100-continue\r\n\r\n`);
    assert.equal((await line.answer())?.status, 100);
    line.send(Buffer.from(body, 'latin1'));
    assert.equal((await line.answer())?.status, 201);
    line.send(`${head.replace(/Content-Length: \d+/, 'Content-Length: 100000000')}\r\nExpect: 100-continue\r\n\r\n`);
    assert.equal((await line.answer())?.status, 413);
    await line.closed;
    await world.invariants();
  });

  test('a hundred requests in one flight are answered in their order, a forged one among them too (J6)', async () => {
    const wires = Array.from({ length: 100 }, (_, i) => {
      const draft = i % 2 === 0 ? order(sender) : get(sender, '/v1/platform-certificates');
      return wireOf(draft, i === 1 ? { target: '/v1/platform-certificates?a=1' } : {});
    });
    const before = await world.executions();
    const line = await lineOf(sender);
    line.send(Buffer.concat(wires.map(({ bytes }) => bytes)));
    for (const [i, { request }] of wires.entries()) {
      const answer = await line.answer();
      assert.ok(answer);
      // Verified: bound to this very request, so none was answered with the answer of another.
      const told = tell(sender, request, answer);
      assert.deepEqual([told.verified, told.status], [true, i === 1 ? 401 : i % 2 === 0 ? 201 : 200], told.why);
    }
    line.leave();
    assert.equal(await world.executions(), before + 50);
    await world.invariants();
  });

  test('the same request twice in one flight runs once (J6)', async () => {
    const { bytes, request } = wireOf(order(sender));
    const before = await world.executions();
    const line = await lineOf(sender);
    line.send(Buffer.concat([bytes, bytes]));
    const answers = [await line.answer(), await line.answer()];
    line.leave();
    assert.deepEqual(answers.map((answer) => answer?.status).sort(), [201, 409]);
    for (const answer of answers) assert.equal(answer && tell(sender, request, answer).verified, true);
    assert.equal(await world.executions(), before + 1);
    await world.invariants();
  });

  test('what cannot be parsed behind a good request does not take its answer away', async () => {
    const { bytes, request } = wireOf(order(sender));
    const line = await lineOf(sender);
    line.send(Buffer.concat([bytes, Buffer.from('\0\r\n\r\n'), bytes]));
    const answer = await line.answer();
    assert.equal(answer && tell(sender, request, answer).status, 201);
    assert.equal((await line.answer())?.status, 400);
    await line.closed;
    assert.equal(await line.answer(), undefined);
    await world.invariants();
  });

  for (const [change, why] of [
    [(text: string) => text.slice(0, -5), 'the body ends early'],
    [(text: string) => text.split('\r\n\r\n')[0] as string, 'the headers end early'],
  ] as const) {
    test(`${why} and the merchant leaves: nothing is answered or run`, () =>
      world.harmless(async () => {
        const line = await lineOf(sender);
        line.send(Buffer.from(change(wireOf(order(sender)).bytes.toString('latin1')), 'latin1'));
        line.socket.end();
        const answer = await line.answer();
        assert.ok(answer === undefined || answer.status === 400);
        await line.closed;
      }));
  }
});
