import assert from 'node:assert/strict';
import { createHash, verify, X509Certificate } from 'node:crypto';
import { after, before, describe, test } from 'node:test';
import * as sig from 'http-message-sig';
import type { ReceivedAnswer, WireRequest } from '../../src/sdk/answer.ts';
import { createExchange } from '../../src/sdk/exchange.ts';
import { createNonce, readSigningKey } from '../../src/sdk/merchant.ts';
import { signRequest } from '../../src/sdk/sign-request.ts';
import { readPinnedKeys, thumbprintOf } from '../../src/sdk/trust.ts';
import { verifyAnswer } from '../../src/sdk/verify-answer.ts';
import { type Deed, type Middlebox, startMiddlebox } from '../support/middlebox.ts';
import { createOrder, MERCHANT_1, MERCHANT_2, type System, startSystem } from '../support/system.ts';

/** Somebody who ends TLS between merchant and gateway, against three verifiers: our SDK, a library that knows nothing of us, node:crypto alone. */

const pairsOf = (rawHeaders: readonly string[]) =>
  rawHeaders.flatMap((name, i) => (i % 2 === 0 ? [{ name: name.toLowerCase(), value: rawHeaders[i + 1] as string }] : []));
const valueIn = (rawHeaders: readonly string[], name: string): string =>
  pairsOf(rawHeaders).find((pair) => pair.name === name)?.value ?? '';
const addressOf = ({ rawHeaders, target }: WireRequest): string => `https://${valueIn(rawHeaders, 'host')}${target}`;
/** What RFC 9421 leaves to RFC 9530: the body is that of its digest. */
const hasDigest = ({ rawHeaders, body }: ReceivedAnswer): boolean =>
  valueIn(rawHeaders, 'content-digest') === `sha-256=:${createHash('sha256').update(body).digest('base64')}:`;

type Verifier = (answer: ReceivedAnswer, request: WireRequest, merchant: string) => boolean | Promise<boolean>;

describe('a middlebox that swaps, replays and changes answers is caught by every verifier', { timeout: 120_000 }, () => {
  let system: System;
  const boxes: Middlebox[] = [];
  const orders: Record<string, string> = {};
  before(async () => {
    system = await startSystem();
    for (const number of [MERCHANT_1, MERCHANT_2]) orders[number] = await createOrder(system.merchant(number), 500);
  });
  after(async () => {
    await Promise.all(boxes.map((box) => box.close()));
    await system?.dispose();
  });

  const platformCertificate = () => new X509Certificate(system.pki.read('signing/platform-ec').certificatePem);

  const viaSdk: Verifier = (answer, request, merchant) => {
    const keys = readPinnedKeys([{ keyid: 'platform-ec', pem: system.pki.read('signing/platform-ec').certificatePem }]);
    const thumbprint = thumbprintOf(system.pki.read(`merchants/${merchant}`).certificatePem);
    return verifyAnswer(answer, { request, findKey: (keyid) => keys.get(keyid), thumbprint, nowMs: Date.now() }).verified;
  };

  const viaLibrary: Verifier = async (answer, request) => {
    const described = {
      kind: 'request',
      ...{ method: request.method, targetUri: addressOf(request), requestTarget: request.target },
      fields: pairsOf(request.rawHeaders),
    } as const;
    const message = { kind: 'response', status: answer.status, fields: pairsOf(answer.rawHeaders), request: described } as const;
    const { publicKey } = platformCertificate();
    const options = {
      label: 'hufu',
      policy: {
        algorithms: ['ecdsa-p256-sha256'],
        requiredComponents: ['@status', 'content-digest', sig.component('@target-uri', { req: true })],
        requiredParameters: ['created', 'keyid'],
        maxAge: 600,
        now: Math.floor(Date.now() / 1000),
      },
      resolveVerifier: () => ({
        algorithm: 'ecdsa-p256-sha256',
        verify: (data: Uint8Array, signature: Uint8Array) =>
          verify('sha256', data, { key: publicKey, dsaEncoding: 'ieee-p1363' }, signature),
      }),
    };
    return sig.verifySignature(message, options).then(
      () => hasDigest(answer),
      () => false,
    );
  };

  /** Rebuilds the base from the list of what is covered, by hand. */
  const viaCrypto: Verifier = (answer, request) => {
    const input = valueIn(answer.rawHeaders, 'signature-input').replace(/^hufu=/, '');
    const components = input.slice(1, input.indexOf(')')).split(' ');
    const member = (name: string): string => valueIn(request.rawHeaders, name).replace(/^hufu=/, '');
    const values: Readonly<Record<string, string>> = {
      '"@status"': String(answer.status),
      '"@method";req': request.method,
      '"@target-uri";req': addressOf(request),
      '"content-digest";req': valueIn(request.rawHeaders, 'content-digest'),
      '"signature";req;key="hufu"': member('signature'),
      '"signature-input";req;key="hufu"': member('signature-input'),
    };
    const lines = components.map((name) => `${name}: ${values[name] ?? valueIn(answer.rawHeaders, name.replaceAll('"', ''))}`);
    const base = Buffer.from([...lines, `"@signature-params": ${input}`].join('\n'), 'latin1');
    const signature = Buffer.from(valueIn(answer.rawHeaders, 'signature').replace(/^hufu=:|:$/g, ''), 'base64');
    const key = { key: platformCertificate().publicKey, dsaEncoding: 'ieee-p1363' } as const;
    return hasDigest(answer) && verify('sha256', base, key, signature);
  };

  const VERIFIERS: Readonly<Record<string, Verifier>> = { SDK: viaSdk, 'http-message-sig': viaLibrary, 'node:crypto': viaCrypto };

  /** A query of a merchant's own order, through the middlebox, and what came back. */
  async function query(box: Middlebox, merchant: string): Promise<{ request: WireRequest; answer: ReceivedAnswer }> {
    const { certificatePem: certificate, keyPem: key } = system.pki.read(`merchants/${merchant}`);
    const url = new URL(box.url);
    const unsigned = {
      method: 'GET',
      target: `/v1/orders/${orders[merchant]}`,
      rawHeaders: ['Host', new URL(system.gateways[0]?.url as string).host],
      body: Buffer.alloc(0),
    };
    const moment = { createdAtSeconds: Math.floor(Date.now() / 1000), nonce: createNonce() };
    const request = { ...unsigned, rawHeaders: signRequest(unsigned, readSigningKey({ key }), moment).rawHeaders };
    const authority = system.pki.read('authority').certificatePem;
    const exchange = createExchange({ url, certificate, key, authority, timeoutMs: 10_000, answerBytesMax: 1_000_000 });
    try {
      return { request, answer: await exchange.send(request) };
    } finally {
      exchange.close();
    }
  }

  const open = async (merchant: string, deed: Deed): Promise<Middlebox> => {
    const box = await startMiddlebox(system.pki, system.gateways[0]?.url ?? '', merchant, deed);
    boxes.push(box);
    return box;
  };

  async function assertAll(expected: boolean, { request, answer }: { request: WireRequest; answer: ReceivedAnswer }, merchant: string) {
    for (const [name, verifies] of Object.entries(VERIFIERS)) assert.equal(await verifies(answer, request, merchant), expected, name);
  }

  test('an answer that is only passed on verifies', async () => {
    const box = await open(MERCHANT_1, (request, deliver) => deliver(request));
    const passed = await query(box, MERCHANT_1);
    assert.equal(passed.answer.status, 200);
    await assertAll(true, passed, MERCHANT_1);
  });

  const changes: readonly (readonly [why: string, change: (answer: ReceivedAnswer) => ReceivedAnswer])[] = [
    ['200 turned into 500', (answer) => ({ ...answer, status: 500 })],
    ['another amount in the body', (answer) => ({ ...answer, body: Buffer.from(answer.body.toString().replace('500', '900')) })],
  ];
  for (const [why, change] of changes) {
    test(why, async () => {
      const box = await open(MERCHANT_1, async (request, deliver) => change(await deliver(request)));
      const changed = await query(box, MERCHANT_1);
      await assertAll(false, changed, MERCHANT_1);
    });
  }

  test('D19: the answers to two queries of one merchant are swapped', async () => {
    const answers: ReceivedAnswer[] = [];
    const box = await open(MERCHANT_1, async (request, deliver) => {
      answers.unshift(await deliver(request));
      return answers[answers.length - 1] as ReceivedAnswer; // always the first one
    });
    await assertAll(true, await query(box, MERCHANT_1), MERCHANT_1);
    await assertAll(false, await query(box, MERCHANT_1), MERCHANT_1);
  });

  test("one merchant's answer is replayed to another", async () => {
    let first: ReceivedAnswer | undefined;
    const keep = await open(MERCHANT_1, async (request, deliver) => {
      first = await deliver(request);
      return first;
    });
    await assertAll(true, await query(keep, MERCHANT_1), MERCHANT_1);
    const replay = await open(MERCHANT_2, async () => first as ReceivedAnswer);
    await assertAll(false, await query(replay, MERCHANT_2), MERCHANT_2);
  });
});
