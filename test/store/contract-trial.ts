import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type OpenStore, openWorld, rate, SECOND, total } from './world.ts';

/** Rules on trial, and counters over all merchants. */
export function trialContract(name: string, open: OpenStore, shared: boolean): void {
  test(`${name}: a bound on trial counts and tells, and refuses nothing`, async (t) => {
    const world = await openWorld(t, open);
    const steps = {
      concurrency: [{ counter: 'concurrency:merchant:*', max: 9, shadowMax: 1 }],
      totals: [total(60, 1000, 'day'), { ...total(60, 1000, 'month'), shadowMax: 100 }],
    };
    assert.deepEqual(await world.admit('a', steps), { kind: 'admitted', rates: [] });
    const second = await world.admit('b', steps);
    assert.deepEqual(second, { kind: 'admitted', rates: [], exceeded: { concurrency: [0], totals: [1] } });
    assert.deepEqual(await world.admit('b', steps), second, 'the same admission again');
    assert.deepEqual(await world.sums('month'), [0, 120], 'counted as if there were no bound');
  });

  test(`${name}: a rate on trial is taken while it conforms, and holds up no other`, async (t) => {
    const world = await openWorld(t, open);
    const trial = { ...rate(1, 1, 'trial:1000:merchant:*'), shadow: true as const };
    const rates = [trial, rate(10, 10)];
    const conforming = async (id: string) => {
      const decision = await world.admit(id, { rates });
      return [decision.kind, 'rates' in decision && decision.rates.map(({ conforms, remaining }) => [conforms, remaining])];
    };
    assert.deepEqual(await conforming('a'), [
      'admitted',
      [
        [true, 0],
        [true, 9],
      ],
    ]);
    assert.deepEqual(await conforming('b'), [
      'admitted',
      [
        [false, 0],
        [true, 8],
      ],
    ]);
    assert.deepEqual(await conforming('b'), [
      'admitted',
      [
        [false, 0],
        [true, 8],
      ],
    ]);
  });

  if (!shared) return;
  test(`${name}: shared counters are one for all merchants; the others are one for each`, async (t) => {
    const world = await openWorld(t, open);
    const steps = {
      rates: [rate(10, 3, '~rate:1000:platform:*')],
      concurrency: [{ counter: '~concurrency:platform:*', max: 3 }],
      totals: [total(60, 1000), total(60, 150, '~payer')],
    };
    assert.equal((await world.admit('a', steps)).kind, 'admitted');
    assert.equal((await world.admit('b', { ...steps, merchantNumber: SECOND })).kind, 'admitted');
    const third = await world.admit('c', { ...steps, merchantNumber: SECOND });
    assert.equal(third.kind, 'total');
    assert.deepEqual(third.kind === 'total' && [third.index, third.reserved], [1, 120]);
    assert.equal((await world.admit('d', steps)).kind, 'rate', 'a burst of three, whoever asks');
    assert.deepEqual(await world.sums(), [0, 60], 'its own');
    assert.deepEqual(await world.sums('~payer'), [0, 120]);
    await world.settle('a', 'succeeded');
    await world.store.settle({
      merchantNumber: SECOND,
      admissionId: 'b',
      keyHash: 'key-b',
      epoch: 'e1',
      nowMs: Date.now(),
      outcome: 'failed',
    });
    assert.deepEqual(await world.sums('~payer'), [60, 0]);
    const { running } = await world.store.levels({
      merchantNumber: SECOND,
      rates: [],
      concurrency: ['~concurrency:platform:*'],
      nowMs: Date.now(),
    });
    assert.deepEqual(running, [0], 'both gave their place back');
  });
}
