import assert from 'node:assert/strict';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import type { RiskQuestion } from '../../src/forward/risk.ts';
import { eventually } from '../support/eventually.ts';
import { freePorts } from '../support/process.ts';
import { createRiskService, type Raw } from '../support/risk.ts';
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

/** A service on which each test says what comes back. */
const SETTINGS = (url: string) => `risk: { url: '${url}', timeoutMs: 1500, asks: all }`;
const RULES = `
      requests: { kind: rate, allow: 100000, perMs: 1000, burst: 100000 }
      single: { kind: amount, currency: CNY, minFen: 1, maxFen: 900000000 }
      daily-amount: { kind: total, of: amount, per: day, currency: CNY, max: 5000 }`;
const LARGE_FEN = 50_000_001;

describe('access policy and risk service', { timeout: 120_000 }, () => {
  let system: System;
  let dedicated: number;
  let service: Awaited<ReturnType<typeof createRiskService>>;
  before(async () => {
    [dedicated] = (await freePorts(1)) as [number];
    service = await createRiskService();
    system = await startSystem({ configure, rules: RULES, settings: SETTINGS(service.url) });
  });
  after(async () => {
    await system?.dispose();
    await service?.close();
  });

  function configure(folder: string): void {
    const file = join(folder, 'gateway.yaml');
    const listener = `listeners:\n  dedicated: { address: 127.0.0.1, port: ${dedicated}, networks: [127.0.0.0/8] }\n`;
    writeFileSync(file, readFileSync(file, 'utf8').replace('listeners:\n', listener));
    const first = join(folder, 'merchants', `${MERCHANT_1}.yaml`);
    writeFileSync(first, `${readFileSync(first, 'utf8')}channels: [internet, dedicated]\nnetworks: [127.0.0.0/8, '::1/128']\n`);
    const second = join(folder, 'merchants', `${MERCHANT_2}.yaml`);
    writeFileSync(second, `${readFileSync(second, 'utf8')}networks: [127.0.0.0/8]\n`);
  }

  const onLine = () => system.merchant(MERCHANT_1, { url: `https://localhost:${dedicated}` });
  const log = () => system.gateways[0]?.running().stderr() ?? '';
  const eventOf = (requestId: string) =>
    eventually(() => {
      const line = log()
        .split('\n')
        .find((each) => each.includes(requestId) && each.includes('"msg":"request"'));
      assert.ok(line);
      return JSON.parse(line) as Record<string, unknown>;
    });
  const postOrder = (merchant: ReturnType<System['merchant']>, amountFen: number, key = freshOrderNo(), headers = {}) =>
    merchant.call({ method: 'POST', path: '/v1/orders', body: orderBody(key, amountFen), idempotencyKey: key, headers });
  const membersOf = (body: Buffer) => JSON.parse(body.toString()) as Record<string, unknown>;

  test('the same large order is taken on the line and must be confirmed over the internet, by rule P4', async () => {
    service.answers({ verdict: 'pass' });
    const taken = await postOrder(onLine(), LARGE_FEN);
    assert.equal(taken.status, 201, taken.body.toString());
    const refused = await postOrder(system.merchant(), LARGE_FEN);
    assert.deepEqual([refused.status, refused.code, membersOf(refused.body).rule], [403, 'RISK_STEP_UP', 'P4']);
    assert.equal(service.questions.at(-1)?.confirmation, true);
    const belowIt = await postOrder(system.merchant(), LARGE_FEN - 1);
    assert.equal(belowIt.status, 201, 'equal to the amount is not above it');
  });

  test('what somebody confirmed passes over the internet too', async () => {
    service.answers({ verdict: 'pass', confirmed: true });
    const confirmed = await postOrder(system.merchant(), LARGE_FEN);
    assert.equal(confirmed.status, 201, confirmed.body.toString());
  });

  test('no header makes an address: X-Forwarded-For and its like are not looked at', async () => {
    service.answers({ verdict: 'pass' });
    const headers = { 'X-Forwarded-For': '203.0.113.9', Forwarded: 'for=203.0.113.9', 'X-Real-IP': '203.0.113.9' };
    const answer = await postOrder(system.merchant(), 100, freshOrderNo(), headers);
    assert.equal(answer.status, 201, 'from the address of the peer, which is on the list');
  });

  test('the rule stands in the event and in the journal', async () => {
    service.answers({ verdict: 'pass' });
    const answer = await postOrder(system.merchant(), 100);
    const { access, risk } = await eventOf(answer.requestId ?? '');
    assert.deepEqual([access, risk], ['P6', 'pass']);
    const folder = join(system.directory, 'data', 'journal');
    const records = readdirSync(folder, { recursive: true, withFileTypes: true })
      .filter((each) => each.isFile() && each.name !== 'lock')
      .flatMap((each) => readFileSync(join(each.parentPath, each.name), 'utf8').split('\n'));
    const record = records.find((line) => line.includes('"type":"request"') && line.includes(answer.requestId ?? ''));
    assert.match(record ?? '', /"rule":"P6"/);
  });

  test('the question has hashes and nothing of class C2', async () => {
    service.answers({ verdict: 'pass' });
    const merchant = system.merchant();
    await payOrder(merchant, await createOrder(merchant, 100), 100);
    const question = service.questions.at(-1) as RiskQuestion;
    assert.equal(question.operation, 'payments.create');
    assert.equal(question.amountFen, 100);
    assert.equal(question.merchantNumber, MERCHANT_1);
    assert.equal(question.channel, 'internet');
    assert.match(question.payer ?? '', /^[A-Za-z0-9_-]{22}$/);
    assert.equal(
      service.bodies.some((body) => body.includes(RICH_PAYER)),
      false,
    );
    const used = service.connections();
    await payOrder(merchant, await createOrder(merchant, 100), 100);
    assert.equal(service.connections(), used, 'connections are kept');
  });

  const REFUSED: readonly (readonly [why: string, raw: Raw, code: string, status: number, retry: string])[] = [
    ['rejects', { verdict: 'reject', reference: 'R-1' }, 'RISK_REJECTED', 403, 'never'],
    ['wants a confirmation', { verdict: 'step-up', reference: 'C-1' }, 'RISK_STEP_UP', 403, 'same_key_later'],
    ['answers 500', { status: 500 }, 'RISK_UNAVAILABLE', 503, 'same_key_later'],
    ['answers no JSON', { text: 'OK' }, 'RISK_UNAVAILABLE', 503, 'same_key_later'],
    ['answers JSON with a name twice', { text: '{"verdict":"reject","verdict":"pass"}' }, 'RISK_UNAVAILABLE', 503, 'same_key_later'],
    ['answers a verdict nobody knows', { verdict: 'maybe' }, 'RISK_UNAVAILABLE', 503, 'same_key_later'],
    ['answers with more than is agreed', { verdict: 'pass', score: 1 }, 'RISK_UNAVAILABLE', 503, 'same_key_later'],
    ['answers a list', { text: '["pass"]' }, 'RISK_UNAVAILABLE', 503, 'same_key_later'],
    ['answers 5 MiB', { text: `{"verdict":"pass","reference":"${'x'.repeat(5 << 20)}"}` }, 'RISK_UNAVAILABLE', 503, 'same_key_later'],
    ['redirects to itself', { status: 307, location: '/' }, 'RISK_UNAVAILABLE', 503, 'same_key_later'],
    ['answers text/plain', { text: '{"verdict":"pass"}', type: 'text/plain' }, 'RISK_UNAVAILABLE', 503, 'same_key_later'],
    ['closes the connection', { closes: true }, 'RISK_UNAVAILABLE', 503, 'same_key_later'],
    ['hangs', { hangs: true }, 'RISK_UNAVAILABLE', 503, 'same_key_later'],
  ];

  test('whatever is no pass refuses a write, holds nothing, and leaves the key free', async () => {
    const merchant = system.merchant(MERCHANT_2);
    service.answers({ verdict: 'pass' });
    const orderNo = await createOrder(merchant, 5000);
    const path = `/v1/orders/${orderNo}/payments`;
    const executions = async () => (await system.figures()).executions.length;
    const before = await executions();
    const pay = () =>
      merchant.call({
        method: 'POST',
        path,
        idempotencyKey: orderNo,
        body: { amountFen: 5000, currency: 'CNY', method: 'OWN_BANK', payer: { accountNo: RICH_PAYER } },
      });
    for (const [why, raw, code, status, retry] of REFUSED) {
      service.answers(raw);
      const refused = await pay();
      assert.deepEqual([refused.status, refused.code], [status, code], `${why}: ${refused.body.toString()}`);
      const { outcome, retry: told, reference } = membersOf(refused.body);
      assert.deepEqual([outcome, told], ['not_executed', retry], why);
      if ('reference' in raw) assert.equal(reference, raw.reference);
    }
    assert.equal(await executions(), before, 'the core saw nothing');
    service.answers({ verdict: 'pass' });
    // The whole daily total: had one of them kept its reservation, this could not pass.
    const paid = await eventually(async () => {
      const answer = await pay();
      assert.equal(answer.outcome, 'succeeded', answer.body.toString());
      return answer;
    });
    const asked = service.questions.length;
    service.answers({ verdict: 'reject' });
    const again = await pay();
    assert.equal(again.outcome, 'succeeded', 'a repeat is answered from the key');
    assert.equal(service.questions.length, asked, 'and nobody is asked about it');
    assert.ok(paid);
  });

  test('level A1 is let through without a verdict, and refused by one', async () => {
    const read = () => system.merchant().call({ method: 'GET', path: '/v1/platform-certificates' });
    service.answers({ status: 500 });
    const answer = await read();
    assert.equal(answer.status, 200);
    assert.equal((await eventOf(answer.requestId ?? '')).risk, 'let-through');
    service.answers({ verdict: 'reject' });
    assert.equal((await read()).code, 'RISK_REJECTED');
    service.answers({ verdict: 'pass' });
  });

  test('verdicts are counted', async () => {
    const text = await (await fetch(`${system.gateways[0]?.statusUrl}/metrics`)).text();
    for (const verdict of ['pass', 'reject', 'step-up', 'unavailable', 'let-through'])
      assert.match(text, new RegExp(`hufu_risk_verdicts_total\\{verdict="${verdict}"\\} [1-9]`));
  });
});
