import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { createRisk, type RiskQuestion, readVerdict } from '../../src/forward/risk.ts';
import { startExample } from '../support/risk.ts';

const QUESTION: RiskQuestion = {
  requestId: 'r',
  merchantNumber: '800000000000001',
  merchantKind: 'merchant',
  operation: 'payments.create',
  level: 'A2',
  access: 'write',
  channel: 'internet',
  address: '127.0.0.1',
  rule: 'P6',
  confirmation: false,
  amountFen: 100,
  payer: 'p',
};

test('the example passes, wants large amounts confirmed, and rejects a payer who pays too often', async (t) => {
  const { url, close } = await startExample(undefined, { stepUpAboveFen: 1_000, paymentsMax: 4 });
  const risk = createRisk({ url, timeoutMs: 5_000, connections: 1 });
  t.after(async () => {
    await risk.close();
    close();
  });
  assert.deepEqual(await risk.ask(QUESTION), { verdict: 'pass', confirmed: false });
  const large = { ...QUESTION, amountFen: 1_001 };
  const asked = await risk.ask(large);
  assert.ok(asked.verdict === 'step-up' && asked.reference, JSON.stringify(asked));
  assert.equal((await fetch(`${url}confirmed/${asked.reference}`, { method: 'PUT' })).status, 200);
  assert.deepEqual(await risk.ask(large), { verdict: 'pass', confirmed: true });
  assert.equal((await risk.ask({ ...QUESTION, confirmation: true })).verdict, 'step-up');
  assert.equal((await risk.ask(QUESTION)).verdict, 'reject');
  assert.equal((await fetch(url, { method: 'POST', body: '{' })).status, 400);
});

test('a service that is not there gives no verdict', async (t) => {
  const { url, close } = await startExample();
  close();
  const risk = createRisk({ url, timeoutMs: 5_000, connections: 1 });
  t.after(risk.close);
  assert.equal((await risk.ask(QUESTION)).verdict, 'unavailable');
});

const answered = (body: string | Uint8Array, rawHeaders = ['content-type', 'application/json'], status = 200) =>
  readVerdict({ kind: 'answered', status, rawHeaders, body: Buffer.from(body) });

test('only what was agreed is a verdict', () => {
  const GOOD: readonly string[] = [
    '{"verdict":"pass"}',
    '{"verdict":"pass","confirmed":true}',
    '{"verdict":"reject","reference":"a.b:c-d_e"}',
  ];
  for (const text of GOOD) assert.notEqual(answered(text).verdict, 'unavailable', text);
  const BAD: readonly string[] = [
    '',
    'null',
    '"pass"',
    '{}',
    '{"verdict":"PASS"}',
    '{"verdict":["pass"]}',
    '{"verdict":"pass","confirmed":"true"}',
    '{"verdict":"pass","confirmed":1}',
    '{"verdict":"reject","reference":"a b"}',
    '{"verdict":"reject","reference":"<script>"}',
    '{"verdict":"reject","reference":7}',
    '{"verdict":"pass","__proto__":{}}',
    '{"verdict":"pass"} {}',
    `{"verdict":"pass"${' '.repeat(5_000)}}`,
  ];
  for (const text of BAD) assert.equal(answered(text).verdict, 'unavailable', text);
  for (const status of [201, 204, 302, 307, 404, 500])
    assert.equal(answered('{"verdict":"pass"}', undefined, status).verdict, 'unavailable');
  assert.equal(answered('{"verdict":"pass"}', []).verdict, 'unavailable');
  const twice = ['content-type', 'application/json', 'content-type', 'application/json'];
  assert.equal(answered('{"verdict":"pass"}', twice).verdict, 'unavailable');
});

test('no bytes make it throw, and none but a pass passes', () => {
  fc.assert(
    fc.property(
      fc.oneof(
        fc.uint8Array(),
        fc.json().map((text) => Buffer.from(text)),
      ),
      (bytes) => {
        assert.equal(answered(bytes).verdict, 'unavailable');
      },
    ),
  );
});
