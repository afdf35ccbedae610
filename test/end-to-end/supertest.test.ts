import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { after, before, describe, test } from 'node:test';
import request, { type Response, type Test } from 'supertest';
import { createNonce, readSigningKey } from '../../src/sdk/merchant.ts';
import { createRequestBuilder } from '../../src/sdk/request.ts';
import { signRequest } from '../../src/sdk/sign-request.ts';
import { readPinnedKeys, thumbprintOf } from '../../src/sdk/trust.ts';
import { verifyAnswer } from '../../src/sdk/verify-answer.ts';
import { freshOrderNo, MERCHANT_1, MERCHANT_2, orderBody, paymentBody, type System, startSystem } from '../support/system.ts';

const VERBS = ['get', 'post', 'put', 'patch', 'delete'] as const;
type Verb = (typeof VERBS)[number];

/** The three HTTP faces of the product, by another client than our own. */
describe('by supertest with client certificates', { timeout: 120_000 }, () => {
  let system: System;
  before(async () => {
    system = await startSystem();
  });
  after(() => system?.dispose());

  /** As a merchant's own test would write it: the certificate, the key, and the headers that the SDK's signature made. */
  const asMerchant = (verb: Verb, path: string, body?: object, number = MERCHANT_2, key = randomUUID()) => {
    const leaf = system.pki.read(`merchants/${number}`);
    const url = system.gateways[0]?.url ?? '';
    const method = verb.toUpperCase();
    const unsigned = createRequestBuilder(url, number)({ method, path, ...(body && { body, idempotencyKey: key }) });
    const signing = readSigningKey({ key: leaf.keyPem });
    const { rawHeaders } = signRequest(unsigned, signing, { createdAtSeconds: Math.floor(Date.now() / 1000), nonce: createNonce() });
    const call: Test = request(url)[verb](path).ca(system.pki.read('authority').certificatePem).key(leaf.keyPem).cert(leaf.certificatePem);
    for (let i = 0; i < rawHeaders.length; i += 2) call.set(rawHeaders[i] as string, rawHeaders[i + 1] as string);
    const verify = (response: Response): void => {
      const pinned = [{ keyid: 'platform-ec', pem: system.pki.read('signing/platform-ec').certificatePem }];
      const keys = readPinnedKeys(pinned);
      const { rawHeaders: received } = (response as unknown as { res: IncomingMessage }).res;
      const answer = { status: response.status, rawHeaders: received, body: Buffer.from(response.text) };
      const expected = { request: { method, target: path, rawHeaders }, findKey: (keyid: string) => keys.get(keyid) };
      assert.deepEqual(verifyAnswer(answer, { ...expected, thumbprint: thumbprintOf(leaf.certificatePem), nowMs: Date.now() }), {
        verified: true,
        accepted: response.get('hufu-verified') === '?1',
      });
    };
    return (body ? call.send(JSON.stringify(body)) : call).buffer(true).expect(verify);
  };

  for (const number of [MERCHANT_1, MERCHANT_2]) {
    test(`merchant ${number} creates, pays, queries and may not close what is paid`, async () => {
      const orderNo = freshOrderNo();
      const created = await asMerchant('post', '/v1/orders', orderBody(orderNo, 4321), number).expect(201);
      assert.deepEqual([created.body.orderNo, created.body.status], [orderNo, 'CREATED']);
      const paid = await asMerchant('post', `/v1/orders/${orderNo}/payments`, paymentBody(4321), number).expect(201);
      assert.equal(paid.body.status, 'SUCCEEDED');
      const found = await asMerchant('get', `/v1/orders/${orderNo}`, undefined, number).expect(200);
      assert.deepEqual([found.body.status, found.body.merchantNumber], ['PAID', number]);
      const closed = await asMerchant('post', `/v1/orders/${orderNo}/close`, {}, number).expect(409);
      assert.equal(closed.body.code, 'ORDER_NOT_CLOSABLE');
    });
  }

  test('a key that comes again is answered as before, and marked', async () => {
    const [body, key] = [orderBody(freshOrderNo(), 1), randomUUID()];
    const first = await asMerchant('post', '/v1/orders', body, MERCHANT_2, key).expect(201);
    const again = await asMerchant('post', '/v1/orders', body, MERCHANT_2, key).expect(201).expect('idempotency-replayed', 'true');
    assert.equal(again.text, first.text);
  });

  test('answers name no server and are kept by no cache', async () => {
    const response = await asMerchant('get', '/v1/platform-certificates')
      .expect(200)
      .expect('cache-control', 'no-store')
      .expect('x-content-type-options', 'nosniff')
      .expect('content-type', 'application/json');
    for (const name of ['server', 'x-powered-by', 'etag', 'set-cookie']) assert.equal(response.get(name), undefined, name);
  });

  const refusals: readonly (readonly [verb: Verb, path: string, body: object | undefined, status: number, code: string])[] = [
    ['post', '/v1/orders', { orderNo: 'A' }, 400, 'SCHEMA_INVALID'],
    ['post', '/v1/orders', orderBody('over', 5_000_001), 403, 'LIMIT_SINGLE'],
    ['get', '/v1/nothing', undefined, 404, 'OPERATION_UNKNOWN'],
    ['delete', '/v1/orders', undefined, 404, 'OPERATION_UNKNOWN'],
    ['get', '/metrics', undefined, 404, 'OPERATION_UNKNOWN'],
  ];
  for (const [verb, path, body, status, code] of refusals) {
    test(`${verb} ${path}: ${status} ${code}, as a problem document`, async () => {
      const response = await asMerchant(verb, path, body).expect(status).expect('content-type', 'application/problem+json');
      assert.deepEqual([response.body.code, response.body.status], [code, status]);
    });
  }

  test('without a certificate there is no answer at all', async () => {
    const call = request(system.gateways[0]?.url ?? '')
      .get('/v1/platform-certificates')
      .ca(system.pki.read('authority').certificatePem);
    await assert.rejects(async () => call, /socket hang up|ECONNRESET/);
  });

  test('the status listener tells probes and operators, and nobody anything about merchants', async () => {
    const status = request(system.gateways[0]?.statusUrl ?? '');
    await status.get('/livez').expect(200, { live: true });
    const ready = await status.get('/readyz').expect(200);
    assert.equal(ready.body.ready, true);
    assert.deepEqual(ready.body.dependencies.map(({ name }: { name: string }) => name).sort(), ['journal', 'listener', 'store']);
    const health = await status.get('/healthz').expect(200);
    assert.deepEqual([health.body.live, health.body.ready], [true, true]);
    const metrics = await status
      .get('/metrics')
      .expect(200)
      .expect('content-type', /^text\/plain/);
    assert.match(metrics.text, /^hufu_requests_total\{operation="orders.create",status="201",code=""\} \d+$/m);
    for (const { text } of [ready, health, metrics]) {
      for (const secret of ['127.0.0.1', system.directory, 'CN=']) assert.equal(text.includes(secret), false, secret);
      // Not within a fraction: 0.0800000000000001 is a duration.
      assert.doesNotMatch(text, /(?<![\d.])(80000000000000[12]|6200000000000001)(?!\d)/);
    }
  });

  const HELMET = { 'x-content-type-options': 'nosniff', 'x-frame-options': 'SAMEORIGIN', 'referrer-policy': 'no-referrer' };
  const checkHelmet = (response: Response): void => {
    for (const [name, value] of Object.entries(HELMET)) assert.equal(response.get(name), value, name);
    assert.match(response.get('content-security-policy') ?? '', /default-src 'self'/);
    assert.equal(response.get('x-powered-by'), undefined);
  };

  for (const path of ['/livez', '/readyz', '/healthz', '/metrics', '/', '/nothing', '/v1/orders', '/livez/', '/%2e%2e/metrics']) {
    test(`the status listener answers only what it has, by GET and HEAD: ${path}`, async () => {
      const known = ['/livez', '/readyz', '/healthz', '/metrics', '/livez/'].includes(path);
      const status = request(system.gateways[0]?.statusUrl ?? '');
      await status
        .get(path)
        .expect(known ? 200 : 404)
        .expect(checkHelmet);
      await status
        .head(path)
        .expect(known ? 200 : 404)
        .expect(checkHelmet);
      for (const verb of [...VERBS.slice(1), 'options', 'trace', 'propfind'] as const) {
        const response = await status[verb](path).expect(404).expect(checkHelmet);
        assert.match(response.body.error, /no such page/);
      }
    });
  }

  test('the core serves the gateway only: without an assertion nothing is told or done', async () => {
    const core = request(system.core.url);
    const before = (await system.figures()).executions.length;
    for (const [verb, path, body] of [
      ['post', '/v1/orders', orderBody('direct', 1)],
      ['post', '/v1/orders/direct/payments', paymentBody(1)],
      ['get', '/v1/orders/direct', undefined],
      ['get', `/v1/executions/${'A'.repeat(43)}`, undefined],
    ] as const) {
      const call = core[verb](path).set('Hufu-Merchant-Number', MERCHANT_1).set('Idempotency-Key', 'A'.repeat(43));
      const response = await (body ? call.send(body) : call).expect(401).expect(checkHelmet);
      assert.equal(response.body.code, 'ASSERTION_INVALID');
    }
    await core.get('/nothing').expect(404).expect(checkHelmet);
    assert.equal((await system.figures()).executions.length, before);
  });
});
