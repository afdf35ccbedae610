import assert from 'node:assert/strict';
import { test } from 'node:test';
import { classifyResolution, type Resolution } from '../../src/forward/resolution.ts';
import type { CoreReply } from '../../src/ports/core.ts';
import type { ResolveRule } from '../../src/protocol/operation.ts';
import { answered, executions, inputs, merchantNumber, paid, pay } from './sample.ts';

const rule = pay.resolve as ResolveRule;
const executed = { status: 'SUCCEEDED', httpStatus: 201, body: paid, merchantNumber, orderNo: 'o1', amountFen: 100 };
const notFound = answered(404, { code: 'EXECUTION_NOT_FOUND', message: 'x' });

const ask = (reply: CoreReply, sentAfterExpiry: boolean, over: Partial<ResolveRule> = {}): Resolution =>
  classifyResolution({ rule: { ...rule, ...over }, query: executions, original: pay, inputs, sentAfterExpiry }, reply);

const cases: readonly (readonly [reply: CoreReply, before: Resolution['outcome'], after: Resolution['outcome'], why: string])[] = [
  [answered(200, executed), 'succeeded', 'succeeded', 'the core executed it'],
  [answered(200, { status: 'FAILED', httpStatus: 422, body: { code: 'INSUFFICIENT_FUNDS' } }), 'failed', 'failed', 'a final failure'],
  [answered(200, { status: 'PROCESSING' }), 'pending', 'pending', 'it runs'],
  [notFound, 'notYet', 'failed', 'final only when no assertion can be used any more'],
  [answered(404, { code: 'ROUTE_NOT_FOUND' }), 'unknown', 'unknown', 'another 404 says nothing about the request'],
  [answered(404, '<html>not found</html>', 'text/html'), 'unknown', 'unknown', 'a balancer without a core behind it'],
  [answered(200, { status: 'SOMETHING' }), 'unknown', 'unknown', 'no rule'],
  [answered(500, { status: 'FAILED' }), 'unknown', 'unknown', '5xx proves nothing'],
  [answered(302, ''), 'unknown', 'unknown', 'nothing is followed'],
  [{ kind: 'noAnswer', reason: 'x' }, 'unknown', 'unknown', 'ask again'],
  [{ kind: 'notSent', reason: 'x' }, 'unknown', 'unknown', 'ask again: that the question was not sent says nothing about the request'],
  [answered(200, { ...executed, amountFen: 99 }), 'unknown', 'unknown', 'the execution of something else'],
  [answered(200, { status: 'SUCCEEDED', merchantNumber, orderNo: 'o1' }), 'unknown', 'unknown', 'a success must repeat the amount'],
  [answered(200, { status: 'FAILED', orderNo: 'o2' }), 'unknown', 'unknown', 'the failure of something else'],
];

for (const [reply, before, after, why] of cases)
  test(`${JSON.stringify(reply).slice(0, 90)}: ${before}, after expiry ${after} (${why})`, () => {
    assert.equal(ask(reply, false).outcome, before);
    assert.equal(ask(reply, true).outcome, after);
  });

test('where not found is never final, it decides nothing', () => {
  assert.equal(ask(notFound, true, { notFound: 'never' }).outcome, 'unknown');
  const { notFoundRules: _none, ...without } = rule;
  assert.equal(
    classifyResolution({ rule: without, query: executions, original: pay, inputs, sentAfterExpiry: true }, notFound).outcome,
    'unknown',
  );
});

test('the merchant gets the very answer it missed, where the query holds it and it fits its document', () => {
  const { answer, isOriginal } = ask(answered(200, executed), true);
  assert.equal(isOriginal, true);
  assert.deepEqual([answer?.status, answer?.contentType, answer?.body.toString()], [201, 'application/json', JSON.stringify(paid)]);
  const unfit = ask(answered(200, { ...executed, body: { other: true } }), true);
  assert.deepEqual([unfit.answer?.status, unfit.isOriginal], [200, undefined], 'otherwise the answer to the question');
  assert.equal(ask(notFound, true).notFound, true);
  assert.equal(ask(answered(200, { status: 'FAILED' }), true).notFound, undefined);
});

test('a difference raises an alarm', () => {
  assert.match(ask(answered(200, { ...executed, merchantNumber: '800000000000002' }), true).alarm ?? '', /merchantNumber/);
});
