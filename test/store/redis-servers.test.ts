import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { inspect } from 'node:util';
import { type Store, StoreUnavailable } from '../../src/ports/store.ts';
import { openRedisStore, type RedisStoreOptions } from '../../src/store/redis/store.ts';
import { eventually } from '../support/eventually.ts';
import { makePki } from '../support/pki.ts';
import { freePorts } from '../support/process.ts';
import { startRedis } from '../support/redis.ts';
import { admission, admittedFact, COUNTER, FIRST, NOW, openEpoch, rate, SECOND, total, worldOf } from './world.ts';

async function ownRedis(t: TestContext, settings: readonly string[] = []) {
  const redis = await startRedis({ own: true, settings });
  t.after(redis.dispose);
  return redis;
}

async function openOn(t: TestContext, options: RedisStoreOptions): Promise<Store> {
  const store = await openRedisStore({ connectTimeoutMs: 300, ...options });
  t.after(store.close);
  return store;
}

/** One of everything: an epoch and its successor, every method, every kind of key. */
async function lifeOf(store: Store): Promise<void> {
  const world = worldOf(store);
  const everything = { rates: [rate(10, 20)], concurrency: [{ counter: 'c', max: 20 }], totals: [total(2, 99)] };
  await openEpoch(store, 'e1', [FIRST, SECOND]);
  for (const id of ['paid', 'held', 'voided']) assert.equal((await world.admit(id, everything)).kind, 'admitted');
  assert.equal((await world.admit('read', { ...everything, claimless: true, totals: [] })).kind, 'admitted');
  assert.equal(await store.release({ merchantNumber: FIRST, admissionId: 'read', epoch: 'e1' }), true);
  assert.equal(await world.settle('paid', 'succeeded', { answer: Buffer.from('paid') }), 'settled');
  assert.equal(await world.void('voided'), true);
  assert.equal(await world.hold('held', { nextAskMs: NOW, answer: Buffer.from('pending') }), true);
  assert.deepEqual(await store.findDue({ merchantNumber: FIRST, nowMs: NOW, limit: 9 }), ['key-held']);
  const leased = await store.lease({ merchantNumber: FIRST, keyHash: 'key-held', epoch: 'e1', nowMs: NOW, untilMs: NOW + 9 });
  await store.postpone({ merchantNumber: FIRST, keyHash: 'key-held', fence: leased?.fence ?? 0, nextAskMs: NOW + 1 });
  assert.equal((await world.admit('again', { key: 'key-paid' })).kind, 'final');
  await openEpoch(store, 'e2', [FIRST], 'e1');
  await world.replay([admittedFact(admission('journalled', { totals: [total(3, 99)] }))], 'e2');
  await store.openSlot({ merchantNumber: SECOND, epoch: 'e2' });
  assert.deepEqual(await store.usage({ merchantNumber: FIRST, counters: [COUNTER] }), [{ counter: COUNTER, committed: 2, reserved: 5 }]);
  assert.deepEqual([...(await store.merchants())].sort(), [FIRST, SECOND]);
}

test('redis: a node of a cluster takes every command: none touches two slots', async (t) => {
  const redis = await ownRedis(t, ['--cluster-enabled', 'yes']);
  await redis.client.cluster('ADDSLOTSRANGE', '0', '16383');
  await eventually(async () => assert.match(String(await redis.client.cluster('INFO')), /cluster_state:ok/));
  await lifeOf(await openOn(t, { url: redis.url }));
});

/** What an ACL user for the gateway must be allowed; scripts need what they call. */
const COMMANDS = [
  ...['hello', 'auth', 'select', 'info', 'time', 'quit', 'eval', 'evalsha', 'hgetall', 'smembers', 'sadd', 'unlink', 'set'],
  ...['get', 'mget', 'del', 'exists', 'pexpire', 'pttl', 'hget', 'hmget', 'hset', 'hdel', 'hexists', 'hincrby'],
  ...['zadd', 'zrem', 'zcount', 'zrangebyscore', 'zremrangebyscore'],
];

test('redis: a user with the commands it needs and its own prefix is enough', async (t) => {
  const redis = await ownRedis(t);
  const commands = COMMANDS.map((command) => `+${command}`);
  await redis.client.acl('SETUSER', 'gateway', 'on', '>pass-word', `~${redis.prefix}*`, ...commands);
  await lifeOf(await openOn(t, { url: redis.url.replace('//', '//gateway:pass-word@') }));
});

test('redis: TLS, only with a server whose authority is trusted', async (t) => {
  const pki = await makePki();
  t.after(pki.dispose);
  const [port] = await freePorts(1);
  const { certificate, key } = pki.read('server');
  const authority = join(pki.directory, 'authority.crt');
  const files = ['--tls-cert-file', certificate, '--tls-key-file', key, '--tls-ca-cert-file', authority];
  const { prefix } = await ownRedis(t, ['--tls-port', String(port), '--tls-auth-clients', 'no', ...files]);
  const url = `rediss://127.0.0.1:${port}`;
  await lifeOf(await openOn(t, { url, prefix, tls: { ca: readFileSync(authority) } }));
  const distrustful = await openOn(t, { url, prefix });
  await assert.rejects(distrustful.epoch(), (error) => error instanceof StoreUnavailable && !/pass/.test(inspect(error)));
});

/** A relay whose present connections can go dead, as when a machine on the way forgets them. */
async function startRelay(t: TestContext, target: number) {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    const onward = connect(target, '127.0.0.1');
    for (const end of [socket, onward]) {
      sockets.add(end);
      end.on('error', () => undefined);
    }
    socket.pipe(onward).pipe(socket);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  const kill = () => {
    for (const socket of sockets) socket.unpipe().pause();
  };
  return { port: (server.address() as AddressInfo).port, kill };
}

test('redis: a connection that went dead is left for a new one', async (t) => {
  const redis = await ownRedis(t);
  const relay = await startRelay(t, Number(new URL(redis.url).port));
  const store = await openOn(t, { url: `redis://127.0.0.1:${relay.port}`, prefix: redis.prefix, commandTimeoutMs: 150 });
  await openEpoch(store, 'e1', [FIRST]);
  relay.kill();
  await assert.rejects(store.admit(admission('a')), StoreUnavailable);
  assert.equal((await eventually(() => store.admit(admission('b')))).kind, 'admitted');
});
