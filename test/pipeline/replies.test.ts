import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createRecallStage } from '../../src/pipeline/recall.ts';
import { replyTo } from '../../src/pipeline/reply.ts';
import { StoreUnavailable } from '../../src/ports/store.ts';
import { errorRow, Refusal } from '../../src/protocol/errors.ts';
import { allHeaders, HEADER } from '../../src/protocol/headers.ts';
import type { Known, Reply, Settled } from '../../src/protocol/messages.ts';
import type { Recalled } from '../../src/settlement/recall.ts';
import { PAID } from '../settlement/parts.ts';

const RATES = ['ratelimit', '"r";r=1;t=1'];
const known = { rateHeaders: RATES } as unknown as Known;
const FAILED = { ...PAID, status: 422 };

type Told = {
  readonly status: number;
  readonly code?: string;
  readonly outcome?: string;
  readonly retry?: string;
  readonly flags: readonly string[];
};

const FLAGS = [HEADER.idempotencyReplayed, HEADER.hufuResolved, HEADER.hufuOutcome];

/** What a merchant is told, by a reply or a refusal. Both carry the rate headers. */
async function toldBy(reply: () => Reply | Promise<Reply>): Promise<Told> {
  try {
    const { status, headers } = await reply();
    assert.deepEqual(headers.slice(0, 2), RATES);
    return { status, flags: FLAGS.flatMap((name) => allHeaders(headers, name).map((value) => `${name}: ${value}`)) };
  } catch (error) {
    assert.ok(error instanceof Refusal, String(error));
    const { code, options } = error;
    const row = errorRow(code);
    if (code !== 'STORE_UNAVAILABLE') assert.deepEqual(options.headers, RATES);
    return { status: row.status, code, outcome: options.outcome ?? row.outcome, retry: options.retry ?? row.retry, flags: [] };
  }
}

const REPLAYED = 'idempotency-replayed: true';
const RECALLED: readonly (readonly [string, Recalled | Error, Told])[] = [
  [
    'a stored success',
    { kind: 'stored', answer: PAID, outcome: 'succeeded' },
    { status: 201, flags: [REPLAYED, 'hufu-outcome: succeeded'] },
  ],
  [
    'a stored business failure is the original answer',
    { kind: 'stored', answer: FAILED, outcome: 'failed' },
    { status: 422, flags: [REPLAYED, 'hufu-outcome: failed'] },
  ],
  [
    'what the core said about it being under way',
    { kind: 'stored', answer: { ...PAID, status: 202 }, outcome: 'pending' },
    { status: 202, flags: [REPLAYED, 'hufu-outcome: pending'] },
  ],
  [
    'a resolved success',
    { kind: 'resolved', answer: PAID, outcome: 'succeeded' },
    { status: 201, flags: [REPLAYED, 'hufu-resolved: ?1', 'hufu-outcome: succeeded'] },
  ],
  [
    'a resolved business failure is the original answer',
    { kind: 'resolved', answer: FAILED, outcome: 'failed' },
    { status: 422, flags: [REPLAYED, 'hufu-resolved: ?1', 'hufu-outcome: failed'] },
  ],
  [
    'what never ran wants a new key',
    { kind: 'neverRan' },
    { status: 409, code: 'NOT_EXECUTED', outcome: 'failed', retry: 'new_key', flags: [] },
  ],
  [
    'what is open wants a question',
    { kind: 'open' },
    { status: 504, code: 'OUTCOME_UNKNOWN', outcome: 'unknown', retry: 'query_first', flags: [] },
  ],
  [
    'a store that is away says nothing about the key',
    new StoreUnavailable('away'),
    { status: 503, code: 'STORE_UNAVAILABLE', outcome: 'unknown', retry: 'same_key_later', flags: [] },
  ],
];
for (const [why, recalled, told] of RECALLED) {
  test(`a repeated key: ${why}`, async () => {
    const stage = createRecallStage({ recall: async () => (recalled instanceof Error ? Promise.reject(recalled) : recalled) });
    assert.deepEqual(await toldBy(() => stage(known)), told);
  });
}

const settled = (changes: object): Settled => ({ rateHeaders: RATES, understood: true, claim: {}, ...changes }) as unknown as Settled;
const SETTLED: readonly (readonly [string, Settled, Told])[] = [
  ['a success', settled({ outcome: 'succeeded', answer: PAID }), { status: 201, flags: ['hufu-outcome: succeeded'] }],
  ['a business failure', settled({ outcome: 'failed', answer: FAILED }), { status: 422, flags: ['hufu-outcome: failed'] }],
  [
    'pending is passed on',
    settled({ outcome: 'pending', answer: { ...PAID, status: 202 } }),
    { status: 202, flags: ['hufu-outcome: pending'] },
  ],
  ['a read says nothing about a key', settled({ outcome: 'succeeded', answer: PAID, claim: undefined }), { status: 201, flags: [] }],
  [
    'no answer came',
    settled({ outcome: 'unknown' }),
    { status: 504, code: 'OUTCOME_UNKNOWN', outcome: 'unknown', retry: 'query_first', flags: [] },
  ],
  [
    'an answer that nobody can read',
    settled({ outcome: 'unknown', understood: false }),
    { status: 502, code: 'CORE_ANSWER_INVALID', outcome: 'unknown', retry: 'query_first', flags: [] },
  ],
  [
    'an unknown outcome is never told as an answer',
    settled({ outcome: 'unknown', answer: PAID }),
    { status: 504, code: 'OUTCOME_UNKNOWN', outcome: 'unknown', retry: 'query_first', flags: [] },
  ],
];
for (const [why, request, told] of SETTLED) {
  test(`a settled request: ${why}`, async () => assert.deepEqual(await toldBy(() => replyTo(request)), told));
}

test('what is not a refusal stays what it is: a fault of ours', async () => {
  const stage = createRecallStage({ recall: async () => Promise.reject(new TypeError('a bug')) });
  await assert.rejects(stage(known), TypeError);
});
