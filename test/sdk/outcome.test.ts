import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { ERROR_CODES, errorRow } from '../../src/protocol/errors.ts';
import type { Answer } from '../../src/sdk/answer.ts';
import { answerOf, answerOfSilence } from '../../src/sdk/outcome.ts';

type Case = readonly [
  status: number,
  type: 'json' | 'problem+json' | 'html',
  body: object,
  outcome: Answer['outcome'],
  retry: Answer['retry'],
  why: string,
];

const CASES: readonly Case[] = [
  [201, 'json', { orderNo: 'A' }, 'succeeded', undefined, 'the core did it'],
  [204, 'json', {}, 'succeeded', undefined, 'the core did it and has nothing to say'],
  [202, 'json', { status: 'PROCESSING' }, 'unknown', 'query_first', 'accepted is not done'],
  [422, 'json', { code: 'INSUFFICIENT_FUNDS' }, 'failed', 'new_key', 'a definite failure of the core is final for its key'],
  [302, 'json', {}, 'unknown', 'query_first', 'no outcome is a redirect'],
  [500, 'json', { code: 'X' }, 'unknown', 'query_first', '5xx is never a failure'],
  [
    403,
    'problem+json',
    { code: 'LIMIT_SINGLE', outcome: 'not_executed', retry: 'fix_request' },
    'failed',
    'fix_request',
    'the key was read, nothing ran',
  ],
  [409, 'problem+json', { outcome: 'failed', retry: 'new_key' }, 'failed', 'new_key', 'the gateway says that the key has failed'],
  [429, 'problem+json', { outcome: 'unknown', retry: 'same_key_later' }, 'unknown', 'same_key_later', 'the key was not read'],
  [504, 'problem+json', { outcome: 'unknown', retry: 'query_first' }, 'unknown', 'query_first', 'it may have run'],
  [
    503,
    'problem+json',
    { outcome: 'not_executed', retry: 'same_key_later' },
    'unknown',
    'same_key_later',
    '5xx is unknown whatever it says',
  ],
  [
    403,
    'problem+json',
    { outcome: 'succeeded', retry: 'use_new_key' },
    'unknown',
    undefined,
    'words that are not in the contract mean nothing',
  ],
  [403, 'problem+json', [] as object, 'unknown', undefined, 'a problem that is no object'],
  [200, 'html', {}, 'succeeded', undefined, 'a verified body need not be JSON'],
];

const received = (status: number, type: string, body: object) => ({
  status,
  rawHeaders: ['Content-Type', type === 'html' ? 'text/html' : `application/${type}`, 'Hufu-Request-Id', 'r-1'],
  body: Buffer.from(JSON.stringify(body)),
});

describe('the outcome of a verified and accepted answer', () => {
  for (const [status, type, body, outcome, retry, why] of CASES) {
    test(why, () => {
      const answer = answerOf(received(status, type, body), { verified: true, accepted: true }, true);
      assert.deepEqual([answer.outcome, answer.retry], [outcome, retry]);
      assert.equal(answer.requestId, 'r-1');
    });
  }
  test('without a key a business failure says nothing about keys', () => {
    const answer = answerOf(received(404, 'json', { code: 'ORDER_NOT_FOUND' }), { verified: true, accepted: true }, false);
    assert.deepEqual([answer.outcome, answer.retry, answer.code], ['failed', undefined, 'ORDER_NOT_FOUND']);
  });
});

const TOLD: readonly (readonly [
  told: string,
  status: number,
  type: 'json' | 'problem+json',
  Answer['outcome'],
  Answer['retry'],
  why: string,
])[] = [
  ['succeeded', 201, 'json', 'succeeded', undefined, 'done'],
  ['pending', 200, 'json', 'unknown', 'query_first', 'a status of success does not make it done'],
  ['failed', 200, 'json', 'failed', 'new_key', 'a failure that the core tells with 200 is final for its key'],
  ['succeeded', 202, 'json', 'succeeded', undefined, "the word is told about the key, the status is the core's"],
  ['pending', 409, 'json', 'unknown', 'query_first', 'a status of failure does not make it final'],
  ['failed', 422, 'problem+json', 'failed', 'new_key', "the core's own problem document is no refusal of the gateway"],
  ['perhaps', 200, 'json', 'unknown', 'query_first', 'a word that is not in the contract is not final'],
  ['succeeded, pending', 200, 'json', 'unknown', 'query_first', 'two words are none'],
  ['__proto__', 200, 'json', 'unknown', 'query_first', 'nor is a word of the language'],
];

describe('Hufu-Outcome of a verified and accepted answer', () => {
  for (const [told, status, type, outcome, retry, why] of TOLD) {
    test(`${told} with ${status}: ${why}`, () => {
      const { rawHeaders, ...rest } = received(status, type, {});
      const toldAnswer = { ...rest, rawHeaders: [...rawHeaders, 'Hufu-Outcome', told] };
      const answer = answerOf(toldAnswer, { verified: true, accepted: true }, true);
      assert.deepEqual([answer.outcome, answer.retry], [outcome, retry]);
      assert.equal(answerOf(toldAnswer, { verified: true, accepted: false }, true).outcome, 'unknown', 'not accepted');
      assert.equal(answerOf(toldAnswer, { verified: false, why: 'x' }, true).outcome, 'unknown', 'not verified');
    });
  }
});

describe('nothing else is ever a business result', () => {
  for (const [status, type, body, , , why] of CASES) {
    test(`not verified: ${why}`, () => {
      const answer = answerOf(received(status, type, body), { verified: false, why: 'x' }, true);
      assert.deepEqual([answer.outcome, answer.retry, answer.value, answer.code], ['unknown', 'query_first', undefined, undefined]);
    });
    test(`not accepted: ${why}`, () => {
      const answer = answerOf(received(status, type, body), { verified: true, accepted: false }, true);
      assert.equal(answer.outcome, 'unknown');
      assert.notEqual(answer.retry, 'new_key');
      assert.match(answer.why ?? '', /never a business result/);
    });
  }
  test('no answer', () => {
    const { status, outcome, verified, retry } = answerOfSilence('reset', true);
    assert.deepEqual({ status, outcome, verified, retry }, { status: 0, outcome: 'unknown', verified: false, retry: 'same_key_later' });
  });
});

test('no refusal of the gateway makes a failure of what may have run', () => {
  for (const code of ERROR_CODES) {
    const { status, outcome, retry } = errorRow(code);
    const answer = answerOf(received(status, 'problem+json', { code, outcome, retry }), { verified: true, accepted: true }, true);
    if (outcome === 'unknown') assert.equal(answer.outcome, 'unknown', code);
    assert.equal(answer.retry, retry, code);
  }
});
