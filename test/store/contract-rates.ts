import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Decision } from '../../src/ports/store.ts';
import { NOW, type OpenStore, openWorld, rate } from './world.ts';

const ratesOf = (decision: Decision) => ('rates' in decision ? decision.rates : []);
const state = (conforms: boolean, remaining: number, retryAfterMs: number) => ({ conforms, remaining, retryAfterMs });

/** 10 a second in bursts of 3, request by request: when, what is decided, what is left, until one more conforms. */
const GCRA: readonly (readonly [number, 'admitted' | 'rate', number, number, string])[] = [
  [0, 'admitted', 2, 0, 'the burst begins'],
  [0, 'admitted', 1, 0, ''],
  [0, 'admitted', 0, 100, 'the burst is used up'],
  [0, 'rate', 0, 100, 'and refuses'],
  [99, 'rate', 0, 1, 'one millisecond too early'],
  [100, 'admitted', 0, 100, 'exactly on time'],
  [150, 'rate', 0, 50, 'a refusal costs nothing'],
  [200, 'admitted', 0, 100, ''],
  [100_000, 'admitted', 2, 0, 'idle time gives no more than a burst'],
];

export function rateContract(name: string, open: OpenStore): void {
  test(`${name}: a rate follows GCRA to the microsecond`, async (t) => {
    const { admit } = await openWorld(t, open);
    for (const [i, [afterMs, kind, remaining, retryAfterMs, why]] of GCRA.entries()) {
      const decision = await admit(String(i), { nowMs: NOW + afterMs, rates: [rate(10, 3)] });
      assert.equal(decision.kind, kind, why);
      assert.deepEqual(ratesOf(decision), [state(kind === 'admitted', remaining, retryAfterMs)], why);
    }
  });

  test(`${name}: a clock that goes back does not move a rate back`, async (t) => {
    const { admit } = await openWorld(t, open);
    for (const i of [1, 2, 3]) await admit(`a${i}`, { rates: [rate(10, 3)] });
    const early = await admit('b', { nowMs: NOW - 1000, rates: [rate(10, 3)] });
    assert.deepEqual(early, { kind: 'rate', index: 0, rates: [state(false, 0, 1100)] });
    assert.equal((await admit('c', { nowMs: NOW + 100, rates: [rate(10, 3)] })).kind, 'admitted');
    assert.equal((await admit('d', { nowMs: NOW + 100, rates: [rate(10, 3)] })).kind, 'rate');
  });

  test(`${name}: rates that do not divide are rounded against the merchant`, async (t) => {
    const { admit } = await openWorld(t, open);
    assert.equal((await admit('a', { rates: [rate(3, 1)] })).kind, 'admitted');
    const early = await admit('b', { nowMs: NOW + 333, rates: [rate(3, 1)] });
    assert.deepEqual(ratesOf(early), [state(false, 0, 1)], '333,334 us are needed, 333,000 have passed');
    assert.equal((await admit('c', { nowMs: NOW + 334, rates: [rate(3, 1)] })).kind, 'admitted');
  });

  test(`${name}: of several rates all are taken or none`, async (t) => {
    const { admit } = await openWorld(t, open);
    const rates = [rate(1, 5, 'wide'), rate(1, 1, 'narrow')];
    assert.deepEqual(ratesOf(await admit('a', { rates })), [state(true, 4, 0), state(true, 0, 1000)]);
    for (const id of ['b', 'c']) {
      assert.deepEqual(await admit(id, { rates }), { kind: 'rate', index: 1, rates: [state(true, 4, 0), state(false, 0, 1000)] });
    }
  });

  test(`${name}: a rate is spent also when a later step refuses`, async (t) => {
    const { admit } = await openWorld(t, open);
    const rates = [rate(1, 2)];
    assert.deepEqual(await admit('a', { rates, barred: true }), { kind: 'barred', rates: [state(true, 1, 0)] });
    assert.deepEqual(await admit('b', { rates, barred: true }), { kind: 'barred', rates: [state(true, 0, 1000)] });
    assert.equal((await admit('c', { rates })).kind, 'rate');
  });

  test(`${name}: 100 requests at once against a burst of 10: exactly 10`, async (t) => {
    const { admit } = await openWorld(t, open);
    const all = await Promise.all(Array.from({ length: 100 }, (_, i) => admit(`a${i}`, { rates: [rate(10, 10)] })));
    assert.equal(all.filter(({ kind }) => kind === 'admitted').length, 10);
  });

  const LIMIT = { concurrency: [{ counter: 'concurrency:merchant:*', max: 2 }] };
  const freeing = [
    ['settled', (world: Awaited<ReturnType<typeof openWorld>>) => world.settle('a', 'failed')],
    ['held', (world: Awaited<ReturnType<typeof openWorld>>) => world.hold('a')],
    ['voided', (world: Awaited<ReturnType<typeof openWorld>>) => world.void('a')],
    [
      'released',
      (world: Awaited<ReturnType<typeof openWorld>>) =>
        world.store.release({ merchantNumber: '800000000000001', admissionId: 'a', epoch: 'e1' }),
    ],
  ] as const;
  for (const [how, free] of freeing) {
    test(`${name}: concurrency is freed when an admission is ${how}`, async (t) => {
      const world = await openWorld(t, open);
      await world.admit('a', LIMIT);
      await world.admit('b', LIMIT);
      assert.deepEqual(await world.admit('c', LIMIT), { kind: 'concurrency', index: 0, rates: [] });
      await free(world);
      await free(world);
      assert.equal((await world.admit('d', LIMIT)).kind, 'admitted');
      assert.equal((await world.admit('e', LIMIT)).kind, 'concurrency', 'freed once, also when told twice');
    });
  }

  test(`${name}: concurrency frees itself at its deadline, not before`, async (t) => {
    const { admit } = await openWorld(t, open);
    const one = { concurrency: [{ counter: 'concurrency:merchant:*', max: 1 }] };
    assert.equal((await admit('a', { ...one, concurrencyUntilMs: NOW + 5000, claimless: true })).kind, 'admitted');
    assert.equal((await admit('b', { ...one, nowMs: NOW + 4999 })).kind, 'concurrency');
    assert.equal((await admit('c', { ...one, nowMs: NOW + 5000 })).kind, 'admitted');
  });
}
