import assert from 'node:assert/strict';
import { after, type TestContext, test } from 'node:test';
import fc from 'fast-check';
import { UserError } from '../../src/lib/user-error.ts';
import { type Store, StoreUnavailable } from '../../src/ports/store.ts';
import { keySlot, SLOTS, tagOfSlot } from '../../src/store/redis/key-slot.ts';
import { openRedisStore } from '../../src/store/redis/store.ts';
import { eventually } from '../support/eventually.ts';
import { startRedis } from '../support/redis.ts';
import { startRedisCluster } from '../support/redis-cluster.ts';
import { storeContract } from './contract.ts';
import { announcementContract } from './contract-announcements.ts';
import { workingKeyContract } from './contract-working-keys.ts';
import { checkAgainstModel } from './properties.ts';
import { admission, admittedFact, FIRST, openEpoch, openWorld, total } from './world.ts';

const cluster = await startRedisCluster();
after(cluster.dispose);
let opened = 0;

/** An empty store: every one has a prefix of its own. */
const open = async () => {
  opened += 1;
  const store = await openRedisStore({ url: cluster.url, prefix: `${opened}:`, commandTimeoutMs: 5000 });
  return { store, dispose: store.close };
};

storeContract('redis cluster', open, false);
announcementContract('redis cluster', open);
workingKeyContract('redis cluster', open);

test('redis cluster: a limit over all merchants is not admitted, and left out where a journal still holds it', async (t) => {
  const world = await openWorld(t, open);
  const totals = [total(5, 9), total(5, 9, '~payer')];
  await assert.rejects(
    world.admit('a', { totals }),
    (error) => error instanceof StoreUnavailable && /over all merchants/.test(error.message),
  );
  assert.equal((await world.admit('b', { totals: totals.slice(0, 1) })).kind, 'admitted', 'the nonce and the claim of the other are free');
  await world.replay([admittedFact(admission('c', { totals }))]);
  assert.deepEqual(
    [await world.sums(), await world.sums('~payer')],
    [
      [0, 10],
      [0, 0],
    ],
  );
});

test('redis cluster: generated histories decide as the model does', () => checkAgainstModel(open, 20, false));

test('the slot of a key is the one that the server says, and every slot has a tag', async () => {
  const [node] = cluster.nodes;
  const key = fc.oneof(
    fc.string({ unit: fc.constantFrom('{', '}', 'a', '密', '1'), maxLength: 12 }),
    fc.string({ unit: 'binary', minLength: 1, maxLength: 40 }).filter((text) => text.isWellFormed()),
  );
  const property = fc.asyncProperty(key, async (text) => {
    assert.equal(keySlot(text), await node?.client.cluster('KEYSLOT', text));
  });
  await fc.assert(property, { numRuns: 100 });
  for (let slot = 0; slot < SLOTS; slot += 37) assert.equal(keySlot(`x:{${tagOfSlot(slot)}}:y`), slot);
});

/** One store with both merchants, whose slots are on two masters, neither of which holds the record. */
async function openSpread(t: TestContext): Promise<{ store: Store; prefix: string; merchants: readonly string[] }> {
  opened += 1;
  const prefix = `spread-${opened}:`;
  const nodes = [cluster.nodeOf(`${prefix}epoch`)];
  const merchants: string[] = [];
  for (let n = 800_000_000_000_100; merchants.length < 2; n += 1) {
    const node = cluster.nodeOf(`{${n}}`);
    if (nodes.includes(node)) continue;
    nodes.push(node);
    merchants.push(String(n));
  }
  const store = await openRedisStore({ url: cluster.url, prefix, commandTimeoutMs: 5000 });
  t.after(store.close);
  await openEpoch(store, 'e1', merchants);
  return { store, prefix, merchants };
}

const losses: readonly (readonly [string, (node: ReturnType<typeof cluster.nodeOf>) => Promise<unknown>])[] = [
  // what happens to the master of the first merchant
  ['is emptied, as the same run (FLUSHALL)', (node) => node.client.flushall()],
  [
    'ends and is started anew',
    async (node) => {
      await node.kill();
      await node.start();
      await cluster.settled();
    },
  ],
];
for (const [what, lose] of losses) {
  test(`redis cluster: one master ${what}: its merchants are closed at once, the next look finds the loss, and a new epoch mends it`, async (t) => {
    const { store, merchants } = await openSpread(t);
    const [lost = '', whole = ''] = merchants;
    const command = admission('a', { merchantNumber: lost, totals: [total(5, 9)] });
    assert.equal((await store.admit(command)).kind, 'admitted');
    await lose(cluster.nodeOf(`{${lost}}`));
    const closed = await eventually(() => store.admit(admission('b', { merchantNumber: lost })));
    assert.equal(closed.kind, 'rebuilding');
    assert.equal((await store.admit(admission('c', { merchantNumber: whole }))).kind, 'admitted', 'other masters are not concerned');
    const { state } = await store.epoch();
    assert.deepEqual(state, { kind: 'lost', previous: 'e1' });
    assert.equal(await store.beginEpoch({ epoch: 'e2', previous: 'e1' }), true);
    assert.equal((await store.admit(admission('d', { merchantNumber: whole, epoch: 'e2' }))).kind, 'rebuilding');
    await store.replay({ merchantNumber: lost, epoch: 'e2', nowMs: command.nowMs, facts: [admittedFact(command)] });
    await store.report({ epoch: 'e2', instance: 'g1', closedUntilMs: 0 });
    assert.equal(await store.openEpoch({ epoch: 'e2', instances: ['g1'], merchantNumbers: merchants, nowMs: command.nowMs }), true);
    assert.equal((await store.epoch()).state.kind, 'open');
    const again = await store.admit(admission('e', { merchantNumber: lost, epoch: 'e2', totals: [total(5, 9)] }));
    assert.deepEqual(again.kind === 'total' && again.reserved, 5, 'what was reserved before counts');
  });
}

test('redis cluster: while a master is away its merchants are refused, the others go on, and no epoch is written', async (t) => {
  const { store, merchants } = await openSpread(t);
  const [lost = '', whole = ''] = merchants;
  const node = cluster.nodeOf(`{${lost}}`);
  for (const one of cluster.nodes) await one.client.config('SET', 'cluster-require-full-coverage', 'no');
  await node.kill();
  t.after(async () => {
    await node.start();
    await cluster.settled();
  });
  const refusal = await store.admit(admission('a', { merchantNumber: lost })).catch((error: unknown) => error);
  assert.ok(refusal instanceof StoreUnavailable || (refusal as { kind: string }).kind === 'rebuilding', String(refusal));
  assert.equal((await store.admit(admission('b', { merchantNumber: whole }))).kind, 'admitted');
  assert.equal((await store.epoch()).state.kind, 'open');
  await assert.rejects(store.beginEpoch({ epoch: 'e2', previous: 'e1' }), StoreUnavailable);
});

test('redis cluster: slots that went to another master are a loss, since nobody says whether their keys went along', async (t) => {
  const { store, merchants } = await openSpread(t);
  const [moved = ''] = merchants;
  const slot = keySlot(`{${moved}}`);
  const from = cluster.nodeOf(`{${moved}}`);
  const to = cluster.nodes.find((node) => node !== from) as (typeof cluster.nodes)[number];
  const assign = async (node: typeof from) => {
    const id = String(await node.client.call('CLUSTER', 'MYID'));
    for (const one of [node, ...cluster.nodes.filter((other) => other !== node)])
      await one.client.call('CLUSTER', 'SETSLOT', slot, 'NODE', id);
  };
  // Some server refuses to give a slot away while it holds keys of it: it is emptied of them, as a mistaken operator would.
  for (const key of (await from.client.call('CLUSTER', 'GETKEYSINSLOT', slot, 1000)) as string[]) await from.client.del(key);
  await assign(to);
  const refusal = await store.admit(admission('a', { merchantNumber: moved })).catch((error: unknown) => error);
  assert.ok(refusal instanceof StoreUnavailable && /MOVED/.test(refusal.message), String(refusal));
  assert.deepEqual((await store.epoch()).state, { kind: 'lost', previous: 'e1' });
  assert.equal((await store.admit(admission('a', { merchantNumber: moved }))).kind, 'rebuilding');
  await openEpoch(store, 'e2', merchants, 'e1');
  assert.equal((await store.admit(admission('a', { merchantNumber: moved, epoch: 'e2' }))).kind, 'admitted');
});

/** What an ACL user needs on a Cluster; the operator guide has the line. */
const COMMANDS = [
  ...['hello', 'auth', 'select', 'info', 'time', 'quit', 'eval', 'evalsha', 'hgetall', 'smembers', 'sadd', 'unlink', 'set'],
  ...['get', 'mget', 'del', 'exists', 'pexpire', 'pttl', 'hget', 'hmget', 'hset', 'hdel', 'hexists', 'hincrby'],
  ...['zadd', 'zrem', 'zcount', 'zrangebyscore', 'zremrangebyscore', 'hkeys', 'cluster|info', 'cluster|slots'],
];

test('redis cluster: a user with the commands it needs and its own prefix is enough, and without one of them is told', async (t) => {
  const allow = async (user: string, commands: readonly string[]) => {
    const rules = ['on', '>pass-word', '~acl:*', ...commands.map((command) => `+${command}`)];
    for (const { client } of cluster.nodes) await client.acl('SETUSER', user, 'reset', ...rules);
  };
  const at = (user: string) => `${cluster.url.replace('//', `//${user}:pass-word@`)}?prefix=acl:`;
  await allow('gateway', COMMANDS);
  const store = await openRedisStore({ url: at('gateway'), commandTimeoutMs: 5000 });
  t.after(store.close);
  await openEpoch(store, 'e1', [FIRST]);
  assert.equal((await store.admit(admission('a', { totals: [total(5, 9)] }))).kind, 'admitted');
  assert.equal((await store.epoch()).state.kind, 'open');
  for (const missing of ['info', 'cluster|slots']) {
    await allow(
      'limited',
      COMMANDS.filter((command) => command !== missing),
    );
    await assert.rejects(openRedisStore({ url: at('limited') }), (error) => error instanceof UserError && /NOPERM/.test(error.message));
  }
});

test('redis cluster: one master that evicts keeps the gateway from starting', async (t) => {
  const last = cluster.nodes.at(-1);
  await last?.client.config('SET', 'maxmemory-policy', 'allkeys-lru');
  t.after(() => last?.client.config('SET', 'maxmemory-policy', 'noeviction'));
  await assert.rejects(
    openRedisStore({ url: cluster.url }),
    (error) => error instanceof UserError && /allkeys-lru.*noeviction/.test(error.message),
  );
});

test('redis cluster: what cannot be right is told at the start; what can pass is waited for', async (t) => {
  const plain = await startRedis({ own: true, settings: ['--requirepass', 'right-one'] });
  t.after(plain.dispose);
  const at = (account: string) => `redis+cluster://${account}127.0.0.1:${new URL(plain.url).port}`;
  await assert.rejects(
    openRedisStore({ url: at(':wrong-one@') }),
    (error) => error instanceof UserError && /WRONGPASS/.test(error.message),
  );
  await assert.rejects(openRedisStore({ url: at('') }), (error) => error instanceof UserError && /NOAUTH/.test(error.message));
  await assert.rejects(
    openRedisStore({ url: at(':right-one@') }),
    (error) => error instanceof UserError && /no Redis Cluster: write redis:/.test(error.message),
  );
  await plain.stop();
  const store = await openRedisStore({ url: at('') });
  t.after(store.close);
  await assert.rejects(store.epoch(), StoreUnavailable);
});
