import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Decision } from '../../src/ports/store.ts';
import { admission, COUNTER, FIRST, NOW, type OpenStore, openWorld, rate, SECOND, total, type World } from './world.ts';

const FULL = { concurrency: [{ counter: 'concurrency:merchant:*', max: 0 }] };
const OVER = { totals: [total(1, 0)] };
const SHORT = { rates: [rate(1, 0)] };

/** Each row would be refused by its own step and by every later one, so the order shows. */
const ORDER: readonly (readonly [string, Decision['kind'], (world: World) => Promise<Decision>])[] = [
  [
    'another epoch, before everything',
    'rebuilding',
    async ({ admit }) => admit('b', { epoch: 'e0', nonce: 'nonce-a', key: 'key-a', ...SHORT, barred: true }),
  ],
  [
    'a tombstone, before the nonce',
    'voided',
    async (world) => {
      await world.void('b');
      return world.admit('b', { nonce: 'nonce-a', ...SHORT });
    },
  ],
  ['a seen nonce, before rates', 'nonce', ({ admit }) => admit('b', { nonce: 'nonce-a', key: 'key-a', ...SHORT })],
  ['a rate, before the claim', 'rate', ({ admit }) => admit('b', { key: 'key-a', ...SHORT, barred: true })],
  ['another fingerprint, before the state', 'mismatch', ({ admit }) => admit('b', { key: 'key-a', fingerprint: 'print-2', barred: true })],
  [
    'another fingerprint, and none of the other keys has the one that is kept',
    'mismatch',
    ({ admit }) => admit('b', { key: 'key-a', fingerprint: 'print-2', otherFingerprints: ['print-3', ''], ...FULL, ...OVER }),
  ],
  [
    'the fingerprint that is kept, under another key',
    'inFlight',
    ({ admit }) =>
      admit('b', {
        key: 'key-a',
        fingerprint: 'print-2',
        otherFingerprints: ['print-3', 'print-1'],
        totals: [total(1, 9)],
        rates: [rate(9, 9)],
      }),
  ],
  ['in flight, before barred', 'inFlight', ({ admit }) => admit('b', { key: 'key-a', barred: true, ...FULL, ...OVER })],
  [
    'unknown, before barred',
    'unknown',
    async ({ hold, admit }) => {
      await hold('a');
      return admit('b', { key: 'key-a', barred: true, ...FULL, ...OVER });
    },
  ],
  [
    'final, before barred',
    'final',
    async ({ settle, admit }) => {
      await settle('a', 'succeeded');
      return admit('b', { key: 'key-a', barred: true, ...FULL, ...OVER });
    },
  ],
  ['barred, before concurrency', 'barred', ({ admit }) => admit('b', { barred: true, ...FULL, ...OVER })],
  ['concurrency, before totals', 'concurrency', ({ admit }) => admit('b', { ...FULL, ...OVER })],
  ['totals', 'total', ({ admit }) => admit('b', OVER)],
  ['nothing left to refuse', 'admitted', ({ admit }) => admit('b')],
];

export function admitContract(name: string, open: OpenStore): void {
  for (const [why, kind, act] of ORDER) {
    test(`${name}: admit decides in order: ${why}`, async (t) => {
      const world = await openWorld(t, open);
      await world.admit('a');
      assert.equal((await act(world)).kind, kind);
    });
  }

  test(`${name}: a refused admission leaves its nonce and nothing else`, async (t) => {
    const world = await openWorld(t, open);
    assert.equal((await world.admit('a', OVER)).kind, 'total');
    assert.equal(await world.claim('key-a'), undefined);
    assert.deepEqual(await world.sums(), [0, 0]);
    assert.equal((await world.admit('b', { key: 'key-a', nonce: 'nonce-a' })).kind, 'nonce');
    assert.equal((await world.admit('c', { key: 'key-a', fingerprint: 'print-2' })).kind, 'admitted', 'a corrected request may run');
  });

  test(`${name}: nonces, keys and counters of two merchants never meet`, async (t) => {
    const { admit, store, sums } = await openWorld(t, open);
    const same = { key: 'key', nonce: 'nonce', totals: [total(60, 100)] };
    assert.equal((await admit('a', same)).kind, 'admitted');
    assert.equal((await admit('b', { ...same, merchantNumber: SECOND, fingerprint: 'other' })).kind, 'admitted');
    assert.deepEqual(await sums(), [0, 60]);
    assert.deepEqual(await store.usage({ merchantNumber: SECOND, counters: [COUNTER] }), [
      { counter: COUNTER, committed: 0, reserved: 60 },
    ]);
  });

  test(`${name}: the same admission id gets the same decision and moves nothing twice`, async (t) => {
    const world = await openWorld(t, open);
    const rows = [
      ['admitted', {}],
      ['rate', { rates: [rate(1, 1, 'r1'), rate(1, 0, 'r2')] }],
      ['inFlight', { key: 'key-0' }],
      ['mismatch', { key: 'key-0', fingerprint: 'print-2' }],
      ['barred', { barred: true }],
      ['concurrency', FULL],
      ['total', { totals: [total(1, 1000), total(101, 100, 'small')] }],
    ] as const;
    for (const [i, [kind, changes]] of rows.entries()) {
      const command = { totals: [total(10, 1000)], rates: [rate(10, 10, 'shared')], ...changes };
      const first = await world.admit(String(i), command);
      const sums = await world.sums();
      assert.equal(first.kind, kind);
      assert.deepEqual(await world.admit(String(i), command), first);
      assert.deepEqual(await world.sums(), sums);
    }
    assert.deepEqual(await world.sums(), [0, 10]);
  });

  test(`${name}: a repeated admission shows its claim as it stands now`, async (t) => {
    const world = await openWorld(t, open);
    await world.admit('a');
    await world.hold('a');
    assert.equal((await world.admit('b', { key: 'key-a' })).kind, 'unknown');
    await world.settle('a', 'succeeded');
    const again = await world.admit('b', { key: 'key-a' });
    assert.ok(again.kind === 'unknown' && again.claim.state === 'final' && again.claim.outcome === 'succeeded');
    assert.equal((await world.admit('a')).kind, 'admitted', 'also when it has ended since');
  });

  test(`${name}: a final claim comes back whole`, async (t) => {
    const world = await openWorld(t, open);
    const answer = Buffer.from([0, 255, 10, 13, 128, 34]);
    await world.admit('a', { totals: [total(7, 100)] });
    await world.settle('a', 'succeeded', { answer });
    const decision = await world.admit('b', { key: 'key-a' });
    const { claim } = admission('a');
    assert.deepEqual(decision, {
      kind: 'final',
      rates: [],
      claim: {
        keyHash: 'key-a',
        fingerprint: 'print-1',
        state: 'final',
        outcome: 'succeeded',
        admissionId: 'a',
        admissionIds: ['a'],
        expiresAtMs: claim?.expiresAtMs,
        deadlineMs: claim?.deadlineMs,
        resolve: claim?.resolve,
        answer,
        reservation: [{ counter: COUNTER, add: 7, windowEndsMs: total(1, 1).windowEndsMs }],
        fence: 0,
      },
    });
    assert.deepEqual(await world.claim('key-a'), decision.kind === 'final' && decision.claim);
  });

  test(`${name}: in flight tells its deadline, and is unknown from the deadline on`, async (t) => {
    const world = await openWorld(t, open);
    await world.admit('a', { totals: [total(1, 10)] });
    const deadlineMs = NOW + 25_000;
    assert.deepEqual(await world.admit('b', { key: 'key-a', nowMs: deadlineMs - 1 }), { kind: 'inFlight', deadlineMs, rates: [] });
    assert.equal((await world.admit('c', { key: 'key-a', nowMs: deadlineMs })).kind, 'unknown');
    assert.equal((await world.claim('key-a'))?.state, 'unknown');
    assert.deepEqual(await world.sums(), [0, 1], 'its reservation holds');
    assert.equal(await world.void('a'), true);
    assert.equal((await world.claim('key-a'))?.state, 'unknown', 'void frees only what is in flight');
  });

  test(`${name}: totals read all before they write any, and equal to the limit passes`, async (t) => {
    const world = await openWorld(t, open);
    const both = (add: number) => ({ totals: [total(add, 100, 'day'), total(add, 150, 'month')] });
    assert.equal((await world.admit('a', both(60))).kind, 'admitted');
    assert.deepEqual(await world.admit('b', both(41)), { kind: 'total', index: 0, committed: 0, reserved: 60, rates: [] });
    assert.equal((await world.admit('c', both(40))).kind, 'admitted', 'exactly 100');
    await world.settle('a', 'succeeded');
    const second = { totals: [total(51, 1000, 'next day'), total(51, 150, 'month')] };
    assert.deepEqual(await world.admit('d', second), { kind: 'total', index: 1, committed: 60, reserved: 40, rates: [] });
    assert.deepEqual(await world.sums('next day'), [0, 0], 'the first counter was not touched');
    assert.deepEqual(await world.sums('month'), [60, 40]);
  });

  test(`${name}: amounts are exact up to 2^53 - 1`, async (t) => {
    const world = await openWorld(t, open);
    const most = Number.MAX_SAFE_INTEGER;
    assert.equal((await world.admit('a', { totals: [total(most - 1, most)] })).kind, 'admitted');
    assert.deepEqual(await world.sums(), [0, most - 1]);
    const over = { totals: [total(2, most)] };
    assert.deepEqual(await world.admit('b', over), { kind: 'total', index: 0, committed: 0, reserved: most - 1, rates: [] });
    assert.equal((await world.admit('c', { totals: [total(1, most)] })).kind, 'admitted');
    await world.settle('a', 'succeeded');
    await world.settle('c', 'succeeded');
    assert.deepEqual(await world.sums(), [most, 0]);
    assert.deepEqual(await world.admit('d', { totals: [total(most, most)] }), {
      kind: 'total',
      index: 0,
      committed: most,
      reserved: 0,
      rates: [],
    });
    assert.equal((await world.admit('e', { totals: [total(999_999_999_999_999, most, 'fifteen digits')] })).kind, 'admitted');
    assert.deepEqual(await world.sums('fifteen digits'), [0, 999_999_999_999_999]);
  });

  test(`${name}: 50 copies at once of one nonce are admitted once`, async (t) => {
    const { admit } = await openWorld(t, open);
    const copies = Array.from({ length: 50 }, (_, i) => admit(`a${i}`, { nonce: 'nonce', key: 'key' }));
    const kinds = (await Promise.all(copies)).map(({ kind }) => kind).sort();
    assert.deepEqual(kinds, ['admitted', ...Array(49).fill('nonce')]);
  });

  test(`${name}: 20 requests at once with one key make one claim`, async (t) => {
    const { admit, sums } = await openWorld(t, open);
    const copies = Array.from({ length: 20 }, (_, i) => admit(`a${i}`, { key: 'key', totals: [total(3, 100)] }));
    const kinds = (await Promise.all(copies)).map(({ kind }) => kind).sort();
    assert.deepEqual(kinds, ['admitted', ...Array(19).fill('inFlight')]);
    assert.deepEqual(await sums(), [0, 3]);
  });

  test(`${name}: 200 requests at once against a total of 100: exactly 100`, async (t) => {
    const { admit, sums } = await openWorld(t, open);
    const all = await Promise.all(Array.from({ length: 200 }, (_, i) => admit(`a${i}`, { totals: [total(100, 10_000)] })));
    assert.equal(all.filter(({ kind }) => kind === 'admitted').length, 100);
    assert.equal(all.filter(({ kind }) => kind === 'total').length, 100);
    assert.deepEqual(await sums(), [0, 10_000]);
  });

  test(`${name}: without a claim nothing is reserved and nothing is replayed`, async (t) => {
    const world = await openWorld(t, open);
    assert.equal((await world.admit('a', { claimless: true })).kind, 'admitted');
    assert.equal((await world.admit('b', { claimless: true })).kind, 'admitted');
    assert.deepEqual(await world.store.findDue({ merchantNumber: FIRST, nowMs: NOW + 100_000, limit: 10 }), []);
    assert.equal((await world.admit('c', { claimless: true, barred: true })).kind, 'barred');
  });
}
