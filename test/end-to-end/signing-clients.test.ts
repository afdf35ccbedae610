import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { createPublicKey, randomUUID, X509Certificate } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { request as httpsRequest } from 'node:https';
import { join, resolve } from 'node:path';
import { after, before, describe, test } from 'node:test';
import * as sig from 'http-message-sig';
import { createSigner, createVerifier, httpbis } from 'http-message-signatures';
import { CompactSign, FlattenedSign, flattenedVerify } from 'jose';
import { signBytes, verifyBytes } from '../../src/protocol/algorithms.ts';
import { contentDigest, fitsContentDigest } from '../../src/protocol/content-digest.ts';
import type { Leaf } from '../support/pki.ts';
import { freshOrderNo, MERCHANT_1, MERCHANT_2, orderBody, paymentBody, type System, startSystem } from '../support/system.ts';

/** Libraries and commands as their users have them, each with its own functions to sign and to verify, against the running gateway. */

type Answer = { readonly status: number; readonly rawHeaders: readonly string[]; readonly body: Buffer };
type Sent = { readonly method: string; readonly path: string; readonly headers: Readonly<Record<string, string>>; readonly body: string };
type Step = Omit<Sent, 'headers'> & { readonly key: string };

const ISSUER = 'org-1/software-1';
const SETTINGS = `signatures: [rfc9421, jws, jws-obie, cms]
keySources: [registered, message]
signatureOptions: { jws: { issuer: ${ISSUER} } }
`;
function configure(folder: string): void {
  for (const number of [MERCHANT_1, MERCHANT_2]) {
    const file = join(folder, 'merchants', `${number}.yaml`);
    writeFileSync(file, `${readFileSync(file, 'utf8')}${SETTINGS}`);
  }
}

const headersOf = ({ rawHeaders }: Answer): Record<string, string> =>
  Object.fromEntries(rawHeaders.flatMap((name, i) => (i % 2 === 0 ? [[name.toLowerCase(), rawHeaders[i + 1] as string]] : [])));
const nowSeconds = (): number => Math.floor(Date.now() / 1000);
const orderStep = (orderNo: string): Step => ({
  method: 'POST',
  path: '/v1/orders',
  key: `order-${orderNo}`,
  body: JSON.stringify(orderBody(orderNo, 1234)),
});
const paymentStep = (orderNo: string): Step => ({
  method: 'POST',
  path: `/v1/orders/${orderNo}/payments`,
  key: `pay-${orderNo}`,
  body: JSON.stringify(paymentBody(1234)),
});

describe('signing libraries, unmodified, against the running gateway', { timeout: 120_000 }, () => {
  let system: System;
  let url: string;
  let platform: Leaf;
  before(async () => {
    system = await startSystem({ configure });
    url = (system.gateways[0] as { url: string }).url;
    platform = system.pki.read('signing/platform-ec');
  });
  after(() => system?.dispose());

  const send = (leaf: Leaf, { method, path, headers, body }: Sent): Promise<Answer> =>
    new Promise((done, fail) => {
      const tls = { cert: leaf.certificatePem, key: leaf.keyPem, ca: system.pki.read('authority').certificatePem, agent: false } as const;
      const sent = httpsRequest(`${url}${path}`, { method, headers, ...tls }, (answer) => {
        const parts: Buffer[] = [];
        answer.on('data', (part: Buffer) => parts.push(part));
        answer.on('end', () => done({ status: answer.statusCode ?? 0, rawHeaders: answer.rawHeaders, body: Buffer.concat(parts) }));
      });
      sent.on('error', fail).end(body);
    });

  const described = ({ method, path, headers }: Sent) => ({
    kind: 'request' as const,
    method,
    targetUri: `${url}${path}`,
    requestTarget: path,
    fields: [
      { name: 'host', value: new URL(url).host },
      ...Object.entries(headers).map(([name, value]) => ({ name: name.toLowerCase(), value })),
    ],
  });
  /** Our own signature of every answer, verified by http-message-sig: bound to status, body and what was sent. */
  const checkBound = async (sent: Sent, answer: Answer, signature: ReturnType<typeof sig.component>): Promise<void> => {
    const fields = answer.rawHeaders.flatMap((name, i) =>
      i % 2 === 0 ? [{ name: name.toLowerCase(), value: answer.rawHeaders[i + 1] as string }] : [],
    );
    const message = { kind: 'response', status: answer.status, fields, request: described(sent) } as const;
    const required = [
      '@status',
      'content-digest',
      sig.component('@method', { req: true }),
      sig.component('@target-uri', { req: true }),
      signature,
    ];
    const algorithm = 'ecdsa-p256-sha256';
    const options = {
      label: 'hufu',
      policy: {
        algorithms: [algorithm],
        requiredComponents: required,
        requiredParameters: ['created', 'keyid', 'tag'],
        maxAge: 300,
        clockSkew: 5,
      },
      resolveVerifier: () => ({
        algorithm,
        verify: (data: Uint8Array, bytes: Uint8Array) => verifyBytes(algorithm, platform.publicKey, data, bytes),
      }),
    };
    const { parameters } = await sig.verifySignature(message, options);
    assert.deepEqual([parameters.tag, parameters.keyid], ['hufu-response', 'platform-ec']);
    assert.ok(fitsContentDigest(headersOf(answer)['content-digest'] as string, answer.body));
    const other = { ...message, status: 500 };
    await assert.rejects(sig.verifySignature(other, options), 'another status is not verified');
  };

  type Client = (leaf: Leaf, number: string, step: Step) => Promise<Answer>;
  const pays = async (client: Client, number: string): Promise<void> => {
    const leaf = system.pki.read(`merchants/${number}`);
    const orderNo = freshOrderNo();
    assert.equal((await client(leaf, number, orderStep(orderNo))).status, 201);
    const paid = await client(leaf, number, paymentStep(orderNo));
    assert.deepEqual([paid.status, (JSON.parse(paid.body.toString()) as { status: string }).status], [201, 'SUCCEEDED']);
    const { orders, problems } = await system.figures();
    assert.equal(orders.find((order) => order.orderNo === orderNo)?.count, 1);
    assert.deepEqual(problems, []);
  };

  const critOf = (claims: object) => ({ crit: Object.fromEntries(Object.keys(claims).map((name) => [name, true])) });
  const OBIE = (): Record<string, unknown> => ({
    'http://openbanking.org.uk/iat': nowSeconds(),
    'http://openbanking.org.uk/iss': ISSUER,
    'http://openbanking.org.uk/tan': 'openbanking.org.uk',
  });
  const checkJwsAnswer = async (answer: Answer): Promise<void> => {
    const [head = '', , signature = ''] = (headersOf(answer)['x-jws-signature'] ?? '').split('.');
    const given = { protected: head, payload: answer.body.toString('base64url'), signature };
    const { protectedHeader } = await flattenedVerify(given, createPublicKey(platform.certificatePem), critOf(OBIE()));
    assert.equal(protectedHeader?.kid, 'platform-ec');
    const changed = { ...given, payload: Buffer.from('{}').toString('base64url') };
    await assert.rejects(flattenedVerify(changed, createPublicKey(platform.certificatePem), critOf(OBIE())));
  };
  const jose: Client = async (leaf, number, { method, path, key, body }) => {
    const own = {
      htm: method,
      htu: `${url}${path}`,
      iat: nowSeconds(),
      jti: randomUUID(),
      'merchant-number': number,
      'idempotency-key': key,
    };
    const isRsa = leaf.privateKey.asymmetricKeyType === 'rsa';
    const named = isRsa
      ? { alg: 'PS256', x5c: [new X509Certificate(leaf.certificatePem).raw.toString('base64')] }
      : { alg: 'ES256', kid: leaf.keyid };
    const compact = await new CompactSign(Buffer.from(body))
      .setProtectedHeader({ ...named, typ: 'JOSE', cty: 'application/json', ...own, crit: Object.keys(own) })
      .sign(leaf.privateKey, critOf(own));
    const detached = compact.replace(/\..*\./, '..');
    const headers = { 'Content-Type': 'application/json', 'Merchant-Number': number, 'Idempotency-Key': key, 'x-jws-signature': detached };
    const sent = { method, path, headers, body };
    const answer = await send(leaf, sent);
    assert.equal(answer.status, 201, answer.body.toString());
    await checkJwsAnswer(answer);
    await checkBound(sent, answer, sig.component('x-jws-signature', { req: true }));
    return answer;
  };

  test('jose pays with PS256 and its certificate in the message, and verifies both signatures of each answer', () =>
    pays(jose, MERCHANT_1));
  test('jose pays with ES256 and a registered key', () => pays(jose, MERCHANT_2));

  test('jose creates an order in the plain form of Open Banking, once, and may not pay so', async () => {
    const leaf = system.pki.read(`merchants/${MERCHANT_2}`);
    const plain = async ({ path, body }: Step) => {
      const claims = OBIE();
      const { protected: head, signature } = await new FlattenedSign(Buffer.from(body))
        .setProtectedHeader({ alg: 'ES256', kid: leaf.keyid, ...claims, crit: Object.keys(claims) })
        .sign(leaf.privateKey, critOf(claims));
      return { method: 'POST', path, headers: { 'Content-Type': 'application/json', 'x-jws-signature': `${head}..${signature}` }, body };
    };
    const orderNo = freshOrderNo();
    const order = await plain(orderStep(orderNo));
    const created = await send(leaf, order);
    assert.equal(created.status, 201, created.body.toString());
    await checkJwsAnswer(created);
    await checkBound(order, created, sig.component('x-jws-signature', { req: true }));
    const replayed = await send(leaf, order);
    assert.deepEqual([replayed.status, JSON.parse(replayed.body.toString()).code], [409, 'NONCE_REPLAYED']);
    const again = await send(leaf, await plain({ ...orderStep(orderNo), body: ` ${order.body}` }));
    assert.deepEqual([again.status, JSON.parse(again.body.toString()).code], [422, 'IDEMPOTENCY_KEY_REUSED'], 'the order is the key');
    const payment = await send(leaf, await plain(paymentStep(orderNo)));
    assert.deepEqual([payment.status, JSON.parse(payment.body.toString()).code], [401, 'SIGNATURE_COVERAGE']);
  });

  const strangers: readonly (readonly [code: string, path: string, why: string])[] = [
    ['MERCHANT_MISMATCH', `merchants/${MERCHANT_2}`, "another merchant's certificate over this merchant's connection (B1, D11)"],
    ['KEY_UNKNOWN', 'signing/platform-ec', 'a certificate of our own signing keys'],
    ['KEY_UNKNOWN', 'server', "the server's certificate, of another authority below the same root"],
  ];
  for (const [code, path, why] of strangers) {
    test(`${code}: ${why}`, async () => {
      const [leaf, stranger] = [system.pki.read(`merchants/${MERCHANT_1}`), system.pki.read(path)];
      const { body, path: where, method } = orderStep(freshOrderNo());
      const own = { htm: method, htu: `${url}${where}`, iat: nowSeconds(), jti: randomUUID() };
      const alg = stranger.privateKey.asymmetricKeyType === 'rsa' ? 'PS256' : 'ES256';
      const x5c = [new X509Certificate(stranger.certificatePem).raw.toString('base64')];
      const compact = await new CompactSign(Buffer.from(body))
        .setProtectedHeader({ alg, x5c, ...own, crit: Object.keys(own) })
        .sign(stranger.privateKey, critOf(own));
      const headers = { 'Content-Type': 'application/json', 'x-jws-signature': compact.replace(/\..*\./, '..') };
      const answer = await send(leaf, { method, path: where, headers, body });
      assert.equal(JSON.parse(answer.body.toString()).code, code);
      assert.equal(headersOf(answer)['x-jws-signature'], undefined, 'what did not verify is answered with our own signature only');
      assert.equal(headersOf(answer)['hufu-verified'], '?0');
    });
  }

  const COVERED = ['@method', '@target-uri', 'content-digest', 'content-type', 'merchant-number', 'idempotency-key'];
  const httpHeaders = (number: string, { key, body }: Step): Record<string, string> => ({
    'content-type': 'application/json',
    'content-digest': contentDigest(Buffer.from(body)),
    'merchant-number': number,
    'idempotency-key': key,
  });
  test('http-message-sig pays and verifies each answer', () =>
    pays(async (leaf, number, step) => {
      const plain = { ...step, headers: httpHeaders(number, step) };
      const made = sig.createSignatureSync(described(plain), {
        label: 'hufu',
        components: COVERED,
        parameters: { created: nowSeconds(), keyid: leaf.keyid, nonce: randomUUID(), tag: 'hufu-request' },
        signer: { algorithm: 'rsa-v1_5-sha256', sign: (data) => signBytes('rsa-v1_5-sha256', leaf.privateKey, data) },
      });
      const sent = { ...plain, headers: { ...plain.headers, 'signature-input': made.signatureInput, signature: made.signature } };
      const answer = await send(leaf, sent);
      assert.equal(answer.status, 201, answer.body.toString());
      await checkBound(sent, answer, sig.component('signature', { req: true, key: 'hufu' }));
      return answer;
    }, MERCHANT_1));

  test('http-message-signatures pays and verifies each answer', () =>
    pays(async (leaf, number, step) => {
      const message = { method: step.method, url: `${url}${step.path}`, headers: httpHeaders(number, step) };
      const signing = {
        key: createSigner(leaf.privateKey, 'ecdsa-p256-sha256', leaf.keyid),
        name: 'hufu',
        fields: COVERED,
        params: ['created', 'keyid', 'nonce', 'tag'],
        paramValues: { created: new Date(), nonce: randomUUID(), tag: 'hufu-request' },
      };
      const signed = await httpbis.signMessage(signing, message);
      const answer = await send(leaf, { ...step, headers: signed.headers as Record<string, string> });
      assert.equal(answer.status, 201, answer.body.toString());
      const verifier = { id: 'platform-ec', algs: ['ecdsa-p256-sha256'], verify: createVerifier(platform.publicKey, 'ecdsa-p256-sha256') };
      const response = { status: answer.status, headers: headersOf(answer) };
      const config = { keyLookup: async () => verifier, requiredFields: ['@status', 'content-digest'] };
      assert.equal(await httpbis.verifyMessage(config, response, signed), true);
      assert.notEqual(await httpbis.verifyMessage(config, { ...response, status: 500 }, signed).catch(() => false), true);
      return answer;
    }, MERCHANT_2));

  for (const [number, kind] of [
    [MERCHANT_1, 'RSA'],
    [MERCHANT_2, 'P-256'],
  ] as const) {
    test(`curl and openssl cms pay with ${kind}, and verify each answer: examples/pay-with-openssl-cms.sh`, async () => {
      const orderNo = freshOrderNo();
      const script = resolve(import.meta.dirname, '..', '..', 'examples', 'pay-with-openssl-cms.sh');
      const ran = spawnSync('sh', [script, url, number, orderNo, '1234', system.pki.directory], { encoding: 'utf8' });
      assert.equal(ran.status, 0, ran.stdout + ran.stderr);
      assert.match(ran.stdout, /^201 .*"CREATED".*\n201 .*"SUCCEEDED".*\n$/);
      const { orders } = await system.figures();
      assert.equal(orders.find((order) => order.orderNo === orderNo)?.count, 1);
    });
  }
});
