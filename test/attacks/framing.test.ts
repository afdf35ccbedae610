import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { RequestFacts } from '../../src/protocol/signature-base.ts';
import { MERCHANT_2 } from '../support/system.ts';
import { CASES, CODINGS, type Expected, inChunks, UNSIGNED } from './framing-cases.ts';
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
