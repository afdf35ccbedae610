import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { classify } from '../../src/forward/outcome.ts';
import type { CoreReply } from '../../src/ports/core.ts';
import type { OutcomeKind } from '../../src/protocol/outcome.ts';
import { answered, asked, balance, merchantNumber, paid, pay } from './sample.ts';

type Reply = Exclude<CoreReply, { kind: 'notSent' }>;

const cases: readonly (readonly [reply: Reply, outcome: OutcomeKind, understood: boolean, why: string])[] = [
  [answered(201, paid), 'succeeded', true, 'the documented success'],
  [answered(200, paid, 'application/json; charset=UTF-8'), 'succeeded', true, 'a charset says nothing new'],
  [answered(200, paid, 'application/vnd.bank+json'), 'succeeded', true, 'RFC 6839 suffix'],
  [answered(422, { code: 'INSUFFICIENT_FUNDS', message: 'x' }), 'failed', true, 'a listed failure; the first rule that matches decides'],
  [answered(202, { status: 'PROCESSING' }), 'pending', true, 'the core said itself that it does not know yet'],
  [{ kind: 'noAnswer', reason: 'timed out' }, 'unknown', true, 'O1: a timeout is not a failure'],
  [answered(500, {}), 'unknown', true, '5xx never means failed, even where a rule says so'],
  [answered(503, '<html>'), 'unknown', true, 'a balancer speaks, not the core'],
  [answered(422, { code: 'SOMETHING_NEW' }), 'unknown', false, 'a core 4xx is a failure only where a rule says so'],
  [answered(409, { code: 'ORDER_NOT_PAYABLE' }), 'unknown', false, 'described, but no rule'],
  [answered(404, { code: 'NOT_FOUND' }), 'unknown', false, 'not described'],
  [answered(200, { status: 'DONE' }), 'unknown', false, 'no rule for this value'],
  [answered(201, '<html>error</html>', 'text/html'), 'unknown', false, 'O5: 200 with an error page'],
  [answered(201, paid, 'text/html'), 'unknown', false, 'not JSON by its own word'],
  [answered(201, paid, 'application/json; charset=gb18030'), 'unknown', false, 'other bytes for the same text'],
  [answered(201, paid, ''), 'unknown', false, 'no media type, or two'],
  [answered(201, JSON.stringify(paid).slice(0, -1)), 'unknown', false, 'truncated'],
  [answered(201, '{"status":"FAILED","status":"SUCCEEDED"}'), 'unknown', false, 'two readings'],
  [answered(201, '\ufeff{}'), 'unknown', false, 'BOM'],
  [answered(201, ''), 'unknown', false, 'success without its body'],
  [answered(201, 'null'), 'unknown', false, 'success without its body'],
  [answered(302, ''), 'unknown', false, 'O5: no redirect is followed'],
  [answered(304, ''), 'unknown', false, 'nobody asked conditionally'],
  [answered(201, { ...paid, amountFen: 101 }), 'unknown', false, 'another amount'],
  [answered(201, { ...paid, amountFen: '100' }), 'unknown', false, 'text is another value than the number'],
  [answered(201, { ...paid, orderNo: 'o2' }), 'unknown', false, 'another order'],
  [answered(201, { ...paid, merchantNumber: '800000000000002' }), 'unknown', false, "another merchant's"],
  [answered(201, { status: 'SUCCEEDED', orderNo: 'o1', merchantNumber }), 'unknown', false, 'a success must repeat the amount'],
  [answered(422, { code: 'INSUFFICIENT_FUNDS', orderNo: 'o2' }), 'unknown', false, "a failure that is another order's"],
  [answered(202, { status: 'PROCESSING', amountFen: 1 }), 'unknown', false, "a pending that is another payment's"],
];

for (const [reply, outcome, understood, why] of cases) {
  const name = reply.kind === 'answered' ? `${reply.answer.status} ${reply.answer.body.toString().slice(0, 60)}` : reply.kind;
  test(`${name} is ${outcome}: ${why}`, () => {
    const classified = classify(pay, asked, reply);
    assert.equal(classified.outcome, outcome, classified.reason ?? '');
    assert.equal(classified.understood, understood);
    assert.equal(classified.answer !== undefined, outcome !== 'unknown', 'an answer is there unless the outcome is unknown');
    assert.equal(classified.reason !== undefined, outcome === 'unknown');
  });
}

test('a difference raises an alarm that names the place and no value', () => {
  const { alarm } = classify(pay, asked, answered(201, { ...paid, amountFen: 777_777 }));
  assert.match(alarm ?? '', /\/amountFen/);
  assert.ok(!alarm?.includes('777777'));
  assert.equal(classify(pay, asked, answered(201, '<html>')).alarm, undefined);
});

test('a value that the request had not need not be repeated, one that it had must', () => {
  const withMemo = { ...asked, value: { ...asked.value, memo: 'm' } };
  assert.equal(classify(pay, withMemo, answered(201, paid)).outcome, 'unknown');
  assert.equal(classify(pay, withMemo, answered(201, { ...paid, memo: 'm' })).outcome, 'succeeded');
  assert.equal(classify(pay, asked, answered(201, { ...paid, memo: 'm' })).outcome, 'succeeded');
});

const reads: readonly (readonly [reply: Reply, outcome: OutcomeKind, why: string])[] = [
  [answered(200, { balanceFen: 1, merchantNumber }), 'succeeded', 'an answer'],
  [answered(404, { code: 'ACCOUNT_NOT_FOUND' }), 'succeeded', 'an answer too: there is nothing to settle'],
  [answered(200, { balanceFen: 1, merchantNumber: '800000000000002' }), 'unknown', "another merchant's balance must not leave"],
  [answered(200, { balanceFen: 1 }), 'unknown', 'nobody knows whose balance that is'],
  [answered(200, { other: 1, merchantNumber }), 'unknown', 'not as documented'],
  [answered(503, { code: 'DOWN' }), 'unknown', 'the core is not well'],
  [{ kind: 'noAnswer', reason: 'timed out' }, 'unknown', 'nothing came'],
];
for (const [reply, outcome, why] of reads)
  test(`read: ${JSON.stringify(reply).slice(0, 70)} is ${outcome}: ${why}`, () => {
    assert.equal(classify(balance, asked, reply).outcome, outcome);
  });

test('no bytes whatever make a write fail or succeed but the documented ones', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 200, max: 599 }),
      fc.oneof(
        fc.string(),
        fc.json(),
        fc.uint8Array().map((bytes) => Buffer.from(bytes)),
      ),
      (status, body) => {
        const { outcome } = classify(pay, asked, answered(status, body));
        assert.equal(outcome, 'unknown');
      },
    ),
  );
});
