import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { createPublicKey, generateKeyPairSync, sign, verify } from 'node:crypto';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import fc from 'fast-check';
import { opensslForm } from '../../src/cli/journal/openssl.ts';
import { runHufu } from '../cli/run-hufu.ts';
import type { Leaf } from '../support/pki.ts';
import {
  createOrder,
  freshOrderNo,
  MERCHANT_1,
  MERCHANT_2,
  orderBody,
  payOrder,
  RICH_PAYER,
  type System,
  startSystem,
} from '../support/system.ts';

type Checked = { readonly code: number; readonly output: string };
const check = (directory: string): Promise<Checked> =>
  new Promise((done) => {
    execFile('sh', [join(directory, 'verify.sh')], (error, stdout, stderr) =>
      done({ code: error === null ? 0 : Number(error.code), output: `${stdout}${stderr}` }),
    );
  });

describe('evidence that stands without us', { timeout: 120_000 }, () => {
  let system: System;
  before(async () => {
    system = await startSystem();
  });
  after(() => system?.dispose());

  const run = (...args: string[]) => runHufu(['journal', ...args], { environment: system.environment });
  const pay = async (number: string) => {
    const merchant = system.merchant(number);
    const orderNo = await createOrder(merchant, 100);
    const answer = await payOrder(merchant, orderNo, 100);
    assert.equal(answer.outcome, 'succeeded');
    const { requestId } = answer;
    assert.ok(requestId);
    return { orderNo, requestId };
  };

  for (const [number, why] of [
    [MERCHANT_1, 'an RSA key'],
    [MERCHANT_2, 'a P-256 key'],
  ] as const)
    test(`request and answer of a merchant with ${why} verify with openssl alone; a changed one does not`, async () => {
      const { requestId, orderNo } = await pay(number);
      const directory = join(system.directory, `case-${number}`);
      const { code, stderr } = await run('evidence', requestId, '--out', directory);
      assert.equal(code, 0, stderr);
      const good = await check(directory);
      assert.equal(good.code, 0, good.output);
      assert.equal(good.output.match(/Verified OK|Signature Verified Successfully/g)?.length, 2, good.output);
      const base = readFileSync(join(directory, 'request.signed'), 'latin1');
      assert.match(base, new RegExp(`^"@target-uri": https://localhost:\\d+/v1/orders/${orderNo}/payments$`, 'm'));
      const registered = createPublicKey(system.pki.read(`merchants/${number}`).certificatePem).export({ type: 'spki', format: 'pem' });
      assert.equal(readFileSync(join(directory, 'request.key.pem'), 'utf8'), registered, 'the key is the one that is registered');
      assert.match(readFileSync(join(directory, 'answer.signed'), 'latin1'), /^"@status": 201$/m);
      for (const file of ['request.signed', 'answer.signed']) {
        const path = join(directory, file);
        const text = readFileSync(path, 'latin1');
        writeFileSync(path, text.replace('keyid', 'keyie'), 'latin1');
        assert.notEqual((await check(directory)).code, 0, file);
        writeFileSync(path, text, 'latin1');
      }
      assert.deepEqual(readdirSync(directory).length, 8);
      const all = readdirSync(directory)
        .map((file) => readFileSync(join(directory, file), 'latin1'))
        .join('\n');
      assert.equal(all.includes(RICH_PAYER), false, 'no body, and no number of a payer');
    });

  test('find: by request, order, merchant and time, with the outcome of the admission', async () => {
    const { requestId, orderNo } = await pay(MERCHANT_1);
    const typesOf = async (...args: string[]) => {
      const { code, stdout, stderr } = await run('find', '--json', ...args);
      assert.equal(code, 0, stderr);
      return stdout.split('\n').flatMap((line) => (line === '' ? [] : [(JSON.parse(line) as { type: string }).type]));
    };
    assert.deepEqual(await typesOf('--request', requestId), ['request', 'admitted', 'outcome', 'answer']);
    assert.deepEqual((await typesOf('--order', orderNo)).filter((type) => type === 'admitted').length, 2, 'the order and its payment');
    assert.deepEqual(await typesOf('--order', orderNo, '--merchant', MERCHANT_2), []);
    assert.ok((await typesOf('--merchant', MERCHANT_1)).length >= 8);
    assert.deepEqual(await typesOf('--to', '2026-01-01T00:00:00Z'), []);
    assert.ok((await typesOf('--from', '2026-01-01T00:00:00Z')).includes('boot'));
    const { stdout } = await run('find', '--request', requestId);
    assert.match(stdout, /admitted +800000000000001 .*order T.* total:amount:day:.* \+100/);
    assert.match(stdout, /outcome .*succeeded, answered/);
  });

  test('a keyid that is given to another key: what was signed before and after it each has its own', async () => {
    const file = join(system.directory, 'config-gateway-1', 'merchants', `${MERCHANT_2}.yaml`);
    const original = readFileSync(file, 'utf8');
    const register = async (leaf: Leaf) => {
      const text = original.replace(/^keys:\n {2}- certificate: .*$/m, `keys:\n  - certificate: ${leaf.certificate}\n    keyid: app`);
      writeFileSync(file, text);
      const { code, stderr } = await runHufu(['reload'], { environment: system.environment });
      assert.equal(code, 0, stderr);
    };
    const cases: { requestId: string; leaf: Leaf }[] = [];
    for (const leaf of [await system.pki.issueMerchant(), await system.pki.issueMerchant()]) {
      await register(leaf);
      const client = system.merchant(MERCHANT_2, { signingKey: leaf.keyPem, keyid: 'app' });
      const orderNo = freshOrderNo();
      const order = { method: 'POST', path: '/v1/orders', idempotencyKey: orderNo, body: orderBody(orderNo, 100) } as const;
      const { requestId, outcome } = await client.call(order);
      assert.equal(outcome, 'succeeded');
      cases.push({ requestId: requestId as string, leaf });
    }
    for (const { requestId, leaf } of cases) {
      const directory = join(system.directory, requestId);
      const { code, stderr } = await run('evidence', requestId, '--out', directory);
      assert.equal(code, 0, stderr);
      assert.equal(readFileSync(join(directory, 'request.key.pem'), 'utf8'), leaf.publicKey.export({ type: 'spki', format: 'pem' }));
      assert.equal((await check(directory)).code, 0);
    }
  });

  test('what is not there is told', async () => {
    const { code, stderr } = await run('evidence', 'nothing', '--out', join(system.directory, 'nothing'));
    assert.deepEqual([code, /no journal of this host knows an accepted request nothing/.test(stderr)], [1, true], stderr);
    assert.match((await run('find')).stderr, /say what to look for/);
    assert.match((await run('find', '--from', 'yesterday')).stderr, /expected a time/);
    assert.equal((await run('find', '--request', 'nothing')).stdout, 'No record is about that.\n');
  });
});

test("openssl's form of an ECDSA signature verifies as DER, whatever its numbers begin with", () => {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 64 }), (data) => {
      const raw = sign('sha256', data, { key: privateKey, dsaEncoding: 'ieee-p1363' });
      assert.ok(verify('sha256', data, { key: publicKey, dsaEncoding: 'der' }, opensslForm('ecdsa-p256-sha256', raw)));
    }),
    { numRuns: 400 },
  );
  const small = Buffer.concat([Buffer.alloc(31), Buffer.of(0x80), Buffer.alloc(31), Buffer.of(1)]);
  assert.equal(opensslForm('ecdsa-p256-sha256', small).toString('hex'), '300702020080020101');
});
