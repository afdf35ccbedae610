import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';
import request from 'supertest';
import type { Fault, FaultName } from '../../src/reference-core/faults.ts';
import {
  type CoreAnswered,
  executionQuery,
  freshOrderNo,
  orderCall,
  orderQuery,
  paymentCall,
  startTestCore,
  type TestCore,
} from '../support/core.ts';

let core: TestCore;
const reported: unknown[] = [];
before(async () => {
  core = await startTestCore({ reportError: (error) => reported.push(error) });
});
afterEach(() => core.setFault({ next: 0, fault: 'delay' }));
after(async () => {
  const { problems } = await core.readLedger().finally(core.dispose);
  assert.deepEqual(problems, []);
  assert.deepEqual(reported, [], 'a fault on purpose is not an internal one');
});

const readFault = async (): Promise<Fault> => (await request(core.url).get('/faults').expect(200)).body.fault;

/** What the caller sees, whether the order exists afterwards, what a repeat gets. */
const rows: readonly (readonly [FaultName, 'dropped' | number, boolean, string])[] = [
  ['delay', 201, true, 'answers late, but answers'],
  ['executeLate', 201, true, 'begins late, but begins'],
  ['executeThenDrop', 'dropped', true, 'the money moved and nobody was told'],
  ['executeThen500', 500, true, 'the money moved and the answer says failure'],
  ['garbage', 200, true, 'the money moved and the answer cannot be read'],
  ['refuse', 503, false, 'nothing began'],
  ['dropBeforeExecute', 'dropped', false, 'nothing began and nobody was told'],
];
for (const [fault, seen, executed, why] of rows) {
  test(`${fault}: ${why}`, async () => {
    await core.setFault({ next: 1, fault, delayMs: 5 });
    const call = orderCall(freshOrderNo(), 1);
    const answer = await core.call(call).catch((): 'dropped' => 'dropped');
    assert.equal(answer === 'dropped' ? answer : answer.status, seen);
    if (fault === 'garbage') assert.throws(() => JSON.parse((answer as CoreAnswered).text));
    assert.equal((await core.call(executionQuery(call.key as string))).status, executed ? 200 : 404);
    const again = await core.call(call);
    assert.deepEqual([again.status, again.replayed], [201, executed], 'the fault was for one request');
    assert.equal((await readFault()).next, 0);
  });
}

test('a fault takes only the requests that match, as many as it says', async () => {
  const [a, b] = [freshOrderNo(), freshOrderNo()];
  await core.setFault({ next: 2, fault: 'refuse', match: { method: 'POST', path: `/v1/orders/${a}/*` } });
  for (const number of [a, b]) assert.equal((await core.call(orderCall(number, 1))).status, 201);
  assert.equal((await core.call(orderQuery(a))).status, 200, 'another method');
  assert.equal((await core.call(paymentCall(b, 1))).status, 201, 'another path');
  for (const status of [503, 503, 201]) assert.equal((await core.call(paymentCall(a, 1))).status, status);
});

test('a fault can be set on the query of what became of a request', async () => {
  await core.setFault({ next: 1, fault: 'executeThenDrop', match: { path: '/v1/executions/*' } });
  const call = orderCall(freshOrderNo(), 1);
  await core.call(call);
  await assert.rejects(core.call(executionQuery(call.key as string)));
  assert.equal((await core.call(executionQuery(call.key as string))).status, 200);
});

test('who cannot show an assertion uses up no fault', async () => {
  await core.setFault({ next: 1, fault: 'refuse' });
  await request(core.url).post('/v1/orders').send({}).expect(401);
  assert.equal((await readFault()).next, 1);
});

test('delay: what is delayed has been done, and can be found meanwhile', { timeout: 20_000 }, async (t) => {
  const slow = await startTestCore();
  t.after(slow.dispose);
  await slow.setFault({ next: 1, fault: 'delay', delayMs: 60_000, match: { method: 'POST' } });
  const call = orderCall(freshOrderNo(), 1);
  const answer = slow.call(call).then(
    () => 'answered',
    () => 'dropped',
  );
  while ((await slow.call(executionQuery(call.key as string))).status !== 200);
  await slow.dispose();
  assert.equal(await answer, 'dropped', 'a core that closes does not wait for a delay on purpose');
});

test('executeLate: what would begin after the expiry does not begin', { timeout: 20_000 }, async (t) => {
  let nowMs = Date.now();
  const late = await startTestCore({ nowMs: () => nowMs });
  t.after(late.dispose);
  await late.setFault({ next: 1, fault: 'executeLate', delayMs: 400 });
  const call = { ...orderCall(freshOrderNo(), 1), nowMs };
  const answer = late.call(call);
  while (((await (await fetch(`${late.url}/faults`)).json()) as { fault: Fault }).fault.next !== 0);
  nowMs += 31_000;
  assert.equal((await answer).code, 'ASSERTION_EXPIRED');
  assert.equal((await late.call({ ...executionQuery(call.key as string), nowMs })).code, 'EXECUTION_NOT_FOUND');
});

const unreadable: readonly (readonly [unknown, string])[] = [
  [{ next: 1 }, 'no fault'],
  [{ next: 1, fault: 'explode' }, 'a fault that is not known'],
  [{ next: 1, fault: 'toString' }, 'a name that every object inherits'],
  [{ next: -1, fault: 'delay' }, 'a negative count'],
  [{ next: 1, fault: 'delay', delayMs: 1e9 }, 'a delay for days'],
  [{ next: 1, fault: 'delay', match: { query: 'a' } }, 'an unknown kind of match'],
  [{ next: 1, fault: 'delay', match: { path: 'v1' } }, 'a path that is none'],
  [{ next: 1, fault: 'delay', other: 1 }, 'a field that is not known'],
];
for (const [fault, why] of unreadable) {
  test(`PUT /faults refuses ${why}`, async () => {
    const response = await request(core.url)
      .put('/faults')
      .send(fault as object);
    assert.deepEqual([response.status, response.body.code], [400, 'SCHEMA_INVALID']);
  });
}
