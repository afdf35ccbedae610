import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { after, before, describe, test } from 'node:test';
import {
  type CoreAnswered,
  type CoreCallOptions,
  callCore,
  executionQuery,
  freshKey,
  freshOrderNo,
  getCall,
  orderCall,
  orderQuery,
  paymentCall,
} from '../support/core.ts';

/** A core to examine, and what the examination may use. It leaves orders and small payments behind: use a test system. */
export type ExaminedCore = {
  /** Without a slash at its end: http://127.0.0.1:7001 */
  readonly baseUrl: string;
  /** Makes a compact JWT, ES256, with the gateway's assertion key and its key id: the core must trust it. */
  readonly sign: (claims: Record<string, unknown>, header?: Record<string, unknown>) => Promise<string>;
  /** Two merchants that the core serves. */
  readonly merchantNumber: string;
  readonly otherMerchantNumber: string;
  /** An account that may pay 1.00 a few dozen times. */
  readonly payerAccountNo: string;
  readonly dispose: () => Promise<void>;
};

const AMOUNT_FEN = 100;

/**
 * What every core behind the gateway owes it, as tests: each key once, repeats marked, other requests under a key refused,
 * nothing begun after an assertion's expiry, and a query that never says "not found" of something that has begun.
 */
export function coreConformance(name: string, open: () => Promise<ExaminedCore>): void {
  describe(`core conformance: ${name}`, () => {
    let core: ExaminedCore;
    let call: (options: CoreCallOptions) => Promise<CoreAnswered>;
    before(async () => {
      core = await open();
      const signer = { sign: core.sign };
      call = (options) => callCore(core.baseUrl, signer, { merchant: core.merchantNumber, ...options });
    });
    after(() => core?.dispose());

    const order = async (): Promise<string> => {
      const orderNo = freshOrderNo();
      assert.equal((await call(orderCall(orderNo, AMOUNT_FEN))).status, 201);
      return orderNo;
    };
    const pay = (orderNo: string, key = freshKey()) => paymentCall(orderNo, AMOUNT_FEN, key, core.payerAccountNo);
    const ask = (key: string, merchant?: string) => call({ ...executionQuery(key), ...(merchant ? { merchant } : {}) });
    const checkNotBegun = async (key: string): Promise<void> => {
      const { status, code } = await ask(key);
      assert.deepEqual([status, code], [404, 'EXECUTION_NOT_FOUND']);
    };

    describe('each key once', () => {
      test('a repeat gets the same answer, marked Idempotency-Replayed: true', async () => {
        const payment = pay(await order());
        const first = await call(payment);
        assert.deepEqual([first.status, first.json.status, first.replayed], [201, 'SUCCEEDED', false]);
        for (let repeat = 0; repeat < 3; repeat += 1) {
          const again = await call(payment);
          assert.deepEqual([again.status, again.text, again.replayed], [first.status, first.text, true]);
        }
      });

      test('copies sent at once run once', async () => {
        const payment = pay(await order());
        const answers = await Promise.all(Array.from({ length: 20 }, () => call(payment)));
        const final = answers.filter(({ status }) => status === 201);
        assert.equal(final.filter(({ replayed }) => !replayed).length, 1, 'exactly one answer is not a replay');
        assert.equal(new Set(final.map(({ json }) => json.paymentNo)).size, 1);
      });

      test('a failure is as final as a success', async () => {
        const payment = pay(freshOrderNo());
        const first = await call(payment);
        assert.deepEqual([first.status, first.code], [404, 'ORDER_NOT_FOUND']);
        const again = await call(payment);
        assert.deepEqual([again.status, again.text, again.replayed], [404, first.text, true]);
      });

      test('the key belongs to the merchant of the assertion', async () => {
        const key = freshKey();
        const orderNo = freshOrderNo();
        const mine = await call(orderCall(orderNo, AMOUNT_FEN, key));
        const theirs = await call({ ...orderCall(orderNo, AMOUNT_FEN + 1, key), merchant: core.otherMerchantNumber });
        assert.deepEqual([mine.status, theirs.status, theirs.replayed], [201, 201, false]);
      });
    });

    describe('another request under a key is 422 IDEMPOTENCY_KEY_REUSED', () => {
      const changes: readonly (readonly [string, (orderNo: string, other: string, key: string) => CoreCallOptions])[] = [
        ['another amount', (orderNo, _, key) => paymentCall(orderNo, AMOUNT_FEN + 1, key, core.payerAccountNo)],
        ['another path', (_, other, key) => pay(other, key)],
        ['another operation', (_, __, key) => orderCall(freshOrderNo(), AMOUNT_FEN, key)],
        [
          'one more space in the body',
          (orderNo, _, key) => ({ ...pay(orderNo, key), body: Buffer.from(`${JSON.stringify(pay(orderNo, key).body)} `) }),
        ],
      ];
      for (const [what, change] of changes) {
        test(what, async () => {
          const [orderNo, other, key] = [await order(), await order(), freshKey()];
          const first = await call(pay(orderNo, key));
          const answer = await call(change(orderNo, other, key));
          assert.deepEqual([answer.status, answer.code], [422, 'IDEMPOTENCY_KEY_REUSED']);
          assert.equal((await call(pay(orderNo, key))).text, first.text);
          assert.equal((await call(orderQuery(other))).json.status, 'CREATED');
        });
      }
    });

    describe('the assertion decides', () => {
      const now = () => Math.floor(Date.now() / 1000);
      const spoiled: readonly (readonly [string, string, () => Partial<CoreCallOptions>])[] = [
        ['expired', 'ASSERTION_EXPIRED', () => ({ claims: { iat: now() - 31, exp: now() - 1 } })],
        ['expires now', 'ASSERTION_EXPIRED', () => ({ claims: { iat: now() - 30, exp: now() } })],
        ['lives longer than 30 s', 'ASSERTION_INVALID', () => ({ lifetimeSeconds: 31 })],
        ['of another audience', 'ASSERTION_INVALID', () => ({ claims: { aud: 'other' } })],
        ['of other body bytes', 'ASSERTION_INVALID', () => ({ claims: { digest: createHash('sha256').update('x').digest('base64url') } })],
        ['of another path', 'ASSERTION_INVALID', () => ({ claims: { target: '/v1/orders/other' } })],
        ['of another method', 'ASSERTION_INVALID', () => ({ claims: { method: 'PUT' } })],
        ['of another merchant', 'ASSERTION_INVALID', () => ({ claims: { merchant: core.otherMerchantNumber } })],
        ['of another key', 'ASSERTION_INVALID', () => ({ claims: { key: freshKey() } })],
        ['by an unknown key id', 'ASSERTION_INVALID', () => ({ header: { kid: randomBytes(32).toString('hex') } })],
        ['missing', 'ASSERTION_INVALID', () => ({ headers: { 'hufu-assertion': undefined } })],
        ['not signed', 'ASSERTION_INVALID', () => ({ headers: { 'hufu-assertion': 'eyJhbGciOiJub25lIn0.e30.' } })],
      ];
      for (const [what, code, spoil] of spoiled) {
        test(`${what}: 401 ${code}, nothing begins, and the key stays free`, async () => {
          const payment = pay(await order());
          const answer = await call({ ...payment, ...spoil() });
          assert.deepEqual([answer.status, answer.code], [401, code]);
          await checkNotBegun(payment.key as string);
          const corrected = await call(payment);
          assert.deepEqual([corrected.status, corrected.replayed], [201, false]);
        });
      }
    });

    describe('the query', () => {
      test('tells a success with its answer, amount, currency and order', async () => {
        const orderNo = await order();
        const payment = pay(orderNo);
        const paid = await call(payment);
        const { json } = await ask(payment.key as string);
        assert.deepEqual([json.status, json.httpStatus, json.body], ['SUCCEEDED', paid.status, paid.json]);
        assert.deepEqual(
          [json.orderNo, json.amountFen, json.currency, json.merchantNumber],
          [orderNo, AMOUNT_FEN, 'CNY', core.merchantNumber],
        );
      });

      test('tells a failure with its answer', async () => {
        const payment = pay(freshOrderNo());
        const failed = await call(payment);
        const { json } = await ask(payment.key as string);
        assert.deepEqual([json.status, json.httpStatus, json.body], ['FAILED', failed.status, failed.json]);
      });

      test('of an unknown key, or of a key of another merchant, says 404 EXECUTION_NOT_FOUND in the same words', async () => {
        const key = freshKey();
        await call(orderCall(freshOrderNo(), AMOUNT_FEN, key));
        const [theirs, nothing] = [await ask(key, core.otherMerchantNumber), await ask(freshKey(), core.otherMerchantNumber)];
        assert.deepEqual([theirs.status, theirs.code, theirs.text], [404, 'EXECUTION_NOT_FOUND', nothing.text]);
      });

      test('never says "not found" after it was found or answered', async () => {
        const payment = pay(await order());
        let known = false;
        const paying = call(payment).then(() => {
          known = true;
        });
        const asking = Array.from({ length: 15 }, async () => {
          const knownBefore = known;
          const { status } = await ask(payment.key as string);
          if (status === 200) known = true;
          assert.ok(status === 200 || !knownBefore);
        });
        await Promise.all([paying, ...asking]);
        assert.equal((await ask(payment.key as string)).json.status, 'SUCCEEDED');
      });

      test('changes nothing: a key that was asked about can still be used', async () => {
        const payment = pay(await order());
        await checkNotBegun(payment.key as string);
        const answer = await call(payment);
        assert.deepEqual([answer.status, answer.replayed], [201, false]);
      });
    });

    describe('merchants do not see each other', () => {
      test("another merchant's order is answered like one that does not exist", async () => {
        const orderNo = await order();
        const as = (options: CoreCallOptions) => call({ ...options, merchant: core.otherMerchantNumber });
        const [theirs, nothing] = [await as(orderQuery(orderNo)), await as(orderQuery(freshOrderNo()))];
        assert.deepEqual([theirs.status, theirs.code, theirs.text], [404, 'ORDER_NOT_FOUND', nothing.text]);
        assert.equal((await as(pay(orderNo))).code, 'ORDER_NOT_FOUND');
      });

      test("a payer's account has no balance for a merchant", async () => {
        const answer = await call(getCall('accounts.balance', `/v1/accounts/${core.payerAccountNo}/balance`));
        assert.deepEqual([answer.status, answer.code], [404, 'ACCOUNT_NOT_FOUND']);
      });
    });

    describe('the payment equals the order', () => {
      for (const differenceFen of [-1, 1]) {
        test(`${differenceFen} fen: 422 AMOUNT_MISMATCH and no payment`, async () => {
          const orderNo = await order();
          const answer = await call(paymentCall(orderNo, AMOUNT_FEN + differenceFen, freshKey(), core.payerAccountNo));
          assert.deepEqual([answer.status, answer.code], [422, 'AMOUNT_MISMATCH']);
          assert.equal((await call(orderQuery(orderNo))).json.status, 'CREATED');
        });
      }
    });
  });
}
