import assert from 'node:assert/strict';
import { readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { eventually } from '../support/eventually.ts';
import type { Leaf, Pki } from '../support/pki.ts';
import { runHufu } from '../support/process.ts';
import { connectRaw } from '../support/raw-client.ts';
import { freshOrderNo, type Gateway, MERCHANT_1, MERCHANT_2, orderBody, type System, startSystem } from '../support/system.ts';

describe('a name that goes from one merchant to another', { timeout: 120_000 }, () => {
  let system: System;
  let second: Leaf;
  before(async () => {
    system = await startSystem({ gateways: 2, configure });
  });
  after(() => system?.dispose());

  /** Merchant 1 has a second name, with a key of its own. */
  async function configure(folder: string, pki: Pki): Promise<void> {
    if (second) {
      // Both gateways read one directory of merchants, as the processes of one host do.
      rmSync(join(folder, 'merchants'), { recursive: true });
      symlinkSync(join(folder, '..', 'config-gateway-1', 'merchants'), join(folder, 'merchants'));
      return;
    }
    second = await pki.issueMerchant({ subject: 'CN=second,O=Shop,C=CN' });
    const file = join(folder, 'merchants', `${MERCHANT_1}.yaml`);
    const row = `  - certificate: ${second.certificate} # the second shop\n`;
    writeFileSync(file, readFileSync(file, 'utf8').replace('names:\n', `names:\n${row}`).replace('keys:\n', `keys:\n${row}`));
  }
  const merchantFile = (number: string) => readFileSync(join(system.directory, 'config-gateway-1', 'merchants', `${number}.yaml`), 'utf8');
  const hufu = (...args: string[]) => runHufu(['merchant', ...args], system.environment);
  const as = (merchantNumber: string) =>
    system.merchant(MERCHANT_1, { merchantNumber, certificate: second.certificatePem, key: second.keyPem });
  const order = (merchantNumber: string, orderNo = freshOrderNo()) =>
    as(merchantNumber).call({ method: 'POST', path: '/v1/orders', idempotencyKey: `order-${orderNo}`, body: orderBody(orderNo, 100) });
  const named = () => ['--certificate', second.certificate, '--signing-certificate', second.certificate];

  test('what would be wrong is refused, and nothing is written', async () => {
    const before = [MERCHANT_1, MERCHANT_2].map(merchantFile);
    const only = join(system.pki.directory, `merchants/${MERCHANT_2}.crt`);
    for (const [args, message] of [
      [[MERCHANT_1, '--from', MERCHANT_1, ...named()], /name two merchants/],
      [[MERCHANT_1, '--from', MERCHANT_2, ...named()], /does not have this name/],
      [[MERCHANT_2, '--from', '800000000000404', ...named()], /there is no merchant/],
      [
        [MERCHANT_1, '--from', MERCHANT_2, '--certificate', only, '--signing-certificate', only],
        /nothing was changed.*keys: name at least one key/s,
      ],
    ] as const) {
      const { code, stderr } = await hufu('move', ...args, '--reason', 'test');
      assert.equal(code, 1, stderr);
      assert.match(stderr, message);
    }
    assert.deepEqual([MERCHANT_1, MERCHANT_2].map(merchantFile), before);
  });

  test('takes effect for the next request; one under way ends as it began; none finds the name at nobody', async () => {
    assert.equal((await order(MERCHANT_1)).status, 201);
    const executions = async () => (await system.figures()).executions;
    const count = (await executions()).length;
    await system.fault({ next: 1, fault: 'delay', delayMs: 7_000, match: { method: 'POST' } });
    let ended = false;
    const orderNo = freshOrderNo();
    const underWay = order(MERCHANT_1, orderNo).finally(() => {
      ended = true;
    });
    await eventually(async () => assert.equal((await executions()).length, count + 1));
    const clients = await Promise.all(system.gateways.map(({ url }) => connectRaw(system.pki, url, second)));
    const codes = new Set<unknown>();
    let moving = true;
    const watching = clients.map(async (client) => {
      while (moving) {
        codes.add((await client.ask()).problem.code);
        await new Promise((resolve) => setTimeout(resolve, 150));
      }
    });
    const { code, stdout, stderr } = await hufu('move', MERCHANT_2, '--from', MERCHANT_1, ...named(), '--reason', 'merger');
    assert.equal(code, 0, stderr);
    assert.match(stdout, /gateway-1: in force\ngateway-2: in force/);
    const next = [await order(MERCHANT_2), await order(MERCHANT_1)];
    assert.equal(ended, false, 'the slow one is still under way');
    assert.deepEqual([next[0]?.status, next[1]?.status, next[1]?.code], [201, 403, 'MERCHANT_MISMATCH']);
    const slow = await underWay;
    assert.deepEqual([slow.status, slow.accepted], [201, true]);
    const query = await system.merchant(MERCHANT_1).call({ method: 'GET', path: `/v1/orders/${orderNo}` });
    assert.equal(query.status, 200, 'it is the old merchant that ordered');
    moving = false;
    await Promise.all(watching);
    assert.equal(clients[0]?.isClosed(), false, 'the connection stays: its name has a merchant');
    for (const client of clients) client.close();
    assert.deepEqual([...codes], ['SIGNATURE_MISSING']);
    assert.match(merchantFile(MERCHANT_2), new RegExp(second.certificate));
    assert.doesNotMatch(merchantFile(MERCHANT_1), new RegExp(second.certificate));
    assert.match(merchantFile(MERCHANT_1), /^# yaml-language-server/);
    assert.match((system.gateways[0] as Gateway).running().stderr(), /"code":"MERCHANT_MISMATCH"/);
  });
});
