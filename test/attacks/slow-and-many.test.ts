import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { connect as connectPlain } from 'node:net';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { eventually } from '../support/eventually.ts';
import { createOrder, MERCHANT_1, MERCHANT_2, payOrder } from '../support/system.ts';
import { lineOf, order, type Sender, senderOf, tell, wireOf } from './requests.ts';
import { metricOf, startWorld, type World } from './world.ts';

const BUDGET = 10;
const FLOOD = 50;

/** Short times and small budgets, so that a test meets them soon. */
function tighten(folder: string): void {
  const file = join(folder, 'gateway.yaml');
  const times = [
    'headersTimeoutMs: 1000',
    'requestTimeoutMs: 1500',
    'idleTimeoutMs: 1000',
    'handshakeTimeoutMs: 2000',
    'connectionsMax: 200',
  ];
  const text = readFileSync(file, 'utf8')
    .replace('port: 8443', `port: 8443\n    ${times.join('\n    ')}`)
    .replace(/^flood: .*$/m, `flood: { perSecond: 5, burst: ${FLOOD} }`);
  writeFileSync(file, text);
}

describe('slow senders and floods (K1, section 4 of the contract)', { timeout: 120_000 }, () => {
  let world: World;
  let m1: Sender;
  let m2: Sender;
  before(async () => {
    world = await startWorld({
      configure: tighten,
      numbers: [MERCHANT_2],
      settings: `answers: { budgetPerSecond: 1, budgetBurst: ${BUDGET} }`,
    });
    m1 = senderOf(world.system, MERCHANT_1);
    m2 = senderOf(world.system, MERCHANT_2);
  });
  after(() => world?.end());
  const metric = (name: string) => metricOf(world.system.gateways[0] as { statusUrl: string }, name);

  test('a connection that never begins its handshake is closed', () =>
    world.harmless(async () => {
      const socket = connectPlain(Number(new URL(world.system.gateways[0]?.url ?? '').port), '127.0.0.1');
      socket.resume();
      await once(socket, 'close');
    }));

  /** Writes what is left a byte at a time for as long as the connection stands. */
  const drip = async (sender: Sender, atOnce: (text: string) => number) => {
    const wire = wireOf(order(sender));
    const text = wire.bytes.toString('latin1');
    const line = await lineOf(sender);
    let at = atOnce(text);
    line.send(Buffer.from(text.slice(0, at), 'latin1'));
    const timer = setInterval(() => {
      if (at < text.length - 1) line.send(Buffer.from(text[at++] ?? '', 'latin1'));
    }, 40);
    try {
      const answer = await line.answer();
      await line.closed;
      return answer;
    } finally {
      clearInterval(timer);
    }
  };
  const SLOW: readonly (readonly [atOnce: (text: string) => number, why: string])[] = [
    [() => 0, 'nothing at all'],
    [() => 10, 'the request line byte by byte'],
    [(text) => text.indexOf('Merchant-Number'), 'the headers byte by byte'],
    [(text) => text.indexOf('\r\n\r\n') + 4, 'the body byte by byte'],
    [(text) => text.length - 1, 'all but the last byte'],
  ];
  test(`who sends ${SLOW.map(([, why]) => why).join(', ')}: is cut, and told 408 at most`, () =>
    world.harmless(async () => {
      await Promise.all(
        SLOW.map(async ([atOnce, why]) => {
          const answer = await drip(m2, atOnce);
          if (answer) assert.deepEqual([answer.status, answer.body.length], [408, 0], why);
        }),
      );
    }));

  test('an idle connection is closed', async () => {
    const line = await lineOf(m2);
    line.send(wireOf(order(m2)).bytes);
    assert.equal((await line.answer())?.status, 201);
    await line.closed;
    await world.invariants();
  });

  test('a request that came whole is answered, though the next on its connection never ends', async () => {
    const { bytes, request } = wireOf(order(m2));
    const line = await lineOf(m2);
    line.send(Buffer.concat([bytes, bytes.subarray(0, 100)]));
    const answer = await line.answer();
    assert.equal(answer && tell(m2, request, answer).status, 201);
    await line.closed;
    await world.invariants();
  });

  test('sixty slow senders at once do not keep a good merchant waiting, and all are cut', () =>
    world.harmless(async () => {
      let left = 60;
      const slow = Array.from({ length: left }, async () => {
        await drip(m1, (text) => text.indexOf('Merchant-Number')).catch(() => undefined);
        left -= 1;
      });
      const client = world.system.merchant(MERCHANT_2);
      while (left > 0) {
        assert.equal((await client.call({ method: 'GET', path: '/v1/platform-certificates' })).status, 200);
        await pause(200); // the bucket of the good merchant is small here too
      }
      await Promise.all(slow);
    }));

  test('more connections than the bound are closed; there is room again when others leave', async () => {
    const open = await Promise.all(Array.from({ length: 220 }, () => lineOf(m1).catch(() => undefined)));
    assert.ok(open.some((line) => line === undefined) || (await metric('hufu_connections{listener="internet"}')) <= 200);
    for (const line of open) line?.leave();
    await eventually(() => world.invariants(), 15_000, 1_000);
  });

  test('a flood of forged signatures closes its connections when the signing budget is used up; good merchants are served meanwhile', async () => {
    const verifiedBefore = await metric('hufu_stage_seconds_count{stage="verify"}');
    const startedMs = performance.now();
    const forge = async (): Promise<'signed' | 'closed'> => {
      const draft = order(m1);
      const wire = wireOf({ ...draft, sign: () => Buffer.alloc(256, 1) });
      const line = await lineOf(m1);
      line.send(wire.bytes);
      const answer = await line.answer();
      line.leave();
      if (!answer) return 'closed';
      const told = tell(m1, wire.request, answer);
      assert.deepEqual([told.verified, told.accepted], [true, false]);
      assert.match(told.code, /^(SIGNATURE_MISMATCH|RATE_LIMITED)$/);
      return 'signed';
    };
    const client = world.system.merchant(MERCHANT_2);
    const flood = async () => {
      const met: string[] = [];
      for (let i = 0; i < 20; i += 1) met.push(...(await Promise.all(Array.from({ length: 10 }, forge))));
      return met;
    };
    const good = async () => {
      for (let i = 0; i < 5; i += 1) assert.equal((await payOrder(client, await createOrder(client, 2), 2)).outcome, 'succeeded');
    };
    const [met] = await Promise.all([flood(), good()]);
    const seconds = Math.ceil((performance.now() - startedMs) / 1000);
    const signed = met.filter((each) => each === 'signed').length;
    assert.ok(signed >= BUDGET && signed <= BUDGET + seconds + 1, `${signed} of ${met.length} were signed in ${seconds} s`);
    // Beyond the flood bucket not even the signature was looked at; the good merchant's own are counted too.
    const verified = (await metric('hufu_stage_seconds_count{stage="verify"}')) - verifiedBefore;
    assert.ok(verified <= FLOOD + 5 * seconds + 20, `${verified} signatures were verified`);
    await eventually(() => world.invariants(), 15_000, 1_000);
  });

  test('the merchant whose certificate was used works again as soon as its bucket fills, whatever its signing budget', async () => {
    const client = world.system.merchant(MERCHANT_1);
    await eventually(async () => createOrder(client, 1), 15_000, 400);
    await world.invariants();
  });
});
