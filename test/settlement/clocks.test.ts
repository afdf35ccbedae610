import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { startRedis } from '../support/redis.ts';
import { redisKind, sqliteKind } from './stores.ts';
import { LEASE_OVER_MS, openWorkshop, type StoreKind } from './workshop.ts';

const redis = await startRedis();
after(redis.dispose);
const KINDS: readonly (readonly [string, StoreKind])[] = [
  ['SQLite', sqliteKind],
  ['redis', redisKind(redis)],
];

/** Half a second before these moments a payment is begun; it comes to its end after them. */
const MOMENTS: readonly (readonly [string, string])[] = [
  ['2026-11-03T16:00:00Z', 'midnight in Shanghai'],
  ['2026-11-30T16:00:00Z', 'the end of a month'],
  ['2028-02-28T16:00:00Z', 'a leap day begins'],
  ['2028-02-29T16:00:00Z', 'and ends'],
  ['2026-12-31T16:00:00Z', 'the turn of the year'],
];
const HOUR_MS = 3_600_000;

for (const [name, kind] of KINDS) {
  for (const [at, why] of MOMENTS)
    for (const isLost of [true, false])
      test(`${name}: a window's end between admission and outcome, ${isLost ? 'its answer lost' : 'its settle refused'}: ${why}`, async (t) => {
        const workshop = await openWorkshop(t, kind);
        workshop.clock.nowMs = Date.parse(at) - 500;
        const process = await workshop.boot();
        await process.open();
        if (isLost) workshop.core.answer = 'lost';
        else process.meddle({ settle: async () => 'rebuilding' });
        const first = await process.pay('k1');
        assert.equal(first?.code, isLost ? 'OUTCOME_UNKNOWN' : undefined);
        assert.deepEqual(await workshop.sums(process), [0, 100], 'reserved in its own window');
        workshop.core.answer = 'given';
        workshop.clock.nowMs += 1_000;
        await process.open();
        process.meddle({});
        assert.deepEqual(await workshop.sums(process), [0, 0], 'the new window begins at 0');
        assert.equal((await process.pay('k2'))?.status, 201);
        assert.deepEqual(await workshop.sums(process), [100, 0]);
        workshop.clock.nowMs += LEASE_OVER_MS;
        await process.open();
        await process.money.sweep.round();
        await process.state.until.drain(1_000);
        assert.equal((await workshop.claimOf(process, 'k1'))?.outcome, 'succeeded');
        assert.deepEqual(await workshop.sums(process), [100, 0], 'what belongs to the old window is none of this one');
        assert.equal((await process.pay('k1'))?.replayed, true);
        assert.deepEqual(process.alarms, []);
      });

  test(`${name}: a clock that is set back by an hour: nonces, keys and sums stay as they were`, async (t) => {
    const workshop = await openWorkshop(t, kind);
    workshop.clock.nowMs = Date.parse('2026-11-03T16:30:00Z');
    const process = await workshop.boot();
    await process.open();
    const createdMs = workshop.clock.nowMs;
    assert.equal((await process.pay('k1', { nonce: 'captured-nonce' }))?.status, 201);
    assert.deepEqual(await workshop.sums(process), [100, 0]);
    workshop.clock.nowMs -= HOUR_MS;
    await process.open();
    assert.deepEqual(await workshop.sums(process), [0, 0], 'the day before');
    assert.equal((await process.pay('k1', { nonce: 'captured-nonce', createdMs }))?.code, 'TIMESTAMP_SKEW', 'signed in the future');
    assert.equal((await process.pay('k1', { nonce: 'captured-nonce' }))?.code, 'NONCE_REPLAYED');
    assert.equal((await process.pay('k1'))?.replayed, true);
    workshop.clock.nowMs += HOUR_MS;
    await process.open();
    assert.deepEqual(await workshop.sums(process), [100, 0], 'and the day is as it was');
    assert.equal((await process.pay('k1', { nonce: 'captured-nonce' }))?.code, 'NONCE_REPLAYED');
    assert.equal(workshop.movedFen(), 100);
    assert.deepEqual(process.alarms, []);
  });
}
