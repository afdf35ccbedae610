import assert from 'node:assert/strict';
import { after, before, beforeEach, type TestContext, test } from 'node:test';
import { UserError } from '../../src/lib/user-error.ts';
import { type Store, StoreUnavailable } from '../../src/ports/store.ts';
import { openStore } from '../../src/runtime/open-store.ts';
import { openRedisStore, type RedisStoreOptions } from '../../src/store/redis/store.ts';
import { eventually } from '../support/eventually.ts';
import { startRedis, type TestRedis } from '../support/redis.ts';
import { admission, FIRST, openEpoch } from './world.ts';

/** A master with one replica, both real. */
let master: TestRedis;
let replica: TestRedis;

before(async () => {
  master = await startRedis({ own: true, settings: ['--repl-diskless-sync-delay', '0'] });
  const settings = ['--replicaof', '127.0.0.1', new URL(master.url).port];
  replica = await startRedis({ own: true, settings });
  await eventually(async () => assert.match(String(await master.client.info('replication')), /state=online/), 15_000);
});
after(async () => {
  await replica?.dispose();
  await master?.dispose();
});

const demand = async (toWrite: string, maxLag: string): Promise<void> => {
  await master.client.config('SET', 'min-replicas-to-write', toWrite);
  await master.client.config('SET', 'min-replicas-max-lag', maxLag);
};
beforeEach(() => demand('1', '2'));

async function openOn(t: TestContext, more: Partial<RedisStoreOptions> = {}): Promise<Store> {
  const store = await openRedisStore({ url: master.url, production: true, connectTimeoutMs: 2000, ...more });
  t.after(store.close);
  return store;
}

test('a gateway in production does not open it, one in development does', async (t) => {
  await demand('0', '10');
  const warn = () => undefined;
  await assert.rejects(openStore({ store: master.url, storeTimeoutMs: 500, profile: 'production' }, warn), UserError);
  t.after((await openStore({ store: master.url, storeTimeoutMs: 500, profile: 'development' }, warn)).close);
});

const refused: readonly (readonly [toWrite: string, maxLag: string, says: RegExp, why: string])[] = [
  ['0', '10', /writes also when none of them follows.*set min-replicas-to-write 1 and min-replicas-max-lag 2/, "the server's default"],
  ['0', '1', /writes also when none of them follows/, 'a lag alone demands nothing'],
  ['1', '0', /min-replicas-max-lag 0 s, which switches the rule off/, 'no lag is checked'],
  ['1', '10', /counts a replica as following at min-replicas-max-lag 10 s; set/, 'ten seconds of payments may be lost'],
];
for (const [toWrite, maxLag, says, why] of refused) {
  test(`redis with a replica, min-replicas-to-write ${toWrite}, max-lag ${maxLag}: production refuses it (${why})`, async (t) => {
    await demand(toWrite, maxLag);
    await assert.rejects(openOn(t), (error) => error instanceof UserError && says.test(error.message));
    assert.notEqual((await (await openOn(t, { production: false })).epoch()).state, undefined, 'development does not ask');
  });
}

for (const protocol of [2, 3]) {
  test(`redis with a replica that must follow is used, RESP${protocol}, without a warning`, async (t) => {
    const url = new URL(master.url);
    url.searchParams.set('protocol', String(protocol));
    const warnings: string[] = [];
    const store = await openOn(t, { url: url.href, onWarning: (line) => warnings.push(line) });
    assert.equal((await store.epoch()).state.kind, 'lost');
    assert.deepEqual(warnings, []);
  });
}

const users: readonly (readonly [user: string, allowed: readonly string[], warnings: RegExp | undefined, why: string])[] = [
  ['limited', ['-config'], /has 1 replicas, and this user may not read min-replicas-to-write.*\+config\|get/, 'CONFIG is forbidden'],
  ['reader', ['-config', '+config|get'], undefined, 'this much is enough'],
];
for (const [user, allowed, says, why] of users) {
  test(`redis with a replica, as a user where ${why}: used, ${says ? 'with one warning' : 'without a warning'}`, async (t) => {
    await master.client.acl('SETUSER', user, 'on', '>pass-word', '~*', '+@all', ...allowed);
    const warnings: string[] = [];
    const store = await openOn(t, { url: master.url.replace('//', `//${user}:pass-word@`), onWarning: (line) => warnings.push(line) });
    await store.epoch();
    await master.client.client('KILL', 'USER', user);
    await eventually(() => store.epoch());
    assert.equal(warnings.length, says ? 1 : 0, warnings.join('\n'));
    if (says) assert.match(warnings[0] ?? '', says);
  });
}

test('redis whose replica does not follow takes no money decision, and does again when it follows', async (t) => {
  const store = await openOn(t);
  await demand('0', '2');
  await openEpoch(store, 'e1', [FIRST]);
  await demand('1', '2');
  const admit = (id: string) => store.admit(admission(id));
  // On a busy machine a replica may be late for once, which is what the rule is about.
  assert.equal((await eventually(() => admit('before'), 15_000)).kind, 'admitted');
  replica.pause();
  let tries = 0;
  const failure = await eventually(async () => {
    tries += 1;
    const result = await admit(`during-${tries}`).catch((error: unknown) => error);
    assert.ok(result instanceof Error);
    return result;
  }, 15_000);
  assert.ok(failure instanceof StoreUnavailable, String(failure));
  assert.match(failure.message, /NOREPLICAS/);
  replica.resume();
  const decision = await eventually(() => admit('after'), 15_000);
  assert.equal(decision.kind, 'admitted');
});

test('redis without a replica needs no such setting', async (t) => {
  const alone = await startRedis({ own: true });
  t.after(alone.dispose);
  const warnings: string[] = [];
  const store = await openRedisStore({ url: alone.url, production: true, onWarning: (line) => warnings.push(line) });
  t.after(store.close);
  await openEpoch(store, 'e1', [FIRST]);
  assert.deepEqual(warnings, []);
});
