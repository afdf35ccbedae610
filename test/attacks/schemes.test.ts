import assert from 'node:assert/strict';
import { randomBytes, sign, verify, X509Certificate } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { request } from 'node:https';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { after, before, describe, test } from 'node:test';
import * as sig from 'http-message-sig';
import type { Leaf, Pki } from '../support/pki.ts';
import { freshOrderNo, MERCHANT_1, MERCHANT_2, orderBody, paymentBody, type System, startSystem } from '../support/system.ts';

const SCHEMES = 'signatures: [rfc9421, wechatpay-v3]\n';
let second: Leaf;

/** The second merchant connects with P-256 and signs in WeChat Pay's form with an RSA key of its own. */
async function configure(folder: string, pki: Pki): Promise<void> {
  second = await pki.issueMerchant({ kind: 'rsa-2048' });
  for (const [number, more] of [
    [MERCHANT_1, ''],
    [MERCHANT_2, `  - certificate: ${second.certificate}\n`],
  ] as const) {
    const file = join(folder, 'merchants', `${number}.yaml`);
    const text = readFileSync(file, 'utf8').replace(/^(keys:\n {2}- .*\n)/m, `$1${more}`);
    writeFileSync(file, `${text}${SCHEMES}`);
  }
}

type Answer = {
  readonly status: number;
  readonly fields: readonly { readonly name: string; readonly value: string }[];
  readonly body: Buffer;
};
type Sent = {
  readonly method: string;
  readonly target: string;
  readonly body: string;
  readonly authorization: string;
  readonly number: string;
};
const field = ({ fields }: Answer, name: string): string | undefined => fields.find((each) => each.name === name)?.value;
const codeOf = ({ body }: Answer): string | undefined => (JSON.parse(body.toString()) as { code?: string }).code;

describe('requests in the form of WeChat Pay, attacked (D, E, F)', { timeout: 120_000 }, () => {
  let system: System;
  let url: URL;
  before(async () => {
    system = await startSystem({ configure });
    url = new URL((system.gateways[0] as { url: string }).url);
  });
  after(() => system?.dispose());

  const signer = (number: string): Leaf => (number === MERCHANT_1 ? system.pki.read(`merchants/${MERCHANT_1}`) : second);
  function signed(number: string, target: string, value: object, nonce = randomBytes(16).toString('hex'), by = number): Sent {
    const [body, timestamp] = [JSON.stringify(value), Math.floor(Date.now() / 1000)];
    const leaf = signer(by);
    const text = `POST\n${target}\n${timestamp}\n${nonce}\n${body}\n`;
    const signature = sign('sha256', Buffer.from(text), leaf.privateKey).toString('base64');
    const serial = new X509Certificate(leaf.certificatePem).serialNumber;
    const authorization = `WECHATPAY2-SHA256-RSA2048 mchid="${number}",nonce_str="${nonce}",timestamp="${timestamp}",serial_no="${serial}",signature="${signature}"`;
    return { method: 'POST', target, body, authorization, number };
  }
  const order = (number: string, orderNo = freshOrderNo(), nonce?: string) => signed(number, '/v1/orders', orderBody(orderNo, 100), nonce);

  /** Sends over a connection of its own, as whom the certificate says. */
  function send({ method, target, body, authorization, number }: Sent, as = number): Promise<Answer> {
    const { certificatePem: cert, keyPem: key } = system.pki.read(`merchants/${as}`);
    const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body), authorization };
    const ca = system.pki.read('authority').certificatePem;
    return new Promise((resolve, reject) => {
      const sent = request(
        { host: url.hostname, port: url.port, path: target, method, headers, cert, key, ca, agent: false },
        async (answer) => {
          const { rawHeaders } = answer;
          const fields = rawHeaders.flatMap((name, i) =>
            i % 2 === 0 ? [{ name: name.toLowerCase(), value: rawHeaders[i + 1] as string }] : [],
          );
          resolve({ status: answer.statusCode as number, fields, body: await buffer(answer) });
        },
      );
      sent.on('error', reject).end(body);
    });
  }

  /** Whether another implementation of RFC 9421 takes the answer for one to this request. */
  async function isAnswerTo(sent: Sent, answer: Answer): Promise<boolean> {
    const { publicKey } = system.pki.read('signing/platform-ec');
    const headers = [
      ['content-type', 'application/json'],
      ['host', url.host],
      ['authorization', sent.authorization],
    ] as const;
    const fields = headers.map(([name, value]) => ({ name, value }));
    const asked = {
      kind: 'request',
      method: sent.method,
      targetUri: `https://${url.host}${sent.target}`,
      requestTarget: sent.target,
      fields,
    } as const;
    const algorithm = 'ecdsa-p256-sha256';
    const policy = {
      algorithms: [algorithm],
      requiredComponents: ['@status', 'content-digest', sig.component('authorization', { req: true })],
      requiredParameters: ['created', 'keyid'],
      maxAge: 600,
    };
    const check = (data: Uint8Array, signature: Uint8Array) =>
      verify('sha256', data, { key: publicKey, dsaEncoding: 'ieee-p1363' }, signature);
    return sig
      .verifySignature(
        { kind: 'response', status: answer.status, fields: answer.fields, request: asked },
        { label: 'hufu', policy, resolveVerifier: () => ({ algorithm, verify: check }) },
      )
      .then(
        ({ parameters }) => parameters.tag === 'hufu-response',
        () => false,
      );
  }

  test('E1, E5: of 20 copies at once one is accepted, and the core runs it once', async () => {
    const orderNo = freshOrderNo();
    const sent = order(MERCHANT_1, orderNo);
    const answers = await Promise.all(Array.from({ length: 20 }, () => send(sent)));
    assert.deepEqual(answers.map(({ status }) => status).sort(), [201, ...Array<number>(19).fill(409)]);
    assert.ok(answers.filter(({ status }) => status === 409).every((answer) => codeOf(answer) === 'NONCE_REPLAYED'));
    const { executions } = await system.figures();
    assert.deepEqual(
      executions.filter((execution) => execution.orderNo === orderNo).map(({ count }) => count),
      [1],
    );
  });

  test('E4: two merchants may use one nonce; D11: neither signs for the other', async () => {
    const nonce = randomBytes(16).toString('hex');
    assert.equal((await send(order(MERCHANT_1, freshOrderNo(), nonce))).status, 201);
    assert.equal((await send(order(MERCHANT_2, freshOrderNo(), nonce))).status, 201);
    const stolen = order(MERCHANT_1);
    assert.equal(codeOf(await send(stolen, MERCHANT_2)), 'MERCHANT_MISMATCH', 'a captured request on the connection of another');
    const foreign = signed(MERCHANT_2, '/v1/orders', orderBody(freshOrderNo(), 100), undefined, MERCHANT_1);
    assert.equal(codeOf(await send(foreign)), 'KEY_UNKNOWN', "the other's key");
  });

  test('F1, F2: an order number is its key: sent again it is answered from the first, with another amount refused', async () => {
    const orderNo = freshOrderNo();
    assert.equal((await send(order(MERCHANT_1, orderNo))).status, 201);
    const target = `/v1/orders/${orderNo}/payments`;
    const answers = await Promise.all(Array.from({ length: 5 }, () => send(signed(MERCHANT_1, target, paymentBody(100)))));
    assert.ok(answers.every(({ status }) => status === 201 || status === 409));
    const again = await send(signed(MERCHANT_1, target, paymentBody(100)));
    assert.deepEqual([again.status, field(again, 'idempotency-replayed'), field(again, 'hufu-outcome')], [201, 'true', 'succeeded']);
    const other = await send(signed(MERCHANT_1, target, { ...paymentBody(100), amountFen: 101 }));
    assert.deepEqual([other.status, codeOf(other)], [422, 'IDEMPOTENCY_KEY_REUSED']);
    const { orders, problems } = await system.figures();
    assert.deepEqual(
      orders.filter((each) => each.orderNo === orderNo).map(({ count }) => count),
      [1],
    );
    assert.deepEqual(problems, []);
  });

  test('D19: an answer is bound to its own request, its status and its body, whoever signed it in which form', async () => {
    const [one, two] = [order(MERCHANT_1), order(MERCHANT_1)];
    const [first, other] = [await send(one), await send(two)];
    assert.ok((await isAnswerTo(one, first)) && (await isAnswerTo(two, other)));
    assert.ok(field(first, 'wechatpay-signature') !== undefined);
    assert.equal(await isAnswerTo(two, first), false, 'swapped');
    assert.equal(await isAnswerTo(one, { ...first, status: 500 }), false, 'another status');
    const digest = first.fields.map((each) =>
      each.name === 'content-digest' ? { ...each, value: field(other, each.name) as string } : each,
    );
    assert.equal(await isAnswerTo(one, { ...first, fields: digest, body: other.body }), false, 'another body with its digest');
    const refusal = await send(signed(MERCHANT_1, '/v1/orders', { ...orderBody(freshOrderNo(), 100), amountFen: 'x' }));
    assert.deepEqual([codeOf(refusal), field(refusal, 'hufu-verified')], ['SCHEMA_INVALID', '?1']);
    assert.ok(field(refusal, 'wechatpay-signature') !== undefined, 'refusals of verified requests have both forms');
  });

  test('a request that does not verify gets no signature of the scheme, and a refusal that is no answer', async () => {
    const sent = { ...order(MERCHANT_1), body: '{}' };
    const refused = await send(sent);
    assert.deepEqual([codeOf(refused), field(refused, 'hufu-verified')], ['SIGNATURE_MISMATCH', '?0']);
    assert.equal(field(refused, 'wechatpay-signature'), undefined);
    assert.match(field(refused, 'signature-input') ?? '', /;tag="hufu-refusal"$/);
    assert.equal(await isAnswerTo(sent, refused), false);
  });
});
