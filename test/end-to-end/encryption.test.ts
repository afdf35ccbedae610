import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { CompactEncrypt, compactDecrypt } from 'jose';
import type { Binding } from '../../src/protocol/jwe/binding.ts';
import { encryptJwe } from '../../src/protocol/jwe/compact.ts';
import { type JweKey, jweAlgorithmOf } from '../../src/protocol/jwe/key-management.ts';
import type { Answer } from '../../src/sdk/answer.ts';
import type { MerchantClient } from '../../src/sdk/merchant.ts';
import { readBlocks, readPage, runBash } from '../docs/pages.ts';
import { runHufu } from '../support/process.ts';
import { createOrder, MERCHANT_1, MERCHANT_2, paymentBody, RICH_PAYER, type System, startSystem } from '../support/system.ts';

const FIELD = '/payer/accountNo';
const BALANCE = (number: string) => `/v1/accounts/${number}/balance`;

describe('encrypted bodies, fields and answers', { timeout: 120_000 }, () => {
  let system: System;
  let m1: MerchantClient;
  let m2: MerchantClient;
  before(async () => {
    system = await startSystem();
    m1 = system.merchant(MERCHANT_1);
    m2 = system.merchant(MERCHANT_2);
  });
  after(() => system?.dispose());

  const gatewayKey = (kind: 'ec' | 'rsa'): JweKey => {
    const { publicKey: key } = system.pki.read(`encryption/platform-enc-${kind}`);
    return { keyid: `platform-enc-${kind}`, algorithm: jweAlgorithmOf(key) as JweKey['algorithm'], key };
  };
  const bindingOf = (orderNo: string, key: string, changes: Partial<Binding> = {}): Binding => ({
    ...{ of: 'request', merchant: MERCHANT_2, method: 'POST', target: `/v1/orders/${orderNo}/payments`, request: key, pointer: FIELD },
    ...changes,
  });
  const seal = (
    orderNo: string,
    key: string,
    kind: 'ec' | 'rsa' = 'ec',
    changes: Partial<Binding> = {},
    text = `"${RICH_PAYER}"`,
  ): string => encryptJwe(Buffer.from(text), gatewayKey(kind), bindingOf(orderNo, key, changes));
  const pay = (client: MerchantClient, orderNo: string, key: string, accountNo: unknown, more: object = {}): Promise<Answer> =>
    client.call({
      ...{ method: 'POST', path: `/v1/orders/${orderNo}/payments`, idempotencyKey: key },
      body: { ...paymentBody(100), payer: { accountNo } },
      ...more,
    });
  const executions = async () => (await system.figures()).executions.length;

  test('a field and a whole body are opened: the core gets the very payment, to either kind of key', async () => {
    const pem = system.pki.read('encryption/platform-enc-rsa').certificatePem;
    const rsa = system.merchant(MERCHANT_2, { encryptTo: { keyid: 'platform-enc-rsa', pem } });
    for (const client of [m2, rsa]) {
      for (const encrypt of [[FIELD], 'body'] as const) {
        const orderNo = await createOrder(m2, 100);
        const answer = await pay(client, orderNo, `pay-${orderNo}`, RICH_PAYER, { encrypt });
        assert.deepEqual([answer.status, answer.outcome, answer.why], [201, 'succeeded', undefined], answer.body.toString());
      }
    }
  });

  test("jose's own encryption is taken as it is", async () => {
    const orderNo = await createOrder(m2, 100);
    const text = await new CompactEncrypt(Buffer.from(`"${RICH_PAYER}"`))
      .setProtectedHeader({
        alg: 'RSA-OAEP-256',
        enc: 'A256GCM',
        kid: 'platform-enc-rsa',
        crit: ['hufu'],
        hufu: bindingOf(orderNo, 'jose-1'),
      })
      .encrypt(gatewayKey('rsa').key, { crit: { hufu: true } });
    const answer = await pay(m2, orderNo, 'jose-1', text);
    assert.equal(answer.status, 201, answer.body.toString());
  });

  test('one key, encrypted anew or sent in clear text, is one request; another value under it is not', async () => {
    const orderNo = await createOrder(m2, 100);
    const key = `again-${orderNo}`;
    const first = await pay(m2, orderNo, key, RICH_PAYER, { encrypt: [FIELD] });
    const count = await executions();
    const repeated = await pay(m2, orderNo, key, RICH_PAYER, { encrypt: [FIELD] });
    const clear = await pay(m2, orderNo, key, RICH_PAYER);
    assert.deepEqual([first.status, repeated.status, clear.status], [201, 201, 201]);
    assert.deepEqual(repeated.value, first.value);
    assert.equal(repeated.headers['idempotency-replayed'], 'true');
    const other = await pay(m2, orderNo, key, '6200000000000002', { encrypt: [FIELD] });
    assert.equal(other.code, 'IDEMPOTENCY_KEY_REUSED');
    assert.equal(await executions(), count, 'nothing ran again');
  });

  test('a ciphertext cannot be moved, and nothing runs', async () => {
    const orderNo = await createOrder(m2, 100);
    const count = await executions();
    const own = seal(orderNo, 'here');
    const moved: readonly (readonly [why: string, differs: string | undefined, ask: () => Promise<Answer>])[] = [
      ['to another request of the merchant', 'request', () => pay(m2, orderNo, 'elsewhere', own)],
      ['to another order', 'target', () => pay(m2, 'another', 'here', own)],
      ['to another merchant', 'merchant', () => pay(m1, orderNo, 'here', own)],
      ['out of another field', 'pointer', () => pay(m2, orderNo, 'here', seal(orderNo, 'here', 'ec', { pointer: '/payee/accountNo' }))],
      ['out of a whole body', 'pointer', () => pay(m2, orderNo, 'here', seal(orderNo, 'here', 'ec', { pointer: '' }))],
      ['out of an answer', 'of', () => pay(m2, orderNo, 'here', seal(orderNo, 'here', 'ec', { of: 'answer' }))],
    ];
    for (const [why, differs, ask] of moved) {
      const { code, value } = await ask();
      assert.deepEqual([code, (value as { differs?: unknown }).differs], ['ENCRYPTION_INVALID', [differs]], why);
    }
    const [head, ...rest] = own.split('.');
    const header = JSON.parse(Buffer.from(head as string, 'base64url').toString());
    const forged = Buffer.from(JSON.stringify({ ...header, hufu: bindingOf(orderNo, 'elsewhere') })).toString('base64url');
    assert.equal(
      (await pay(m2, orderNo, 'elsewhere', [forged, ...rest].join('.'))).code,
      'DECRYPTION_FAILED',
      'the binding is authenticated',
    );
    assert.equal(await executions(), count);
  });

  test('a ciphertext that could be put in a second place is refused', async () => {
    const orderNo = await createOrder(m2, 100);
    const text = seal(orderNo, 'twice');
    const body = (account: string, number: string) =>
      `{"merchantNumber":${number},"amountFen":100,"currency":"CNY","method":"OWN_BANK","payer":{"accountNo":${account}}}`;
    const escaped = `"\\u0065${text.slice(1)}"`;
    for (const [why, account, number] of [
      ['it stands there twice', `"${text}"`, `"${text}"`],
      ['escaped in its place, plain in another', escaped, `"${text}"`],
      ['escaped', escaped, `"${MERCHANT_2}"`],
    ] as const) {
      const answer = await m2.call({
        ...{ method: 'POST', path: `/v1/orders/${orderNo}/payments`, idempotencyKey: 'twice', body: body(account, number) },
        headers: { 'Content-Type': 'application/json' },
      });
      assert.equal(answer.code, 'ENCRYPTION_INVALID', why);
    }
  });

  test('what is encrypted is judged like clear text', async () => {
    const orderNo = await createOrder(m2, 100);
    const cases = [
      ['"abc"', 'SCHEMA_INVALID', 'no account number'],
      ['5', 'SCHEMA_INVALID', 'a number'],
      [`${RICH_PAYER.slice(0, 8)}x`, 'ENCRYPTION_INVALID', 'no JSON text'],
      ['"6200000000000001","amountFen":1', 'ENCRYPTION_INVALID', 'an attempt to add members'],
      ['', 'ENCRYPTION_INVALID', 'nothing'],
    ] as const;
    for (const [text, code, why] of cases) {
      const answer = await pay(m2, orderNo, 'judged', seal(orderNo, 'judged', 'ec', {}, text));
      assert.equal(answer.code, code, why);
      assert.equal(answer.body.includes('amountFen'), false);
    }
  });

  test('every failure to decrypt is answered alike, byte for byte but for the id', async () => {
    const orderNo = await createOrder(m2, 100);
    const parts = (text: string) => text.split('.');
    const spoil = (kind: 'ec' | 'rsa', index: number, change: (bytes: Buffer) => Buffer): string => {
      const all = parts(seal(orderNo, 'uniform', kind));
      all[index] = change(Buffer.from(all[index] as string, 'base64url')).toString('base64url');
      return all.join('.');
    };
    const flip = (bytes: Buffer): Buffer => {
      bytes[bytes.length - 1] = (bytes[bytes.length - 1] as number) ^ 1;
      return bytes;
    };
    const spoiled = [
      spoil('rsa', 1, flip),
      spoil('rsa', 1, (bytes) => bytes.fill(0)),
      spoil('rsa', 1, (bytes) => bytes.fill(255)),
      spoil('rsa', 1, (bytes) => randomBytes(bytes.length)),
      spoil('rsa', 3, flip),
      spoil('rsa', 4, flip),
      spoil('ec', 1, flip),
      spoil('ec', 3, flip),
      spoil('ec', 4, flip),
    ];
    const answers = await Promise.all(spoiled.map((text) => pay(m2, orderNo, 'uniform', text)));
    const bodies = answers.map(({ body, requestId }) => body.toString().replace(requestId as string, ''));
    const shapes = answers.map(({ status, code, headers }) => [status, code, Object.keys(headers).sort().join()].join(' '));
    assert.deepEqual([new Set(bodies).size, new Set(shapes).size], [1, 1]);
    assert.equal(answers[0]?.code, 'DECRYPTION_FAILED');
  });

  test('fields of an answer are encrypted to the key in the merchant file, and signed as they go out', async () => {
    const account = `6${MERCHANT_2}`;
    const answer = await m2.call({ method: 'GET', path: BALANCE(account) });
    assert.equal(answer.status, 200, answer.body.toString());
    assert.deepEqual(
      [typeof (answer.value as { balanceFen: unknown }).balanceFen, (answer.value as { accountNo: unknown }).accountNo],
      ['number', account],
    );
    const wire = JSON.parse(answer.body.toString()) as Record<string, string>;
    assert.equal(answer.body.includes(account), false);
    const { plaintext, protectedHeader } = await compactDecrypt(
      wire.balanceFen as string,
      system.pki.read(`merchants/${MERCHANT_2}`).privateKey,
      {
        crit: { hufu: true },
      },
    );
    assert.equal(Number(Buffer.from(plaintext).toString()), (answer.value as { balanceFen: number }).balanceFen);
    assert.equal((protectedHeader.hufu as Binding).pointer, '/balanceFen');
    const stranger = system.merchant(MERCHANT_2, { decryptionKeys: [{ key: system.pki.read(`merchants/${MERCHANT_1}`).privateKey }] });
    assert.deepEqual((await stranger.call({ method: 'GET', path: BALANCE(account) })).closed, [
      '/accountNo',
      '/balanceFen',
      '/availableFen',
    ]);
  });

  test('the published list has both encryption keys, which sign nothing', async () => {
    const answer = await m2.call({ method: 'GET', path: '/v1/platform-certificates' });
    const rows = (answer.value as { certificates: { keyid: string; use: string; alg: string }[] }).certificates;
    assert.deepEqual(
      rows.filter(({ use }) => use === 'enc').map(({ keyid, alg }) => [keyid, alg]),
      [
        ['platform-enc-ec', 'ECDH-ES+A256KW'],
        ['platform-enc-rsa', 'RSA-OAEP-256'],
      ],
    );
  });

  test('docs/encryption.md, For operators: the key to encrypt to is exchanged by command, and merchants follow', async () => {
    const steps = readBlocks(readPage('docs/encryption.md')).filter(({ language }) => language === 'bash');
    const step = async (): Promise<string> => {
      const { code, output } = await runBash((steps.shift() as { text: string }).text, system.environment);
      assert.equal(code, 0, output);
      return output;
    };
    const used: string[] = [];
    const client = system.merchant(MERCHANT_2, {
      rehearse: (signed) => {
        const jwe = /"accountNo":"([^".]+)\./.exec(signed.body.toString())?.[1];
        if (jwe !== undefined) used.push(JSON.parse(Buffer.from(jwe, 'base64url').toString()).kid);
        return signed;
      },
    });
    const payEncrypted = async () => {
      const orderNo = await createOrder(m2, 100);
      used.length = 0;
      const answer = await pay(client, orderNo, `pay-${orderNo}`, RICH_PAYER, { encrypt: [FIELD] });
      assert.deepEqual([answer.status, answer.outcome], [201, 'succeeded'], answer.body.toString());
      return [...used];
    };
    const states = async () => {
      const { certificates, retired } = (await m1.call({ method: 'GET', path: '/v1/platform-certificates' })).value as {
        readonly certificates: readonly { readonly keyid: string; readonly use: string; readonly status: string }[];
        readonly retired: readonly object[];
      };
      const { keys } = (await m1.call({ method: 'GET', path: '/v1/jwks' })).value as {
        readonly keys: readonly { readonly kid: string; readonly use: string; readonly status: string }[];
      };
      const told = certificates.filter(({ use }) => use === 'enc').map(({ keyid, status }) => `${keyid} ${status}`);
      const set = keys.filter(({ use }) => use === 'enc').map(({ kid, status }) => `${kid} ${status}`);
      assert.deepEqual(set, told, 'list and JWK Set say the same');
      return [told, retired];
    };
    const RSA = 'platform-enc-rsa current';

    assert.deepEqual(await payEncrypted(), ['platform-enc-ec']);
    await step();
    assert.deepEqual(await states(), [['platform-enc-ec current', RSA, 'platform-enc-2027 announced'], []]);
    assert.deepEqual(await payEncrypted(), ['platform-enc-ec'], 'nobody encrypts to it yet');

    await step();
    assert.deepEqual(await states(), [['platform-enc-ec retiring', RSA, 'platform-enc-2027 current'], []]);
    assert.deepEqual(await payEncrypted(), ['platform-enc-ec'], 'a client that has not looked again is still understood');

    assert.match(await step(), /platform-enc-ec +enc +ECDH-ES\+A256KW +retired/);
    assert.deepEqual(await states(), [[RSA, 'platform-enc-2027 current'], [{ keyid: 'platform-enc-ec', use: 'enc' }]]);
    assert.deepEqual(await payEncrypted(), ['platform-enc-ec', 'platform-enc-2027'], 'refused, looked again, sent once more');
    assert.deepEqual(await payEncrypted(), ['platform-enc-2027']);

    const orderNo = await createOrder(m2, 100);
    const count = await executions();
    const old = await pay(m2, orderNo, 'old', seal(orderNo, 'old'));
    assert.deepEqual(
      [old.code, (old.value as { detail: string }).detail],
      ['ENCRYPTION_INVALID', 'Kid names no encryption key of the gateway.'],
    );
    assert.equal(await executions(), count);
    for (const [args, said] of [
      [['promote', 'platform-enc-2027', '--share', '5'], /--share is of keys that sign/],
      [['promote', 'platform-enc-ec'], /is retired/],
      [
        ['announce', 'platform-ec', '--use', 'enc', '--certificate', 'x', '--key', 'y'],
        /there is a key platform-ec in answers\.keys already/,
      ],
    ] as const) {
      const { code, stderr } = await runHufu(['keys', ...args], system.environment);
      assert.notEqual(code, 0);
      assert.match(stderr, said);
    }
  });

  test('no plaintext of what was encrypted is in log, journal or store', () => {
    const gateway = system.gateways[0]?.running();
    const data = join(system.directory, 'data');
    const files = [
      ...readdirSync(data)
        .filter((name) => name.startsWith('store.db'))
        .map((name) => join(data, name)),
      ...readdirSync(join(data, 'journal'), { recursive: true, withFileTypes: true })
        .filter((entry) => entry.isFile())
        .map((entry) => join(entry.parentPath, entry.name)),
    ];
    assert.ok(files.length >= 2);
    const seen = [...files.map((file) => readFileSync(file, 'latin1')), gateway?.stdout() ?? '', gateway?.stderr() ?? ''];
    assert.equal(
      seen.some((text) => text.includes(RICH_PAYER)),
      false,
    );
  });
});
