import assert from 'node:assert/strict';
import { createHash, X509Certificate } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import type { IncomingHttpHeaders } from 'node:http';
import { Agent, request } from 'node:https';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { after, before, describe, test } from 'node:test';
import { AlipaySdk } from 'alipay-sdk';
import { Agent as UrllibAgent } from 'urllib';
import { Wechatpay } from 'wechatpay-axios-plugin';
import type { Leaf } from '../support/pki.ts';
import { freshOrderNo, MERCHANT_1, orderBody, paymentBody, type System, startSystem } from '../support/system.ts';

/** SDKs of WeChat Pay and Alipay as their users have them: host name, keys and the certificate of the connection are all that is set. */

// The SDK writes the time of its machine; Alipay reads it as that of China.
process.env.TZ = 'Asia/Shanghai';

const statusOf = (data: unknown): string => (data as { status: string }).status;

function configure(folder: string): void {
  const file = join(folder, 'merchants', `${MERCHANT_1}.yaml`);
  writeFileSync(file, `${readFileSync(file, 'utf8')}signatures: [rfc9421, wechatpay-v3, alipay-v3, sorted-rsa2]\n`);
}

describe('payment SDKs, unmodified, against the running gateway', { timeout: 120_000 }, () => {
  let system: System;
  let merchant: Leaf;
  let platform: Leaf;
  let tls: { cert: string; key: string; ca: string };
  let url: string;
  before(async () => {
    system = await startSystem({ configure });
    merchant = system.pki.read(`merchants/${MERCHANT_1}`);
    platform = system.pki.read('signing/platform-rsa');
    tls = { cert: merchant.certificatePem, key: merchant.keyPem, ca: system.pki.read('authority').certificatePem };
    url = (system.gateways[0] as { url: string }).url;
  });
  after(() => system?.dispose());

  const serialOf = ({ certificatePem }: Leaf): string => new X509Certificate(certificatePem).serialNumber;
  const paidOnce = async (orderNo: string): Promise<void> => {
    const { orders, problems } = await system.figures();
    assert.deepEqual(
      orders.filter((order) => order.orderNo === orderNo).map(({ count }) => count),
      [1],
    );
    assert.deepEqual(problems, []);
  };

  test('wechatpay-axios-plugin creates, pays and queries an order, and verifies each answer', async () => {
    const certs = { [serialOf(platform)]: platform.certificatePem };
    const httpsAgent = new Agent(tls);
    const own = { mchid: MERCHANT_1, serial: serialOf(merchant), privateKey: merchant.keyPem, baseURL: url, httpsAgent };
    const wechatpay = new Wechatpay({ ...own, certs });
    const orderNo = freshOrderNo();
    try {
      const created = await wechatpay.chain('v1/orders').post(orderBody(orderNo, 1234));
      assert.deepEqual([created.status, statusOf(created.data)], [201, 'CREATED']);
      const paid = await wechatpay.chain(`v1/orders/${orderNo}/payments`).post(paymentBody(1234));
      assert.deepEqual([paid.status, statusOf(paid.data)], [201, 'SUCCEEDED']);
      const again = await wechatpay.chain(`v1/orders/${orderNo}/payments`).post(paymentBody(1234));
      assert.deepEqual([again.headers['idempotency-replayed'], again.data], ['true', paid.data], 'the same order is the same key');
      const found = await wechatpay.chain(`v1/orders/${orderNo}`).get();
      assert.deepEqual([found.status, statusOf(found.data)], [200, 'PAID']);
      await paidOnce(orderNo);
      const deceived = new Wechatpay({ ...own, certs: { [serialOf(platform)]: merchant.certificatePem } });
      await assert.rejects(deceived.chain(`v1/orders/${orderNo}`).get(), { code: 'EV3_RES_HEADER_SIGNATURE_DIGEST' }, 'it does verify');
    } finally {
      httpsAgent.destroy();
    }
  });

  for (const mode of ['certificate', 'public key'] as const) {
    test(`alipay-sdk (v3, ${mode} mode) creates, pays and queries an order, and verifies each answer`, async () => {
      const agent = new UrllibAgent({ connect: tls });
      const certificates = {
        appCertContent: merchant.certificatePem,
        alipayPublicCertContent: platform.certificatePem,
        alipayRootCertContent: system.pki.read('authority').certificatePem,
      };
      const publicKey = platform.publicKey.export({ type: 'spki', format: 'pem' }).toString();
      const own = { appId: MERCHANT_1, privateKey: merchant.keyPem, keyType: 'PKCS8' as const, endpoint: url };
      const sdk = new AlipaySdk({ ...own, ...(mode === 'certificate' ? certificates : { alipayPublicKey: publicKey }) });
      const orderNo = freshOrderNo();
      try {
        const created = await sdk.curl('POST', '/v1/orders', { body: orderBody(orderNo, 1234), agent });
        assert.deepEqual([created.responseHttpStatus, statusOf(created.data)], [201, 'CREATED']);
        const paid = await sdk.curl('POST', `/v1/orders/${orderNo}/payments`, { body: paymentBody(1234), agent });
        assert.deepEqual([paid.responseHttpStatus, statusOf(paid.data)], [201, 'SUCCEEDED']);
        const found = await sdk.curl('GET', `/v1/orders/${orderNo}`, { agent });
        assert.deepEqual([found.responseHttpStatus, statusOf(found.data)], [200, 'PAID']);
        await paidOnce(orderNo);
        const other = merchant.publicKey.export({ type: 'spki', format: 'pem' }).toString();
        const deceived = new AlipaySdk({ ...own, alipayPublicKey: other });
        const query = deceived.curl('GET', `/v1/orders/${orderNo}`, { agent });
        await assert.rejects(query, { code: 'response-signature-verify-error' }, 'it does verify');
      } finally {
        await agent.close();
      }
    });
  }

  /** Posts a form as the SDK made it, and gives the raw answer. */
  const postForm = (path: string, form: string): Promise<{ status: number; headers: IncomingHttpHeaders; raw: string }> =>
    new Promise((resolve, reject) => {
      const headers = { 'content-type': 'application/x-www-form-urlencoded;charset=utf-8', 'content-length': Buffer.byteLength(form) };
      const sent = request(`${url}${path}`, { ...tls, method: 'POST', headers, agent: false }, async (answer) => {
        resolve({ status: answer.statusCode as number, headers: answer.headers, raw: await text(answer) });
      });
      sent.on('error', reject).end(form);
    });

  test('alipay-sdk (v2 forms) creates and pays an order, and verifies each answer', async () => {
    const alipayPublicKey = platform.publicKey.export({ type: 'spki', format: 'pem' }).toString();
    const sdk = new AlipaySdk({ appId: MERCHANT_1, privateKey: merchant.keyPem, keyType: 'PKCS8', alipayPublicKey });
    const asIs = { bizContentAutoSnakeCase: false };
    const orderNo = freshOrderNo();
    const read = (raw: string, key: string): string => {
      const answer = JSON.parse(raw) as Record<string, unknown>;
      sdk.checkResponseSign(raw, key, answer.sign as string, '');
      return statusOf(answer[key]);
    };
    const created = await postForm('/v1/orders', sdk.sdkExecute('orders.create', { bizContent: orderBody(orderNo, 1234) }, asIs));
    assert.equal(created.status, 201, created.raw);
    assert.equal(read(created.raw, 'orders_create_response'), 'CREATED');
    const payment = sdk.sdkExecute('payments.create', { orderNo, bizContent: paymentBody(1234) }, asIs);
    const paid = await postForm(`/v1/orders/${orderNo}/payments`, payment);
    assert.equal(read(paid.raw, 'payments_create_response'), 'SUCCEEDED');
    assert.equal(paid.headers['hufu-request-digest'], `sha-256=:${createHash('sha256').update(payment).digest('base64')}:`);
    await paidOnce(orderNo);
    const replayed = await postForm(`/v1/orders/${orderNo}/payments`, payment);
    assert.equal(replayed.status, 409);
    assert.match(replayed.raw, /^\{"payments_create_response":\{.*"code":"NONCE_REPLAYED"/);
    assert.throws(() =>
      sdk.checkResponseSign(paid.raw.replace('SUCCEEDED', 'FAILED'), 'payments_create_response', JSON.parse(paid.raw).sign, ''),
    );
  });
});
