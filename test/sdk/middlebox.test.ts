import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { Answer, ReceivedAnswer } from '../../src/sdk/answer.ts';
import type { MerchantClient } from '../../src/sdk/merchant.ts';
import { type Deed, type Deliver, type Middlebox, startMiddlebox, withHeader } from '../support/middlebox.ts';
import {
  createOrder,
  freshOrderNo,
  MERCHANT_1,
  MERCHANT_2,
  orderBody,
  paymentBody,
  payOrder,
  type System,
  startSystem,
} from '../support/system.ts';

/** The SDK against somebody in the middle of a real gateway's line: what was delivered twice, swapped, held back or changed. */
describe('the SDK behind a middlebox', () => {
  let system: System;
  const boxes: Middlebox[] = [];
  before(async () => {
    system = await startSystem();
  });
  after(async () => {
    await Promise.all(boxes.map((box) => box.close()));
    await system?.dispose();
  });

  /** A client of merchant 1 whose line goes through the deed. */
  async function behind(deed: Deed): Promise<MerchantClient> {
    const box = await startMiddlebox(system.pki, system.gateways[0]?.url ?? '', MERCHANT_1, deed);
    boxes.push(box);
    return system.merchant(MERCHANT_1, { url: box.url });
  }

  /** Payments of an order that moved money. */
  const paymentsOf = async (orderNo: string): Promise<number[]> =>
    (await system.figures()).orders.filter((row) => row.orderNo === orderNo).map(({ count }) => count);

  /** Whatever was made of the first delivery: the retry with the same key gets the answer that was dropped, and one payment ran. */
  async function assertFirstAnswer(dropped: ReceivedAnswer, final: Answer, orderNo: string): Promise<void> {
    assert.deepEqual(
      [final.status, final.verified, final.accepted, final.outcome, final.headers['idempotency-replayed']],
      [201, true, true, 'succeeded', 'true'],
    );
    assert.equal(final.body.toString(), dropped.body.toString());
    assert.deepEqual(await paymentsOf(orderNo), [1]);
  }

  const doubles: readonly (readonly [how: string, deliverTwice: (deliver: () => Promise<ReceivedAnswer>) => Promise<ReceivedAnswer[]>])[] =
    [
      ['one after the other', async (deliver) => [await deliver(), await deliver()]],
      ['both at once', (deliver) => Promise.all([deliver(), deliver()])],
    ];
  for (const [how, deliverTwice] of doubles) {
    test(`a delivery doubled, ${how}, its 201 dropped and the 409 handed over: unknown, and the same key ends in the first answer`, async () => {
      const orderNo = await createOrder(system.merchant(), 700);
      let dropped: ReceivedAnswer | undefined;
      const merchant = await behind(async (request, deliver) => {
        if (dropped) return deliver(request);
        const answers = await deliverTwice(() => deliver(request));
        dropped = answers.find(({ status }) => status === 201);
        return answers.find(({ status }) => status === 409) as ReceivedAnswer;
      });
      const seen: Answer[] = [];
      const final = await merchant.callUntilFinal(
        { method: 'POST', path: `/v1/orders/${orderNo}/payments`, body: paymentBody(700), idempotencyKey: `pay-${orderNo}` },
        { onWait: (answer) => seen.push(answer), wait: async () => undefined },
      );
      const [first] = seen;
      assert.equal(seen.length, 1);
      assert.deepEqual(
        [first?.status, first?.code, first?.verified, first?.accepted, first?.outcome, first?.retry],
        [409, 'NONCE_REPLAYED', true, true, 'unknown', 'same_key_later'],
        'a genuine answer to our very bytes, but it says nothing about the key',
      );
      await assertFirstAnswer(dropped as ReceivedAnswer, final, orderNo);
    });
  }

  test('a delivery held back until its retry has succeeded changes nothing when it arrives', async () => {
    const orderNo = await createOrder(system.merchant(), 700);
    let late: (() => Promise<ReceivedAnswer>) | undefined;
    const merchant = await behind(async (request, deliver) => {
      if (late) return deliver(request);
      late = () => deliver(request);
      return 'cut';
    });
    const first = await payOrder(merchant, orderNo, 700);
    assert.deepEqual([first.status, first.sent, first.outcome, first.retry], [0, true, 'unknown', 'same_key_later']);
    const second = await payOrder(merchant, orderNo, 700);
    assert.deepEqual([second.status, second.outcome], [201, 'succeeded']);
    const arrived = await late?.();
    assert.equal(arrived?.body.toString(), second.body.toString());
    assert.deepEqual(await paymentsOf(orderNo), [1]);
  });

  const ofOrder = (orderNo: string) => ({ method: 'GET', path: `/v1/orders/${orderNo}` });
  const NOT_BOUND = /does not verify over this answer and our request/;
  /** What is made of the genuine answer to a query; `other` is the genuine answer to another query of ours. */
  const spoiled: readonly (readonly [
    why: string,
    spoil: (answer: ReceivedAnswer, other: ReceivedAnswer) => ReceivedAnswer,
    said: RegExp,
    over?: string,
  ])[] = [
    ['swapped with the answer to another query', (_, other) => other, NOT_BOUND],
    ['200 turned into 500', (answer) => ({ ...answer, status: 500 }), NOT_BOUND],
    [
      'another Hufu-Outcome added',
      ({ rawHeaders, ...rest }) => ({ ...rest, rawHeaders: [...rawHeaders, 'Hufu-Outcome', 'failed'] }),
      /not cover/,
    ],
    ['a Retry-After added', ({ rawHeaders, ...rest }) => ({ ...rest, rawHeaders: [...rawHeaders, 'Retry-After', '9'] }), /not cover/],
    [
      'Hufu-Verified turned',
      ({ rawHeaders, ...rest }) => ({ ...rest, rawHeaders: withHeader(rawHeaders, 'hufu-verified', '?0') }),
      NOT_BOUND,
    ],
    ['asked over the connection of another merchant', (answer) => answer, /another certificate than ours/, MERCHANT_2],
    [
      'without its signature',
      ({ rawHeaders, ...rest }) => ({ ...rest, rawHeaders: withHeader(rawHeaders, 'signature') }),
      /exactly one signature/,
    ],
  ];
  test('changed, swapped and borrowed answers are told, their outcome is unknown, and nothing inside is believed', async () => {
    const orders = [await createOrder(system.merchant(), 500), await createOrder(system.merchant(), 600)] as const;
    for (const [why, spoil, said, over] of spoiled) {
      let other: ReceivedAnswer | undefined;
      const deed: Deed = async (request, deliver: Deliver) => {
        const answer = await deliver(request, other && over);
        const handed = other ? spoil(answer, other) : answer;
        other ??= answer;
        return handed;
      };
      const merchant = await behind(deed);
      assert.equal((await merchant.call(ofOrder(orders[0]))).accepted, true);
      const answer = await merchant.call(ofOrder(orders[1]));
      assert.deepEqual([answer.verified, answer.accepted, answer.outcome, answer.value], [false, false, 'unknown', undefined], why);
      assert.match(answer.why ?? '', said, why);
    }
  });

  test('a body changed on its way to the gateway creates nothing, and is never told as a result', async () => {
    const orderNo = freshOrderNo();
    const merchant = await behind(async (request, deliver) =>
      deliver({ ...request, body: Buffer.from(request.body.toString().replace('700', '100')) }),
    );
    const answer = await merchant.call({
      method: 'POST',
      path: '/v1/orders',
      body: orderBody(orderNo, 700),
      idempotencyKey: `o-${orderNo}`,
    });
    assert.deepEqual([answer.status, answer.verified, answer.accepted, answer.outcome], [401, true, false, 'unknown']);
    assert.equal((await system.merchant().call(ofOrder(orderNo))).status, 404);
  });
});
