import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { type TestContext, test } from 'node:test';
import { inspect } from 'node:util';
import { UserError } from '../../src/lib/user-error.ts';
import { type Store, StoreUnavailable } from '../../src/ports/store.ts';
import { storeFailure } from '../../src/store/redis/failure.ts';
import { openRedisStore, type RedisStoreOptions } from '../../src/store/redis/store.ts';
import { eventually } from '../support/eventually.ts';
import { startRedis, type TestRedis } from '../support/redis.ts';
import { admission, FIRST, openEpoch, SECOND, total, worldOf } from './world.ts';

async function ownRedis(t: TestContext, ...settings: string[]): Promise<TestRedis> {
  const redis = await startRedis({ own: true, settings });
  t.after(redis.dispose);
  return redis;
}

async function openOn(t: TestContext, options: RedisStoreOptions): Promise<Store> {
  const store = await openRedisStore({ connectTimeoutMs: 300, ...options });
  t.after(store.close);
  return store;
}

/** Every method that speaks to the server. */
const methods: readonly (readonly [string, (store: Store) => Promise<unknown>])[] = [
  ['admit', (store) => store.admit(admission('z'))],
  ['void', (store) => worldOf(store).void('z')],
  ['hold', (store) => worldOf(store).hold('z')],
  ['release', (store) => store.release({ merchantNumber: FIRST, admissionId: 'z', epoch: 'e1' })],
  ['settle', (store) => worldOf(store).settle('z', 'failed')],
  ['findDue', (store) => store.findDue({ merchantNumber: FIRST, nowMs: 0, limit: 1 })],
  ['lease', (store) => store.lease({ merchantNumber: FIRST, keyHash: 'z', epoch: 'e1', nowMs: 0, untilMs: 1 })],
  ['postpone', (store) => store.postpone({ merchantNumber: FIRST, keyHash: 'z', fence: 1, nextAskMs: 1 })],
  ['findClaim', (store) => worldOf(store).claim('z')],
  ['usage', (store) => store.usage({ merchantNumber: FIRST, counters: ['z'] })],
  ['merchants', (store) => store.merchants()],
  ['epoch', (store) => store.epoch()],
  ['beginEpoch', (store) => store.beginEpoch({ epoch: 'e2', previous: 'e1' })],
  ['replay', (store) => worldOf(store).replay([])],
  ['report', (store) => store.report({ epoch: 'e1', instance: 'x', closedUntilMs: 0 })],
  ['openEpoch', (store) => store.openEpoch({ epoch: 'e1', instances: [], merchantNumbers: [], nowMs: 0 })],
  ['openSlot', (store) => store.openSlot({ merchantNumber: SECOND, epoch: 'e1' })],
];

async function everythingIsUnavailable(store: Store): Promise<void> {
  const results = await Promise.allSettled(methods.map(([, step]) => step(store)));
  for (const [i, result] of results.entries()) {
    assert.equal(result.status, 'rejected', methods[i]?.[0] ?? '');
    assert.ok(result.reason instanceof StoreUnavailable, `${methods[i]?.[0]}: ${inspect(result.reason)}`);
    assert.doesNotMatch(
      inspect(result.reason, { depth: 9, showHidden: true }),
      /key-z|print-1|nonce-z/,
      'no argument of a command in an error',
    );
  }
}

test('redis: opens while the server is down, refuses at once, and works when it comes', async (t) => {
  const redis = await ownRedis(t);
  await redis.stop();
  const store = await openOn(t, { url: redis.url });
  await everythingIsUnavailable(store);
  await redis.start();
  const { state } = await eventually(() => store.epoch());
  assert.deepEqual(state, { kind: 'lost' });
  await openEpoch(store, 'e1', [FIRST]);
  assert.equal((await store.admit(admission('a'))).kind, 'admitted');
});

test('redis: what is under way when the server ends is rejected and not sent again', async (t) => {
  const redis = await ownRedis(t);
  const store = await openOn(t, { url: redis.url, commandTimeoutMs: 5000 });
  await openEpoch(store, 'e1', [FIRST]);
  redis.pause();
  const pending = [store.admit(admission('a', { totals: [total(1, 9)] })), worldOf(store).settle('b', 'succeeded'), store.epoch()];
  const settled = Promise.allSettled(pending);
  await redis.kill();
  for (const result of await settled) assert.ok(result.status === 'rejected' && result.reason instanceof StoreUnavailable);
  await redis.start();
  await eventually(() => store.epoch());
  await openEpoch(store, 'e2', [FIRST]);
  assert.deepEqual(await worldOf(store).sums(), [0, 0]);
  assert.equal(await worldOf(store).claim('key-b'), undefined);
});

test('redis: a server that accepts and never answers is given up at the deadline, and is back when it answers (N2)', async (t) => {
  const redis = await ownRedis(t);
  const store = await openOn(t, { url: redis.url, commandTimeoutMs: 150 });
  await openEpoch(store, 'e1', [FIRST]);
  redis.pause();
  // Twice: on the connection that was there, and on those that are tried anew meanwhile.
  await everythingIsUnavailable(store);
  await everythingIsUnavailable(store);
  redis.resume();
  assert.deepEqual((await eventually(() => store.epoch())).state.kind, 'open');
  assert.equal((await eventually(() => store.admit(admission('back')))).kind, 'admitted');
});

test('redis: commands behind a batch that hangs get no second deadline', async (t) => {
  const redis = await ownRedis(t);
  const store = await openOn(t, { url: redis.url, commandTimeoutMs: 200 });
  await openEpoch(store, 'e1', [FIRST]);
  await redis.client.client('PAUSE', 10_000, 'ALL');
  const first = store.usage({ merchantNumber: FIRST, counters: ['a'] });
  await new Promise(setImmediate);
  const behind = store.usage({ merchantNumber: FIRST, counters: ['b'] });
  // A deadline of its own, counted from the end of the first, would be 400.
  const later = new Promise((resolve) => setTimeout(resolve, 300, 'later'));
  const [a, b] = await Promise.allSettled([first, Promise.race([behind, later])]);
  assert.equal(a.status, 'rejected');
  assert.equal(b.status, 'rejected');
});

test('redis: a short pause is waited for (N2)', async (t) => {
  const redis = await ownRedis(t);
  const store = await openOn(t, { url: redis.url, commandTimeoutMs: 3000 });
  await openEpoch(store, 'e1', [FIRST]);
  await redis.client.client('PAUSE', 200, 'ALL');
  assert.equal((await store.admit(admission('a'))).kind, 'admitted');
});

test('redis: closes while the server hangs, and while there is none', async (t) => {
  const redis = await ownRedis(t);
  const hanging = await openRedisStore({ url: redis.url, commandTimeoutMs: 100 });
  redis.pause();
  await hanging.close();
  redis.resume();
  await redis.stop();
  const down = await openRedisStore({ url: redis.url, connectTimeoutMs: 100 });
  await down.close();
  await assert.rejects(down.epoch(), StoreUnavailable);
});

const refusals: readonly (readonly [string, string[], string, RegExp])[] = [
  // what                  settings of the server                      user part    what the message says
  ['a wrong password', ['--requirepass', 'right-one'], ':wrong-one@', /WRONGPASS/],
  ['no password', ['--requirepass', 'right-one'], '', /NOAUTH/],
  ['a wrong user', ['--requirepass', 'right-one'], 'nobody:wrong-one@', /WRONGPASS/],
  ['a user without INFO', ['--user', 'hufu', 'on', '>wrong-one', '~*', '+@all', '-info'], 'hufu:wrong-one@', /NOPERM/],
  ['a server that evicts (hole 10)', ['--maxmemory-policy', 'allkeys-lru'], '', /allkeys-lru.*noeviction/],
  ['one that evicts keys with a lifetime', ['--maxmemory-policy', 'volatile-ttl'], '', /volatile-ttl.*noeviction/],
];
for (const [what, settings, user, says] of refusals) {
  test(`redis: opening fails on ${what}`, async (t) => {
    const redis = await ownRedis(t, ...settings);
    for (const protocol of [2, 3]) {
      const url = redis.url.replace('//', `//${user}`).concat(`&protocol=${protocol}`);
      await assert.rejects(openRedisStore({ url }), (error: Error) => {
        assert.ok(error instanceof UserError, inspect(error));
        assert.match(error.message, says);
        assert.doesNotMatch(inspect(error, { depth: 9, showHidden: true }), /wrong-one|right-one/);
        return true;
      });
    }
  });
}

test('redis: opens with a password, and with RESP2', async (t) => {
  const redis = await ownRedis(t, '--requirepass', 's%@:/');
  for (const protocol of [2, 3]) {
    const url = redis.url.replace('//', `//:${encodeURIComponent('s%@:/')}@`).concat(`&protocol=${protocol}`);
    const store = await openOn(t, { url, prefix: `p${protocol}:` });
    await openEpoch(store, 'e1', [FIRST]);
    assert.equal((await store.admit(admission('a', { totals: [total(1, 9)] }))).kind, 'admitted');
    assert.equal((await store.epoch()).state.kind, 'open');
    assert.equal((await worldOf(store).claim('key-a'))?.state, 'inFlight');
  }
});

test('redis: a server whose memory is full refuses, and nothing is written by halves', async (t) => {
  const redis = await ownRedis(t);
  const store = await openOn(t, { url: redis.url });
  await openEpoch(store, 'e1', [FIRST]);
  await store.admit(admission('a', { totals: [total(1, 9)] }));
  await redis.client.config('SET', 'maxmemory', '1');
  await assert.rejects(store.admit(admission('b', { totals: [total(1, 9)] })), /OOM: its memory is full/);
  await redis.client.config('SET', 'maxmemory', '0');
  assert.deepEqual(await worldOf(store).sums(), [0, 1]);
  assert.equal((await store.admit(admission('b', { totals: [total(1, 9)] }))).kind, 'admitted');
});

test('redis: a server that became a replica refuses, and no new connection trusts it', async (t) => {
  const redis = await ownRedis(t);
  const store = await openOn(t, { url: redis.url });
  await openEpoch(store, 'e1', [FIRST]);
  await redis.client.replicaof('127.0.0.1', '1');
  await assert.rejects(store.admit(admission('a')), /READONLY: it is a read-only replica/);
  const late = await openOn(t, { url: redis.url });
  await everythingIsUnavailable(late);
  await redis.client.replicaof('NO', 'ONE');
  await eventually(() => late.epoch());
  assert.equal((await late.admit(admission('a'))).kind, 'admitted');
});

test('redis: something that is no Redis is unavailable, and bounded', async (t) => {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.write('HTTP/1.1 400 Bad Request\r\n\r\n');
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  const store = await openOn(t, { url: `redis://:secret-word@127.0.0.1:${(server.address() as AddressInfo).port}`, commandTimeoutMs: 100 });
  await everythingIsUnavailable(store);
});

const reply = (message: string) =>
  Object.assign(new Error(message), { name: 'ReplyError', command: { name: 'auth', args: ['pass-word'] } });
const failures = [
  // error                                                     kind              says                  why
  [reply('LOADING Redis is loading the dataset in memory'), StoreUnavailable, /LOADING: it is loading/, 'it passes'],
  [reply('MISCONF Redis is configured to save RDB snapshots'), StoreUnavailable, /MISCONF: it cannot save/, 'a full disk'],
  [reply('NOREPLICAS Not enough good replicas to write.'), StoreUnavailable, /NOREPLICAS: too few/, 'min-replicas-to-write'],
  [new Error('Connection is closed.'), StoreUnavailable, /Connection is closed/, 'the library says so'],
  [Object.assign(new Error('connect to secret'), { code: 'ECONNREFUSED' }), StoreUnavailable, /ECONNREFUSED$/, 'the system says so'],
  [reply('ERR value is not an integer or out of range script: 12ab'), Error, /refused a script: ERR value/, 'a fault of ours must be seen'],
  [reply('WRONGTYPE Operation against a key'), Error, /WRONGTYPE/, 'somebody else writes under our prefix'],
] as const;
for (const [error, kind, says, why] of failures) {
  test(`storeFailure of ${error.message}: ${why}`, () => {
    const failure = storeFailure(error);
    assert.equal(failure.constructor, kind);
    assert.match(failure.message, says);
    assert.doesNotMatch(inspect(failure, { depth: 9, showHidden: true }), /pass-word/);
  });
}
