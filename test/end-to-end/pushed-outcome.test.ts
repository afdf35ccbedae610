import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { runHufu } from '../cli/run-hufu.ts';
import { eventually } from '../support/eventually.ts';
import { freePorts, type Running, startHufu } from '../support/process.ts';
import { createOrder, MERCHANT_1, payOrder, type System, startSystem } from '../support/system.ts';

describe('the core pushes an outcome that nobody heard', { timeout: 120_000 }, () => {
  let system: System;
  let url: string;
  let core: Running;
  before(async () => {
    const [port = 0] = await freePorts(1);
    url = `http://127.0.0.1:${port}/outcomes`;
    system = await startSystem({
      // Nobody asks by himself within this test.
      settings: 'resolve: { scheduleMs: [3600000] }',
      configure: (folder) => {
        const file = join(folder, 'gateway.yaml');
        writeFileSync(file, readFileSync(file, 'utf8').replace('\n  status:\n', `\n  outcomes: { port: ${port} }\n  status:\n`));
      },
    });
    await system.core.kill();
    core = await startHufu(['core', '--profile', 'development', '--faults', '--push', url], system.environment);
  });
  after(async () => {
    await core?.end('SIGKILL');
    await system?.dispose();
  });

  const open = async () =>
    JSON.parse((await runHufu(['reservations', 'list', '--json'], { environment: system.environment })).stdout) as { claim: string }[];
  const push = (body: unknown, headers: Record<string, string> = { 'content-type': 'application/json' }) =>
    fetch(url, { method: 'POST', headers, body: typeof body === 'string' ? body : JSON.stringify(body) });

  test('an answer that was lost is known within seconds, not after the next question', async () => {
    const merchant = system.merchant(MERCHANT_1);
    const orderNo = await createOrder(merchant, 500);
    await system.fault({ next: 1, fault: 'executeThenDrop', match: { method: 'POST' } });
    const answer = await payOrder(merchant, orderNo, 500);
    assert.equal(answer.outcome, 'unknown');
    await eventually(async () => assert.deepEqual(await open(), []), 15_000);
    const { body } = await merchant.call({ method: 'GET', path: `/v1/orders/${orderNo}` });
    assert.equal(JSON.parse(body.toString()).status, 'PAID');
  });

  test('a forged push changes nothing: the core is asked', async () => {
    const merchant = system.merchant(MERCHANT_1);
    const orderNo = await createOrder(merchant, 500);
    await system.fault({ next: 1, fault: 'dropBeforeExecute', match: { method: 'POST' } });
    assert.equal((await payOrder(merchant, orderNo, 500)).outcome, 'unknown');
    const [{ claim } = { claim: '' }] = await open();
    const answer = await push({ merchantNumber: MERCHANT_1, claim, outcome: 'SUCCEEDED' });
    assert.deepEqual([answer.status, await answer.json()], [202, { claim, state: 'open' }]);
    assert.deepEqual(
      (await open()).map((row) => row.claim),
      [claim],
    );
  });

  const CLAIM = 'A'.repeat(43);
  const BAD: readonly (readonly [unknown, number, string])[] = [
    [{ merchantNumber: MERCHANT_1, claim: CLAIM, outcome: 'SUCCEEDED' }, 404, 'a claim that nobody has'],
    [{ merchantNumber: MERCHANT_1, claim: CLAIM, outcome: 'MAYBE' }, 400, 'no outcome'],
    [{ merchantNumber: MERCHANT_1, claim: CLAIM, outcome: '__proto__' }, 400, 'a name of every object'],
    [{ merchantNumber: '1', claim: CLAIM, outcome: 'FAILED' }, 400, 'no merchant number'],
    [{ merchantNumber: MERCHANT_1, claim: '../..', outcome: 'FAILED' }, 400, 'no claim'],
    ['{"claim":1,"claim":2}', 400, 'a name twice'],
    ['[]', 400, 'no object'],
    ['null', 400, 'nothing'],
    ['', 400, 'no body'],
    [`"${'x'.repeat(2_000)}"`, 413, 'more than it takes'],
  ];
  for (const [body, status, why] of BAD)
    test(`a push of ${why} is ${status}`, async () => {
      const answer = await push(body);
      assert.equal(answer.status, status, await answer.text());
    });

  test('nothing else is there', async () => {
    const base = new URL('/', url);
    assert.equal((await fetch(base)).status, 404);
    assert.equal((await fetch(url)).status, 404);
    assert.equal((await push('{}', { 'content-type': 'text/plain' })).status, 400);
  });
});
