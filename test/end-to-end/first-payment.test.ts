import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import type { WireRequest } from '../../src/sdk/answer.ts';
import { runHufu } from '../support/process.ts';
import { createOrder, freshOrderNo, MERCHANT_1, MERCHANT_2, orderBody, payOrder, type System, startSystem } from '../support/system.ts';

/** A merchant's whole way, against real processes, and the refusals it meets first (S01, S07, S09, S10). */
describe('a merchant pays through the gateway', { timeout: 120_000 }, () => {
  let system: System;
  before(async () => {
    system = await startSystem();
  });
  after(() => system?.dispose());

  for (const number of [MERCHANT_1, MERCHANT_2]) {
    test(`create, pay, query, balance: ${number}`, async () => {
      const merchant = system.merchant(number);
      const orderNo = await createOrder(merchant, 1234);
      const paid = await payOrder(merchant, orderNo, 1234);
      assert.equal(paid.outcome, 'succeeded', paid.body.toString());
      assert.equal((paid.value as { amountFen: number }).amountFen, 1234);
      const found = await merchant.call({ method: 'GET', path: `/v1/orders/${orderNo}` });
      assert.equal(found.accepted, true, found.why ?? '');
      assert.equal((found.value as { status: string }).status, 'PAID');
    });
  }

  test('a repeated key is answered from the store, byte for byte, and freshly signed', async () => {
    const merchant = system.merchant();
    const orderNo = await createOrder(merchant, 500);
    const first = await payOrder(merchant, orderNo, 500);
    const again = await payOrder(merchant, orderNo, 500);
    assert.equal(again.accepted, true, again.why ?? '');
    assert.deepEqual([again.status, again.body], [first.status, first.body]);
    assert.equal(again.headers['idempotency-replayed'], 'true');
    assert.equal(first.headers['idempotency-replayed'], undefined);
    assert.notEqual(again.headers.signature, first.headers.signature);
  });

  test('one merchant cannot see the order of another: the same answer as for none (M7)', async () => {
    const orderNo = await createOrder(system.merchant(MERCHANT_1), 100);
    const other = await system.merchant(MERCHANT_2).call({ method: 'GET', path: `/v1/orders/${orderNo}` });
    const none = await system.merchant(MERCHANT_2).call({ method: 'GET', path: `/v1/orders/${freshOrderNo()}` });
    assert.equal(other.status, 404);
    assert.deepEqual(other.value, none.value);
  });

  test('the gateway publishes its signing certificates; a merchant that knows only their authority fetches and checks them', async () => {
    const platformAuthority = system.pki.read('signing-authority').certificatePem;
    const answer = await system
      .merchant(MERCHANT_1, { trustedKeys: [], platformAuthority })
      .call({ method: 'GET', path: '/v1/platform-certificates' });
    assert.equal(answer.accepted, true, answer.why ?? '');
    const { certificates } = answer.value as { certificates: { keyid: string; pem: string; status: string }[] };
    assert.deepEqual(certificates.map(({ keyid }) => keyid).sort(), ['platform-ec', 'platform-enc-ec', 'platform-enc-rsa', 'platform-rsa']);
    assert.match(certificates[0]?.pem ?? '', /BEGIN CERTIFICATE/);
  });

  const flipLastByte = (signed: WireRequest): WireRequest => {
    const body = Buffer.from(signed.body);
    body[body.length - 3] = (body[body.length - 3] as number) ^ 1;
    return { ...signed, body };
  };

  test('one byte of the body changed after signing: 401, and the refusal verifies', async () => {
    const merchant = system.merchant(MERCHANT_1, { rehearse: flipLastByte });
    const answer = await merchant.call({
      method: 'POST',
      path: '/v1/orders',
      idempotencyKey: randomUUID(),
      body: orderBody(freshOrderNo(), 100),
    });
    assert.deepEqual([answer.status, answer.verified, answer.accepted], [401, true, false], answer.why ?? '');
    assert.match(answer.code ?? '', /^(SIGNATURE_MISMATCH|DIGEST_MISMATCH)$/);
  });

  test("merchant 2's certificate with merchant 1's number: 403 MERCHANT_MISMATCH", async () => {
    const merchant = system.merchant(MERCHANT_2, { merchantNumber: MERCHANT_1 });
    const answer = await merchant.call({
      method: 'POST',
      path: '/v1/orders',
      idempotencyKey: randomUUID(),
      body: orderBody(freshOrderNo(), 100),
    });
    assert.deepEqual([answer.status, answer.code, answer.verified], [403, 'MERCHANT_MISMATCH', true], answer.why ?? '');
  });

  test('the same signed bytes again: 409 NONCE_REPLAYED', async () => {
    let captured: WireRequest | undefined;
    const replayed = (signed: WireRequest): WireRequest => {
      captured ??= signed;
      return captured;
    };
    const merchant = system.merchant(MERCHANT_1, { rehearse: replayed });
    const request = { method: 'POST', path: '/v1/orders', idempotencyKey: randomUUID(), body: orderBody(freshOrderNo(), 100) };
    assert.equal((await merchant.call(request)).status, 201);
    const again = await merchant.call(request);
    assert.deepEqual([again.status, again.verified], [409, true], again.why ?? '');
    assert.equal(JSON.parse(again.body.toString()).code, 'NONCE_REPLAYED');
  });

  test('an amount over the single limit: 403 LIMIT_SINGLE; the limit itself passes', async () => {
    const merchant = system.merchant();
    const over = await merchant.call({
      method: 'POST',
      path: '/v1/orders',
      idempotencyKey: randomUUID(),
      body: orderBody(freshOrderNo(), 5_000_001),
    });
    assert.deepEqual([over.status, over.code, over.outcome], [403, 'LIMIT_SINGLE', 'failed'], over.body.toString());
    await createOrder(merchant, 5_000_000);
  });

  test('the printed call works from a shell: exit 0, verified, and 1 when refused', async () => {
    const environment = { ...system.environment, HUFU_PORT_INTERNET: new URL(system.gateways[0]?.url ?? '').port };
    const call = ['call', 'POST', '/v1/orders', '--merchant', MERCHANT_1, '--data', '@examples/order.json', '--json'];
    const done = await runHufu(call, environment);
    assert.equal(done.code, 0, done.stderr + done.stdout);
    const printed = JSON.parse(done.stdout) as { status: number; verified: boolean };
    assert.deepEqual([printed.status, printed.verified], [201, true]);
    const refused = await runHufu(['call', 'GET', '/v1/nothing', '--merchant', MERCHANT_1, '--json'], environment);
    assert.equal(refused.code, 1);
    assert.equal((JSON.parse(refused.stdout) as { status: number }).status, 404);
  });

  test('the journal of all this is whole, and the log holds no body, account number or signature', async () => {
    const verified = await runHufu(['journal', 'verify'], system.environment);
    assert.equal(verified.code, 0, verified.stdout + verified.stderr);
    const log = system.gateways[0]?.running().stderr() ?? '';
    assert.match(log, /"operation":"payments.create"/);
    for (const line of log.trim().split('\n')) JSON.parse(line);
    for (const secret of ['6200000000000001', '龙井茶', 'BEGIN ']) assert.equal(log.includes(secret), false, secret);
    const journal = readFileSync(join(system.directory, 'data', 'journal', 'gateway-1', '00000001.journal'), 'utf8');
    for (const secret of ['6200000000000001', '龙井茶']) assert.equal(journal.includes(secret), false, secret);
  });
});
