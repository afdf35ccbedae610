import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type AdmitOptions, createAdmit } from '../../src/admission/admit.ts';
import { createModelStore } from '../../src/admission/model.ts';
import type { NonceFact } from '../../src/ports/journal.ts';
import { type AdmitCommand, type Store, StoreUnavailable } from '../../src/ports/store.ts';
import { Refusal, type RefusalOptions } from '../../src/protocol/errors.ts';
import type { LimitRule } from '../../src/protocol/merchant.ts';
import type { Admitted } from '../../src/protocol/messages.ts';
import { openEpoch } from '../store/world.ts';
import { onlyKey } from '../support/secret-keys.ts';
import { PAY, paymentOf, RULES, readOf } from './requests.ts';

const MERCHANT = '800000000000001';
const NOW = Date.parse('2026-11-03T04:00:00Z');

/** The admission stage on the model, what it told the journal, what it gave up, and what it sent. */
async function setUp(changes: Partial<AdmitOptions> = {}) {
  const store = createModelStore();
  await openEpoch(store, 'e1', [MERCHANT]);
  const nonces: NonceFact[] = [];
  const abandoned: unknown[][] = [];
  const sent: AdmitCommand[] = [];
  let counter = 0;
  const admit = createAdmit({
    store: {
      admit: (command) => {
        sent.push(command);
        return (changes.store ?? store).admit(command);
      },
    },
    admissionIds: () => `gateway-1.boot.${++counter}`,
    epoch: () => ({ kind: 'open', epoch: 'e1' }),
    fingerprintKeys: onlyKey({ id: 'k', key: Buffer.alloc(32, 1) }),
    payerKey: Buffer.alloc(32, 1),
    timeZone: 'Asia/Shanghai',
    nowMs: () => NOW,
    claimDays: 180,
    isJournalWritable: () => true,
    journalNonce: (fact) => nonces.push(fact),
    onAbandoned: (...all) => abandoned.push(all),
    ...(({ store: _, ...rest }) => rest)(changes),
  });
  return { store, admit, nonces, abandoned, sent };
}

async function refusalOf(promise: Promise<unknown>): Promise<{ code: string; options: RefusalOptions }> {
  const error = await promise.then(
    () => assert.fail('was not refused'),
    (thrown: unknown) => thrown,
  );
  assert.ok(error instanceof Refusal, String(error));
  return error;
}

test('an admitted payment carries what journal, core and resolver need', async () => {
  const { admit, nonces, store } = await setUp();
  const opened = paymentOf();
  const admitted = (await admit(opened)) as Admitted;
  assert.equal(admitted.admissionId, 'gateway-1.boot.1');
  assert.equal(admitted.epoch, 'e1');
  const { claim } = admitted;
  assert.ok(claim);
  assert.equal(claim.expiresAtMs, NOW + 20_000);
  assert.equal(claim.deadlineMs, NOW + 25_000);
  assert.equal(claim.nonceUntilMs, NOW + 660_000);
  assert.equal(claim.keepUntilMs, NOW + 180 * 86_400_000);
  assert.deepEqual(claim.reservation, [
    { counter: 'total:amount:day:2026-11-03:CNY:merchant:*', add: 100, windowEndsMs: Date.parse('2026-11-03T16:00:00Z') },
  ]);
  assert.deepEqual(claim.resolve, {
    operationId: 'payments.create',
    requestId: opened.requestId,
    derivedKey: claim.derivedKey,
    parameters: { derivedKey: claim.derivedKey, orderNo: 'A-1', amount: '100' },
    repeat: { '/orderNo': 'A-1', '/amountFen': 100, '/merchantNumber': MERCHANT },
  });
  assert.deepEqual(admitted.rateHeaders, ['ratelimit-policy', '"requests";q=100;w=1', 'ratelimit', '"requests";r=99;t=1']);
  assert.deepEqual(nonces, [], 'the nonce stands in the `admitted` record, which the journal stage writes');
  const view = await store.findClaim({ merchantNumber: MERCHANT, keyHash: claim.keyHash });
  assert.deepEqual([view?.state, view?.fingerprint, view?.expiresAtMs], ['inFlight', claim.fingerprint, claim.expiresAtMs]);
});

test('an assertion lives at most 30 seconds, however patient the operation is', async () => {
  const { admit } = await setUp();
  const { claim } = (await admit(paymentOf({ operation: { ...PAY, timeoutMs: 60_000 } }))) as Admitted;
  assert.deepEqual([claim?.expiresAtMs, claim?.deadlineMs], [NOW + 30_000, NOW + 65_000]);
});

test('a read holds no claim, but its nonce is spent and journalled', async () => {
  const { admit, nonces } = await setUp();
  const read = readOf();
  const admitted = (await admit(read)) as Admitted;
  assert.equal(admitted.claim, undefined);
  assert.deepEqual(nonces, [
    { type: 'nonce', merchantNumber: MERCHANT, admissionId: 'gateway-1.boot.1', nonce: read.nonce, nonceUntilMs: NOW + 660_000 },
  ]);
  assert.equal((await refusalOf(admit(readOf({ nonce: read.nonce })))).code, 'NONCE_REPLAYED');
});

const LIMITED: readonly LimitRule[] = [{ kind: 'concurrency', name: 'running', scope: 'merchant', operations: [], max: 1 }];
const rule = (changes: object): LimitRule[] => [{ ...(RULES[2] as LimitRule), ...changes } as LimitRule];

/** Rules, what came before, the request, and the refusal: code, members, seconds to wait. */
const REFUSALS: readonly (readonly [string, readonly LimitRule[], number[], number, string, object | undefined, number | undefined])[] = [
  ['above the single limit', RULES, [], 5_001, 'LIMIT_SINGLE', { rule: 'single', minFen: 10, limit: 5_000 }, undefined],
  ['below it', RULES, [], 9, 'LIMIT_SINGLE', { rule: 'single', minFen: 10, limit: 5_000 }, undefined],
  [
    'above the daily amount',
    RULES,
    [5_000, 4_950],
    51,
    'LIMIT_DAILY_AMOUNT',
    { rule: 'daily', limit: 10_000, used: 0, reserved: 9_950, resetsAt: '2026-11-04T00:00:00+08:00' },
    undefined,
  ],
  [
    'above the daily count',
    rule({ of: 'count', max: 1 }),
    [100],
    100,
    'LIMIT_DAILY_COUNT',
    { rule: 'daily', limit: 1, used: 0, reserved: 1, resetsAt: '2026-11-04T00:00:00+08:00' },
    undefined,
  ],
  [
    'above the monthly amount',
    rule({ per: 'month', max: 150 }),
    [100],
    51,
    'LIMIT_MONTHLY_AMOUNT',
    { rule: 'daily', limit: 150, used: 0, reserved: 100, resetsAt: '2026-12-01T00:00:00+08:00' },
    undefined,
  ],
  [
    'above the monthly count',
    rule({ of: 'count', per: 'month', max: 1 }),
    [100],
    1,
    'LIMIT_MONTHLY_COUNT',
    { rule: 'daily', limit: 1, used: 0, reserved: 1, resetsAt: '2026-12-01T00:00:00+08:00' },
    undefined,
  ],
  ['too many under way', LIMITED, [100], 100, 'CONCURRENCY_LIMITED', { rule: 'running', limit: 1 }, 1],
  [
    'too fast',
    [{ kind: 'rate', name: 'slow', scope: 'merchant', operations: [], allow: 1, perMs: 2_500, burst: 1 }],
    [100],
    100,
    'RATE_LIMITED',
    { rule: 'slow', limit: 1, perMs: 2_500 },
    3,
  ],
];

for (const [why, rules, before, amountFen, code, members, seconds] of REFUSALS) {
  test(`a payment ${why} is refused ${code}`, async () => {
    const { admit, nonces } = await setUp();
    for (const [i, fen] of before.entries()) await admit(paymentOf({ amountFen: fen, idempotencyKey: `before-${i}` }, rules));
    const refused = paymentOf({ amountFen }, rules);
    const { code: found, options } = await refusalOf(admit(refused));
    assert.equal(found, code);
    assert.deepEqual(options.members, members);
    assert.equal(options.retryAfterSeconds, seconds);
    assert.deepEqual(
      nonces.map(({ nonce }) => nonce),
      [refused.nonce],
      'its nonce was spent',
    );
  });
}

test('a refused rate tells its policy in the headers of the draft', async () => {
  const slow: LimitRule[] = [
    { kind: 'rate', name: 'sl"ow', scope: 'merchant', operations: [], allow: 2, perMs: 60_000, burst: 1 },
    { kind: 'rate', name: 'fast', scope: 'merchant+operation', operations: [], allow: 5, perMs: 500, burst: 5 },
  ];
  const { admit } = await setUp();
  const first = (await admit(readOf({}, slow))) as Admitted;
  assert.deepEqual(first.rateHeaders, [
    'ratelimit-policy',
    '"sl\\"ow";q=2;w=60, "fast";q=10;w=1',
    'ratelimit',
    '"sl\\"ow";r=0;t=30, "fast";r=4;t=1',
  ]);
  const { options } = await refusalOf(admit(readOf({}, slow)));
  assert.deepEqual(options.headers, first.rateHeaders);
  assert.equal(options.retryAfterSeconds, 30);
});

test('a repeated key: in flight, unknown, final, or another request', async () => {
  const { admit, store } = await setUp();
  const { admissionId, claim } = (await admit(paymentOf())) as Admitted;
  assert.ok(claim);
  const named = { merchantNumber: MERCHANT, keyHash: claim.keyHash, admissionId, epoch: 'e1', nowMs: NOW };
  const flying = await refusalOf(admit(paymentOf()));
  assert.deepEqual([flying.code, flying.options.retryAfterSeconds], ['REQUEST_IN_FLIGHT', 5]);
  const other = await refusalOf(admit(paymentOf({ target: '/v1/orders/A-2/payments' })));
  assert.equal(other.code, 'IDEMPOTENCY_KEY_REUSED', 'the same key under another path');
  await store.hold({ ...named, nextAskMs: NOW });
  const unknown = await admit(paymentOf());
  assert.ok('known' in unknown && unknown.known === 'unresolved' && unknown.keyHash === claim.keyHash);
  await store.settle({ ...named, outcome: 'failed' });
  const final = await admit(paymentOf());
  assert.ok('known' in final && final.known === 'failed');
});

test('a corrected request after a refusal runs under the same key', async () => {
  const { admit } = await setUp();
  assert.equal((await refusalOf(admit(paymentOf({ amountFen: 5_001 })))).code, 'LIMIT_SINGLE');
  assert.ok(((await admit(paymentOf({ amountFen: 5_000 }))) as Admitted).claim);
});

test('a final key replays also when the request would be refused now', async () => {
  const { admit, store } = await setUp();
  const { admissionId, claim } = (await admit(paymentOf())) as Admitted;
  await store.settle({
    merchantNumber: MERCHANT,
    keyHash: claim?.keyHash as string,
    admissionId,
    epoch: 'e1',
    nowMs: NOW,
    outcome: 'succeeded',
  });
  const lowered = rule({ max: 1 });
  const again = await admit(paymentOf({}, lowered));
  assert.ok('known' in again && again.known === 'succeeded');
  assert.equal(
    (await refusalOf(admit(paymentOf({ idempotencyKey: 'key-2' }, lowered)))).code,
    'LIMIT_DAILY_AMOUNT',
    'a limit below what is used',
  );
});

test('when nothing can be decided nothing is sent: 503, for reads too', async () => {
  const rows: readonly (readonly [Partial<AdmitOptions>, string])[] = [
    [{ epoch: () => ({ kind: 'closed', code: 'REBUILDING' }) }, 'REBUILDING'],
    [{ epoch: () => ({ kind: 'closed', code: 'STORE_UNAVAILABLE' }) }, 'STORE_UNAVAILABLE'],
    [{ epoch: () => ({ kind: 'closed', code: 'CLOCK_SKEW' }) }, 'CLOCK_SKEW'],
    [{ isJournalWritable: () => false }, 'JOURNAL_UNAVAILABLE'],
  ];
  for (const [changes, code] of rows) {
    const { admit, sent, nonces } = await setUp(changes);
    for (const opened of [paymentOf(), readOf()]) {
      const refusal = await refusalOf(admit(opened));
      assert.deepEqual([refusal.code, refusal.options.retryAfterSeconds], [code, 1]);
    }
    assert.deepEqual([sent.length, nonces.length], [0, 0]);
  }
});

test('a slot in another epoch: REBUILDING, and the nonce that was sent is journalled', async () => {
  const { admit, nonces } = await setUp({ epoch: () => ({ kind: 'open', epoch: 'e0' }) });
  assert.equal((await refusalOf(admit(paymentOf()))).code, 'REBUILDING');
  assert.equal(nonces.length, 1);
});

const away: Pick<Store, 'admit'> = { admit: () => Promise.reject(new StoreUnavailable('no answer in time')) };

test('an admission without a reply is never forwarded: nonce journalled first, then given up', async () => {
  const order: string[] = [];
  const { admit, sent } = await setUp({
    store: away as Store,
    journalNonce: ({ admissionId }) => order.push(`nonce ${admissionId}`),
    onAbandoned: (...all) => order.push(`void ${all.join(' ')}`),
  });
  const refusal = await refusalOf(admit(paymentOf()));
  assert.deepEqual([refusal.code, refusal.options.retryAfterSeconds, refusal.options.outcome], ['STORE_UNAVAILABLE', 1, undefined]);
  await refusalOf(admit(readOf()));
  const { keyHash } = sent[0]?.claim ?? {};
  assert.deepEqual(order, [
    'nonce gateway-1.boot.1',
    `void gateway-1.boot.1 ${MERCHANT} ${keyHash} e1`,
    'nonce gateway-1.boot.2',
    `void gateway-1.boot.2 ${MERCHANT}  e1`,
  ]);
  assert.equal(sent.length, 2, 'sent once each, never again');
});

test('a fault of the store is a fault, not an outage, and is given up all the same', async () => {
  const broken = { admit: () => Promise.reject(new TypeError('a bug')) };
  const { admit, abandoned, nonces } = await setUp({ store: broken as unknown as Store });
  await assert.rejects(admit(paymentOf()), TypeError);
  assert.deepEqual([abandoned.length, nonces.length], [1, 1]);
});

test('when the journal fails, what was sent is given up before the refusal', async () => {
  const full = () => {
    throw new Refusal('JOURNAL_UNAVAILABLE');
  };
  const { admit, abandoned } = await setUp({ journalNonce: full });
  assert.equal((await refusalOf(admit(readOf()))).code, 'JOURNAL_UNAVAILABLE');
  assert.deepEqual(abandoned, [['gateway-1.boot.1', MERCHANT, undefined, 'e1']]);
  const lost = await setUp({ journalNonce: full, store: away as Store });
  assert.equal((await refusalOf(lost.admit(paymentOf()))).code, 'JOURNAL_UNAVAILABLE');
  assert.equal(lost.abandoned.length, 1);
});

test('an operation that needs a key is never admitted without one', async () => {
  const { admit, sent } = await setUp();
  const { idempotencyKey: _, ...keyless } = paymentOf();
  assert.equal((await refusalOf(admit(keyless))).code, 'IDEMPOTENCY_KEY_REQUIRED');
  assert.equal(sent.length, 0);
});
