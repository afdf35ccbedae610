import assert from 'node:assert/strict';
import { createSecretKey, type KeyObject, randomUUID } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { compactDecrypt } from 'jose';
import { encryptJwe } from '../../src/protocol/jwe/compact.ts';
import { keyCheckValueOf, macOf, type WorkingKeyPurpose } from '../../src/protocol/working-key.ts';
import type { MerchantClient } from '../../src/sdk/merchant.ts';
import { ask, get, order, type Sender, senderOf } from '../attacks/requests.ts';
import { eventually } from '../support/eventually.ts';
import { runHufu } from '../support/process.ts';
import { startRedis, type TestRedis } from '../support/redis.ts';
import { createOrder, MERCHANT_1, MERCHANT_2, paymentBody, RICH_PAYER, type System, startSystem, untilReady } from '../support/system.ts';

type Given = { readonly keyid: string; readonly key: KeyObject; readonly wrappedKey: string; readonly keyCheckValue: string };

describe('working keys over two gateways and Redis', { timeout: 120_000 }, () => {
  let redis: TestRedis;
  let system: System;
  let m2: MerchantClient;
  const secrets: string[] = [];
  before(async () => {
    redis = await startRedis({ own: true });
    system = await startSystem({ store: redis.url, gateways: 2 });
    m2 = system.merchant(MERCHANT_2);
  });
  after(async () => {
    await system?.dispose();
    await redis?.dispose();
  });

  /** Signs in by hand; jose opens what was given. */
  async function signIn(number: string, purpose: WorkingKeyPurpose, requestNo: string = randomUUID(), gateway = 0): Promise<Given> {
    const client = system.merchant(number, { gateway });
    const answer = await client.call({ method: 'POST', path: '/v1/working-keys', body: { purpose, requestNo } });
    assert.equal(answer.status, 201, answer.body.toString());
    const { keyid, wrappedKey, keyCheckValue } = JSON.parse(answer.body.toString()) as Record<
      'keyid' | 'wrappedKey' | 'keyCheckValue',
      string
    >;
    const { plaintext } = await compactDecrypt(wrappedKey, system.pki.read(`merchants/${number}`).privateKey, { crit: { hufu: true } });
    const jwk = JSON.parse(Buffer.from(plaintext).toString()) as { kid: string; k: string };
    assert.equal(jwk.kid, keyid);
    secrets.push(jwk.k, Buffer.from(jwk.k, 'base64url').toString('base64'), Buffer.from(jwk.k, 'base64url').toString('hex'));
    const key = createSecretKey(Buffer.from(jwk.k, 'base64url'));
    assert.equal(keyCheckValue, keyCheckValueOf(purpose, key));
    return { keyid, key, wrappedKey, keyCheckValue };
  }
  const macQuery = (sender: Sender, target: string, { keyid, key }: Pick<Given, 'keyid' | 'key'>, params: Record<string, string> = {}) =>
    ask(
      sender,
      get(sender, target, { params: { keyid: `"${keyid}"`, ...params }, sign: (base) => macOf(key, Buffer.from(base, 'latin1')) }),
    );

  test('a query under a MAC is answered by every gateway, and the answer is signed as ever', async () => {
    const orderNo = await createOrder(m2, 100);
    const given = await signIn(MERCHANT_2, 'mac');
    for (const gateway of [0, 1]) {
      const told = await macQuery(senderOf(system, MERCHANT_2, undefined, gateway), `/v1/orders/${orderNo}`, given);
      assert.deepEqual([told.status, told.accepted, told.value.orderNo], [200, true, orderNo]);
    }
    const sdk = await system
      .merchant(MERCHANT_2, { gateway: 1 })
      .call({ method: 'GET', path: `/v1/orders/${orderNo}`, signWith: 'workingKey' });
    assert.deepEqual([sdk.status, sdk.accepted, sdk.why], [200, true, undefined]);
  });

  test('an operator takes one away, then all: every gateway refuses them, the SDK signs in again', async () => {
    const orderNo = await createOrder(m2, 100);
    const target = `/v1/orders/${orderNo}`;
    const [first, second] = [await signIn(MERCHANT_2, 'mac'), await signIn(MERCHANT_2, 'encryption')];
    const query = (given: Given, gateway: number) => macQuery(senderOf(system, MERCHANT_2, undefined, gateway), target, given);
    const client = system.merchant(MERCHANT_2);
    assert.equal((await client.call({ method: 'GET', path: target, signWith: 'workingKey' })).status, 200);
    const run = (...args: string[]) => runHufu(['merchant', 'working-keys', ...args], system.environment);
    const listed = async () => {
      const { keys } = JSON.parse((await run('list', MERCHANT_2, '--json')).stdout) as { keys: { keyid: string }[] };
      return keys.map(({ keyid }) => keyid);
    };
    for (const { keyid } of [first, second]) assert.ok((await listed()).includes(keyid));
    const { code, stderr } = await run('revoke', MERCHANT_2, '--keyid', first.keyid, '--reason', 'found in a log');
    assert.equal(code, 0, stderr);
    const left = await listed();
    assert.ok(!left.includes(first.keyid) && left.includes(second.keyid));
    // A gateway may use for 2 s what it has read.
    for (const gateway of [0, 1])
      await eventually(async () => assert.equal((await query(first, gateway)).value.code, 'WORKING_KEY_UNKNOWN'), 10_000);
    assert.equal((await run('revoke', MERCHANT_2, '--all', '--reason', 'server stolen')).code, 0);
    assert.deepEqual(await listed(), []);
    await eventually(async () => {
      const answer = await client.call({ method: 'GET', path: target, signWith: 'workingKey' });
      assert.equal(answer.status, 200, 'whoever has the private key signs in again');
      assert.equal((await listed()).length, 1);
    }, 10_000);
    for (const [args, said] of [
      [['revoke', MERCHANT_2, '--keyid', first.keyid, '--reason', 'x'], /has no live working key wk-/],
      [['revoke', MERCHANT_2, '--reason', 'x'], /name the keys with --keyid, or all of them with --all/],
      [['list', 'abc'], /a merchant number has 15 digits/],
    ] as const) {
      const told = await run(...args);
      assert.notEqual(told.code, 0);
      assert.match(told.stderr, said);
    }
  });

  test('what a MAC does not open', async () => {
    const given = await signIn(MERCHANT_2, 'mac');
    const other = await signIn(MERCHANT_1, 'mac');
    const encryption = await signIn(MERCHANT_2, 'encryption');
    const sender = senderOf(system, MERCHANT_2);
    const target = '/v1/orders/any';
    const changed = createSecretKey(Buffer.from(given.key.export()).fill(7, 0, 1));
    const cases = [
      [
        'MAC_NOT_ALLOWED',
        () => macQuery(sender, `/v1/accounts/6${MERCHANT_2}/balance`, given),
        'an operation that the policy does not list',
      ],
      [
        'MAC_NOT_ALLOWED',
        () =>
          ask(
            sender,
            order(sender, { params: { keyid: `"${given.keyid}"` }, sign: (base) => macOf(given.key, Buffer.from(base, 'latin1')) }),
          ),
        'a write',
      ],
      ['SIGNATURE_MISMATCH', () => macQuery(sender, target, { keyid: given.keyid, key: changed }), 'another key'],
      ['WORKING_KEY_UNKNOWN', () => macQuery(sender, target, other), "another merchant's key"],
      ['WORKING_KEY_UNKNOWN', () => macQuery(sender, target, encryption), 'a key that is for encryption'],
      ['WORKING_KEY_UNKNOWN', () => macQuery(sender, target, { ...given, keyid: `wk-${'A'.repeat(22)}` }), 'no key at all'],
      ['SIGNATURE_INVALID', () => macQuery(sender, target, given, { alg: '"rsa-v1_5-sha256"' }), 'an algorithm of public keys'],
      ['KEY_UNKNOWN', () => macQuery(sender, target, { ...given, keyid: 'wk-short' }), 'an id of no form'],
      [
        'SIGNATURE_MISMATCH',
        () => {
          const leaf = system.pki.read(`merchants/${MERCHANT_2}`);
          const pem = createSecretKey(Buffer.from(leaf.publicKey.export({ type: 'spki', format: 'pem' }) as string));
          return macQuery(sender, target, { keyid: leaf.keyid, key: pem });
        },
        'a MAC with the public key as its secret',
      ],
    ] as const;
    for (const [code, reach, why] of cases) {
      const told = await reach();
      assert.deepEqual([told.code, told.accepted], [code, false], why);
    }
    const wrong = await macQuery(sender, target, { keyid: given.keyid, key: changed });
    assert.deepEqual(Object.keys(wrong.value).sort(), ['code', 'detail', 'outcome', 'requestId', 'retry', 'status', 'title', 'type']);
  });

  test('a lost answer is asked for again under its number; the third key ends the first', async () => {
    const requestNo = randomUUID();
    const [first, again] = [await signIn(MERCHANT_1, 'mac', requestNo), await signIn(MERCHANT_1, 'mac', requestNo, 1)];
    assert.equal(again.keyid, first.keyid);
    assert.notEqual(again.wrappedKey, first.wrappedKey, 'encrypted anew');
    const [second, third] = [await signIn(MERCHANT_1, 'mac'), await signIn(MERCHANT_1, 'mac', randomUUID(), 1)];
    const sender = senderOf(system, MERCHANT_1);
    for (const given of [second, third]) assert.equal((await macQuery(sender, '/v1/orders/none', given)).status, 404);
    await eventually(async () => assert.equal((await macQuery(sender, '/v1/orders/none', first)).code, 'WORKING_KEY_UNKNOWN'), 2_000);
  });

  test('fields go out under the working key and their answers come back under it', async () => {
    const orderNo = await createOrder(m2, 100);
    const answer = await m2.call({
      ...{ method: 'POST', path: `/v1/orders/${orderNo}/payments`, idempotencyKey: `pay-${orderNo}`, body: paymentBody(100) },
      ...{ encrypt: ['/payer/accountNo'], encryptUnder: 'workingKey' },
    });
    assert.deepEqual([answer.status, answer.outcome], [201, 'succeeded'], answer.body.toString());
    const given = await signIn(MERCHANT_2, 'encryption');
    const seal = (of: 'request' | 'answer', merchant: string, key: Given) =>
      encryptJwe(
        Buffer.from(`"${RICH_PAYER}"`),
        { keyid: key.keyid, algorithm: 'A256KW', key: key.key },
        { of, merchant, method: 'POST', target: '/v1/orders/x/payments', request: 'k', pointer: '/payer/accountNo' },
      );
    const send = async (client: MerchantClient, accountNo: string) => {
      const body = { ...paymentBody(100), payer: { accountNo } };
      return (await client.call({ method: 'POST', path: '/v1/orders/x/payments', idempotencyKey: 'k', body })).code;
    };
    assert.equal(await send(m2, seal('answer', MERCHANT_2, given)), 'ENCRYPTION_INVALID', 'an answer sent back as a request');
    assert.equal(
      await send(system.merchant(MERCHANT_1), seal('request', MERCHANT_1, given)),
      'WORKING_KEY_UNKNOWN',
      "another merchant's key",
    );
    assert.equal(await send(m2, seal('request', MERCHANT_2, await signIn(MERCHANT_2, 'mac'))), 'WORKING_KEY_UNKNOWN', 'a key for MACs');
  });

  test('a restart loses no key; a lost store loses all, and the SDK signs in again by itself', async () => {
    const orderNo = await createOrder(m2, 100);
    const given = await signIn(MERCHANT_2, 'mac');
    const gateway = system.gateways[1] as System['gateways'][number];
    await gateway.kill('SIGTERM');
    await gateway.start();
    await untilReady(gateway);
    const sender = senderOf(system, MERCHANT_2, undefined, 1);
    assert.equal((await macQuery(sender, `/v1/orders/${orderNo}`, given)).status, 200);
    const client = system.merchant(MERCHANT_2);
    const query = () => client.call({ method: 'GET', path: `/v1/orders/${orderNo}`, signWith: 'workingKey' });
    assert.equal((await query()).status, 200);
    await redis.client.flushall();
    await eventually(
      async () => assert.equal((await macQuery(sender, `/v1/orders/${orderNo}`, given)).code, 'WORKING_KEY_UNKNOWN'),
      10_000,
    );
    await eventually(async () => assert.equal((await query()).status, 200), 20_000);
  });

  test('no key is in a log, a journal or the store in clear text', async () => {
    assert.ok(secrets.length > 10);
    const journals = readdirSync(join(system.directory, 'data', 'journal'), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => readFileSync(join(entry.parentPath, entry.name), 'latin1'));
    const logs = system.gateways.map((gateway) => gateway.running().stdout() + gateway.running().stderr());
    const keys = await redis.client.keys('*working-keys');
    assert.ok(keys.length > 0);
    const stored = await Promise.all(keys.map((key) => redis.client.get(key)));
    for (const text of [...journals, ...logs, ...stored])
      assert.equal(
        secrets.some((secret) => text?.includes(secret)),
        false,
      );
  });
});
