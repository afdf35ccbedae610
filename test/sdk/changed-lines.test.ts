import assert from 'node:assert/strict';
import { test } from 'node:test';
import { describeBase } from '../../src/protocol/mistakes/describe-base.ts';
import { baseLines } from '../../src/protocol/signature-base.ts';
import { findChangedLines } from '../../src/sdk/changed-lines.ts';
import { explainAnswer, explainRequest } from '../../src/sdk/explain.ts';
import { NOW_MS } from '../signature/request-maker.ts';
import { expect, makeAnswer, makeRequest } from './answer-maker.ts';

const request = makeRequest('/v1/orders', '{"a":1}');
const base = explainRequest(request, { nowMs: NOW_MS }).base as string;
/** A refusal as the gateway writes it for the base that it computed. */
const refusalOf = (seen: string): string =>
  JSON.stringify({
    code: 'SIGNATURE_MISMATCH',
    signatureBase: describeBase({ signed: Buffer.from(seen), record: seen, lines: baseLines(seen) }),
  });

test('the header that somebody changed on the way is named, and nothing else', () => {
  const seen = base.replace('order-A1', 'ORDER-A1').replace('application/json', 'application/json; charset=utf-8');
  assert.deepEqual([...findChangedLines(request, Buffer.from(refusalOf(seen)))].sort(), ['"content-type"', '"idempotency-key"']);
  assert.deepEqual(findChangedLines(request, Buffer.from(refusalOf(base))), []);
});

test('a body that is no such refusal names nothing', () => {
  for (const body of ['', 'null', '{', '[]', '{"signatureBase":null}', '{"signatureBase":{"lines":[1,null,{"name":1}]}}'])
    assert.deepEqual(findChangedLines(request, Buffer.from(body)), [], body);
});

test('the explanation of a verified refusal tells them; that of a forged one does not', async () => {
  const body = refusalOf(base.replace('order-A1', 'ORDER-A1'));
  const answer = await makeAnswer(request, { status: 401, body, verified: '?0' });
  assert.deepEqual(explainAnswer(answer, expect(request)).changedLines, ['"idempotency-key"']);
  const forged = { ...answer, body: Buffer.from(refusalOf(base.replace('POST', 'PUT'))) };
  assert.equal(explainAnswer(forged, expect(request)).changedLines, undefined);
});
