import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { eventually } from '../support/eventually.ts';
import { createOrder, freshOrderNo, MERCHANT_1, MERCHANT_2, orderBody, payOrder } from '../support/system.ts';
import { ask, get, lineOf, nowSeconds, order, payment, post, type Sender, send, senderOf, tell, wireOf } from './requests.ts';
import { startWorld, type World } from './world.ts';

/** The order of the curve P-256: s and n - s both verify. */
const N = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n;
function mirrored(signature: Buffer): Buffer {
  const s = BigInt(`0x${signature.subarray(32).toString('hex')}`);
  return Buffer.concat([signature.subarray(0, 32), Buffer.from((N - s).toString(16).padStart(64, '0'), 'hex')]);
}

describe('requests that come again (E, F), through two gateways on one store', { timeout: 120_000 }, () => {
  let world: World;
  let m1: Sender;
  let m2: Sender;
  before(async () => {
    world = await startWorld({ gateways: 2 });
    m1 = senderOf(world.system, MERCHANT_1);
    m2 = senderOf(world.system, MERCHANT_2);
  });
  after(() => world?.end());

  for (const seconds of [-297, 299]) {
    test(`created ${seconds} s from now is inside the window (E2)`, async () => {
      assert.equal((await ask(m2, order(m2, { createdAtSeconds: nowSeconds() + seconds }))).status, 201);
      await world.invariants();
    });
  }

  test('an exact replay is refused on the same connection, on another and by the other gateway (E1)', async () => {
    const wire = wireOf(order(m2));
    const before = await world.executions();
    const line = await lineOf(m2);
    for (const [i, status] of [201, 409].entries()) {
      line.send(wire.bytes);
      const answer = await line.answer();
      assert.equal(answer && tell(m2, wire.request, answer).status, status, `delivery ${i}`);
    }
    line.leave();
    for (const gateway of [0, 1]) {
      const told = await send(m2, wire, { gateway });
      assert.deepEqual([told?.code, told?.verified], ['NONCE_REPLAYED', true]);
    }
    assert.equal(await world.executions(), before + 1);
    await world.invariants();
  });

  test('another spelling of the same signature is the same nonce (s and n - s both verify)', async () => {
    const draft = order(m2);
    assert.equal((await ask(m2, draft)).status, 201);
    const again = await ask(m2, { ...draft, sign: (base) => mirrored(draft.sign(base)) });
    assert.deepEqual([again.code, again.accepted], ['NONCE_REPLAYED', true]);
    await world.invariants();
  });

  test('a nonce with another body, correctly signed, is refused; the same nonce of another merchant is not (E3, E4)', async () => {
    const nonce = { nonce: '"abcdefghijklmnopqrstuvwxyz"' };
    assert.equal((await ask(m2, order(m2, { params: nonce }))).status, 201);
    assert.equal((await ask(m2, order(m2, { params: nonce }))).code, 'NONCE_REPLAYED');
    assert.equal((await ask(m2, get(m2, '/v1/platform-certificates', { params: nonce }))).code, 'NONCE_REPLAYED');
    assert.equal((await ask(m1, order(m1, { params: nonce }))).status, 201);
    await world.invariants();
  });

  test('fifty copies at one moment over fifty connections and two gateways: one runs (E5)', async () => {
    const wire = wireOf(order(m2));
    const before = await world.executions();
    const lines = await Promise.all(Array.from({ length: 50 }, (_, i) => lineOf(m2, { gateway: i % 2 })));
    for (const line of lines) line.send(wire.bytes);
    const statuses = await Promise.all(
      lines.map(async (line) => {
        const answer = await line.answer();
        line.leave();
        return answer && tell(m2, wire.request, answer).status;
      }),
    );
    assert.deepEqual(statuses.sort(), [201, ...Array.from({ length: 49 }, () => 409)]);
    assert.equal(await world.executions(), before + 1);
    await world.invariants();
  });

  test('a nonce is spent by a verified request that is refused, so that it cannot be replayed when it would pass', async () => {
    const body = '{"orderNo":"';
    const refused = post(m2, '/v1/orders', { body });
    assert.equal((await ask(m2, refused)).code, 'BODY_INVALID');
    const overLimit = order(m2, { body: '{"orderNo":"E-over","amountFen":5000001,"currency":"CNY","subject":"a"}' });
    assert.equal((await ask(m2, overLimit)).code, 'LIMIT_SINGLE');
    assert.equal((await ask(m2, overLimit)).code, 'NONCE_REPLAYED');
    await world.invariants();
  });

  test('the same payment twenty times at once under one key, each signed anew: one runs, the others are told so (F1)', async () => {
    const client = world.system.merchant(MERCHANT_2);
    const orderNo = await createOrder(client, 700);
    const before = await world.executions();
    const answers = await Promise.all(Array.from({ length: 20 }, () => ask(m2, payment(m2, orderNo, 700, { key: `F1-${orderNo}` }))));
    const paid = answers.filter(({ status }) => status === 201);
    assert.ok(paid.length >= 1);
    for (const { body } of paid) assert.deepEqual(body, paid[0]?.body);
    for (const told of answers)
      if (told.status !== 201) assert.deepEqual([told.status, told.code, told.retry], [409, 'REQUEST_IN_FLIGHT', 'same_key_later']);
    assert.equal(await world.executions(), before + 1);
    await world.invariants();
  });

  test('a used key with another amount, payer, path or content type is 422, and nothing runs (F2)', async () => {
    const orderNo = freshOrderNo();
    const key = `F2-${orderNo}`;
    assert.equal((await ask(m2, order(m2, { key, body: JSON.stringify(orderBody(orderNo, 800)) }))).status, 201);
    await world.harmless(async () => {
      const others = [
        order(m2, { key, body: JSON.stringify(orderBody(orderNo, 801)) }),
        order(m2, { key, body: JSON.stringify({ ...orderBody(orderNo, 800), subject: 'other goods' }) }),
        order(m2, { key, body: ` ${JSON.stringify(orderBody(orderNo, 800))}` }),
        payment(m2, orderNo, 800, { key }),
        post(m2, `/v1/orders/${orderNo}/close`, { key }),
      ];
      for (const draft of others) {
        const told = await ask(m2, draft);
        assert.deepEqual([told.status, told.code, told.retry], [422, 'IDEMPOTENCY_KEY_REUSED', 'query_first']);
      }
    });
  });

  test("another merchant's order number and key mean nothing to a merchant (F6)", async () => {
    const body = JSON.stringify(orderBody(freshOrderNo(), 900));
    const key = 'F6-shared';
    const [first, second] = [await ask(m1, order(m1, { key, body })), await ask(m2, order(m2, { key, body }))];
    assert.deepEqual([first.status, second.status], [201, 201]);
    assert.deepEqual([first.value.merchantNumber, second.value.merchantNumber], [MERCHANT_1, MERCHANT_2]);
    assert.equal(second.headers.get('idempotency-replayed'), undefined);
    await world.invariants();
  });

  test('after 400, 401 and 403 the corrected request runs under the same key (F9)', async () => {
    const orderNo = freshOrderNo();
    const key = `F9-${orderNo}`;
    const body = (amountFen: unknown) => JSON.stringify({ ...orderBody(orderNo, 0), amountFen });
    assert.equal((await ask(m2, order(m2, { key, body: body('1') }))).code, 'SCHEMA_INVALID');
    assert.equal((await ask(m2, order(m2, { key, body: body(1), createdAtSeconds: 0 }))).code, 'TIMESTAMP_SKEW');
    assert.equal((await ask(m2, order(m2, { key, body: body(5_000_001) }))).code, 'LIMIT_SINGLE');
    assert.equal((await ask(m2, order(m2, { key, body: body(1) }))).status, 201);
    await world.invariants();
  });

  for (const gateway of [0, 1]) {
    test(`a merchant that leaves when its payment is sent misses only the answer; gateway ${gateway + 1} tells it later (K4)`, async () => {
      const client = world.system.merchant(MERCHANT_2);
      const orderNo = await createOrder(client, 300);
      await world.system.fault({ next: 1, fault: 'delay', delayMs: 300, match: { path: `/v1/orders/${orderNo}/payments` } });
      const before = await world.executions();
      const line = await lineOf(m2);
      line.send(wireOf(payment(m2, orderNo, 300, { key: `pay-${orderNo}` })).bytes);
      await eventually(async () => assert.equal(await world.executions(), before + 1));
      line.leave();
      const paid = await eventually(async () => {
        const answer = await payOrder(world.system.merchant(MERCHANT_2, { gateway }), orderNo, 300);
        assert.equal(answer.outcome, 'succeeded', answer.body.toString());
        return answer;
      });
      assert.equal(paid.headers['idempotency-replayed'], 'true');
      assert.equal(await world.executions(), before + 1);
      await world.invariants();
    });
  }
});
