import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { after, type TestContext, test } from 'node:test';
import type { Redis } from 'ioredis';
import type { Fact } from '../../src/ports/journal.ts';
import type { Store } from '../../src/ports/store.ts';
import { openRedisStore } from '../../src/store/redis/store.ts';
import { startRedis } from '../support/redis.ts';
import { admission, COUNTER, FIRST, NOW, nonceFact, openEpoch, rate, resolveOf, SECOND, total, worldOf } from './world.ts';

const redis = await startRedis();
after(redis.dispose);
let opened = 0;

async function openPrefixed(t: TestContext): Promise<{ store: Store; prefix: string }> {
  opened += 1;
  const prefix = `${redis.prefix}${opened}:`;
  const store = await openRedisStore({ url: redis.url, prefix, commandTimeoutMs: 5000 });
  t.after(store.close);
  await openEpoch(store, 'e1', [FIRST, SECOND]);
  return { store, prefix };
}

async function keysUnder(prefix: string): Promise<string[]> {
  const keys: string[] = [];
  for await (const page of redis.client.scanStream({ match: `${prefix}*`, count: 1000 })) keys.push(...page);
  return keys.sort();
}

/** What the server was told under a prefix while `step` ran, without what scripts called themselves. */
async function commandsOf(prefix: string, step: () => Promise<unknown>): Promise<string[][]> {
  const monitor: Redis = await redis.client.monitor();
  const seen: string[][] = [];
  const end = Promise.withResolvers<void>();
  monitor.on('monitor', (_time: string, args: string[], source: string) => {
    if (args.includes(`${prefix}end`)) end.resolve();
    else if (source !== 'lua' && args.some((arg) => arg.startsWith(prefix))) seen.push(args);
  });
  await step();
  await redis.client.exists(`${prefix}end`);
  await end.promise;
  monitor.disconnect();
  return seen;
}

const steps: readonly (readonly [string, (store: Store) => Promise<unknown>])[] = [
  [
    'admit',
    (store) =>
      store.admit(
        admission('b', {
          rates: [rate(10, 10), rate(100, 5, 'r2')],
          concurrency: [{ counter: 'c', max: 5 }],
          totals: [total(1, 9), total(1, 9, 't2')],
        }),
      ),
  ],
  ['admit of a known key', (store) => store.admit(admission('c', { key: 'key-a', fingerprint: 'print-1' }))],
  ['void', (store) => store.void({ merchantNumber: FIRST, admissionId: 'x', keyHash: 'key-x', epoch: 'e1', nowMs: NOW })],
  ['hold', (store) => worldOf(store).hold('a', { answer: Buffer.from('pending') })],
  ['release', (store) => store.release({ merchantNumber: FIRST, admissionId: 'x', epoch: 'e1' })],
  ['settle', (store) => worldOf(store).settle('a', 'succeeded', { answer: Buffer.from('done') })],
  ['findDue', (store) => store.findDue({ merchantNumber: FIRST, nowMs: NOW, limit: 10 })],
  ['lease', (store) => store.lease({ merchantNumber: FIRST, keyHash: 'key-a', epoch: 'e1', nowMs: NOW, untilMs: NOW + 1 })],
  ['postpone', (store) => store.postpone({ merchantNumber: FIRST, keyHash: 'key-a', fence: 1, nextAskMs: NOW })],
  ['findClaim', (store) => worldOf(store).claim('key-a')],
  ['usage', (store) => store.usage({ merchantNumber: FIRST, counters: [COUNTER, 't2'] })],
];
for (const [name, step] of steps) {
  test(`redis: ${name} is one command on one slot`, async (t) => {
    const { store, prefix } = await openPrefixed(t);
    await store.admit(admission('a', { totals: [total(1, 9)] }));
    const commands = await commandsOf(prefix, () => step(store));
    assert.deepEqual(
      commands.map(([command, , keys, key]) => [command?.toLowerCase().slice(0, 4), keys, key]),
      [['eval', '1', `${prefix}{${FIRST}}`]],
    );
  });
}

test('redis: settle is on the socket when the call returns, before what was called earlier and waits for its batch', async (t) => {
  const { store } = await openPrefixed(t);
  await store.admit(admission('a', { totals: [total(7, 9)] }));
  const usage = store.usage({ merchantNumber: FIRST, counters: [COUNTER] });
  const settled = worldOf(store).settle('a', 'succeeded');
  assert.deepEqual(await usage, [{ counter: COUNTER, committed: 7, reserved: 0 }]);
  assert.equal(await settled, 'settled');
});

/** Uses everything that makes keys: open, held, settled, voided and claimless admissions, and a replay. */
async function useEverything(store: Store): Promise<void> {
  const world = worldOf(store);
  const everything = { rates: [rate(10, 20)], concurrency: [{ counter: 'c', max: 20 }], totals: [total(1, 99)] };
  for (const id of ['open', 'held', 'paid', 'failed', 'voided']) {
    assert.equal((await world.admit(id, everything)).kind, 'admitted');
  }
  assert.equal((await world.admit('read', { ...everything, totals: [], claimless: true })).kind, 'admitted');
  await world.hold('held', { answer: Buffer.from('pending') });
  await world.settle('paid', 'succeeded', { answer: Buffer.from('paid') });
  await world.settle('failed', 'failed');
  await world.void('voided');
  await world.replay([nonceFact('journalled')]);
}

test('redis: every key stands under the prefix, and those of a merchant in its slot', async (t) => {
  const { store, prefix } = await openPrefixed(t);
  await useEverything(store);
  const names = await keysUnder(prefix);
  const outside = names.filter((name) => !name.startsWith(`${prefix}{${FIRST}}:`));
  assert.deepEqual(outside, [`${prefix}epoch`, `${prefix}merchants`, `${prefix}{${SECOND}}:epoch`].sort());
  assert.ok(names.length > 20);
});

test('redis: every key goes by itself but the epochs and what is still open', async (t) => {
  const { store, prefix } = await openPrefixed(t);
  await useEverything(store);
  const slot = `${prefix}{${FIRST}}:`;
  const lasting = async () => {
    const names = await keysUnder(slot);
    const left = await Promise.all(names.map((name) => redis.client.pttl(name)));
    return names.filter((_name, i) => (left[i] as number) < 0).map((name) => name.slice(slot.length));
  };
  assert.deepEqual(await lasting(), ['admission:held', 'admission:open', 'claim:key-held', 'claim:key-open', 'due', 'epoch']);
  await worldOf(store).settle('held', 'failed');
  await worldOf(store).settle('open', 'succeeded');
  assert.deepEqual(await lasting(), ['epoch']);
});

test('redis: what is past is kept for a minute only, whatever its number', async (t) => {
  const { store, prefix } = await openPrefixed(t);
  for (let i = 0; i < 50; i += 1) await store.admit(admission(`n${i}`, { claimless: true, nonceUntilMs: NOW - 1 }));
  await store.admit(admission('past', { totals: [{ ...total(1, 9), windowEndsMs: NOW - 5 }] }));
  const keys = [...(await keysUnder(`${prefix}{${FIRST}}:nonce:nonce-n`)), `${prefix}{${FIRST}}:total:${COUNTER}`];
  const left = await Promise.all(keys.map((key) => redis.client.pttl(key)));
  assert.equal(keys.length, 51);
  assert.deepEqual(
    left.filter((ms) => ms <= 0 || ms > 60_000),
    [],
  );
});

test('redis: a live nonce outlives its window (hole 9), a claim the time it is kept', async (t) => {
  const { store, prefix } = await openPrefixed(t);
  await store.admit(admission('a', { totals: [total(1, 9)] }));
  await worldOf(store).settle('a', 'failed');
  const left = (name: string) => redis.client.pttl(`${prefix}{${FIRST}}:${name}`);
  assert.ok((await left('nonce:nonce-a')) > 660_000);
  assert.ok((await left('claim:key-a')) > 180 * 86_400_000);
  assert.ok((await left('admission:a')) > 180 * 86_400_000);
  assert.ok((await left(`total:${COUNTER}`)) > 86_400_000);
});

test('redis: large amounts are written digit for digit', async (t) => {
  const { store, prefix } = await openPrefixed(t);
  const fields = () => redis.client.hgetall(`${prefix}{${FIRST}}:total:${COUNTER}`);
  await store.admit(admission('a', { totals: [total(Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER)] }));
  assert.deepEqual({ ...(await fields()) }, { reserved: '9007199254740991' });
  await worldOf(store).settle('a', 'succeeded');
  assert.deepEqual({ ...(await fields()) }, { reserved: '0', committed: '9007199254740991' });
  const refused = await store.admit(admission('b', { totals: [total(1, Number.MAX_SAFE_INTEGER)] }));
  assert.equal(refused.kind, 'total');
});

test('redis: any bytes and any text come back as they were given', async (t) => {
  const { store } = await openPrefixed(t);
  const answer = Buffer.from(Array.from({ length: 256 }, (_, i) => i));
  const resolve = { ...resolveOf('a'), parameters: { orderNo: '"\\\u0000\ud800订单/"' }, repeat: { '/a~1b': Number.MAX_SAFE_INTEGER } };
  const command = admission('a', { totals: [total(999_999_999_999_999, Number.MAX_SAFE_INTEGER, '限额:"x"\n')] });
  assert.ok(command.claim);
  await store.admit({ ...command, claim: { ...command.claim, resolve } });
  await worldOf(store).settle('a', 'succeeded', { answer });
  const claim = await worldOf(store).claim('key-a');
  assert.deepEqual(claim?.answer, answer);
  assert.deepEqual(claim?.resolve, resolve);
  assert.deepEqual(claim?.reservation, [{ counter: '限额:"x"\n', add: 999_999_999_999_999, windowEndsMs: NOW + 86_400_000 }]);
});

test('redis: a server that forgot the scripts is told them again', async (t) => {
  const { store } = await openPrefixed(t);
  assert.equal((await store.admit(admission('a'))).kind, 'admitted');
  await redis.client.script('FLUSH');
  assert.equal((await store.admit(admission('b'))).kind, 'admitted');
  await redis.client.script('FLUSH');
  assert.equal(await worldOf(store).settle('b', 'failed'), 'settled');
});

test('redis: a long journal is replayed in parts, each fact once', async (t) => {
  const { store } = await openPrefixed(t);
  const facts: Fact[] = Array.from({ length: 450 }, (_, i) => nonceFact(`n${i}`));
  await store.replay({ merchantNumber: FIRST, epoch: 'e1', nowMs: NOW, facts });
  for (const id of ['n0', 'n199', 'n200', 'n449']) assert.equal((await store.admit(admission(id))).kind, 'nonce');
  assert.equal((await store.admit(admission('n450'))).kind, 'admitted');
});

for (const file of globSync('src/store/redis/*.lua')) {
  test(`${file} opens with what it takes and gives`, () => {
    const source = readFileSync(file, 'utf8');
    const comment = source.slice(0, source.search(/^(?!--)/m));
    assert.match(comment, /^-- [A-Z].*\.$/m);
    if (!/^-- (Shared|Claims|Reservations|Settling)/.test(comment)) {
      for (const part of [/^-- KEYS {2}1 /m, /^-- ARGV {2}/m, /^-- Result {2}/m]) assert.match(comment, part);
    }
    assert.doesNotMatch(source, /redis\.call\('(TIME|KEYS|SCAN|RANDOMKEY)'/, 'time is an argument, and no script walks the keys');
  });
}
