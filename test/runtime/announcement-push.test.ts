import assert from 'node:assert/strict';
import { after, type TestContext, test } from 'node:test';
import type { Announced } from '../../src/ports/announcements.ts';
import { createAnnouncementKeeper } from '../../src/runtime/announcement-keeper.ts';
import { openRedisStore } from '../../src/store/redis/store.ts';
import { eventually } from '../support/eventually.ts';
import { startRedis } from '../support/redis.ts';

const redis = await startRedis({ own: true });
after(redis.dispose);
const MERCHANT = '800000000000001';
const change = (kind: Announced['kind']): Announced => ({
  kind,
  subject: MERCHANT,
  actor: 'op',
  reason: 'case 17',
  atMs: Date.now(),
  before: '',
  after: '',
});

/** A keeper as a gateway has it, and a store of another process that announces. */
async function prepare(t: TestContext, prefix: string, url = redis.url) {
  const [own, others] = await Promise.all([1, 2].map(() => openRedisStore({ url, prefix, commandTimeoutMs: 5_000 })));
  assert.ok(own && others);
  let asked = 0;
  const keeper = createAnnouncementKeeper({
    announcements: {
      ...own.announcements,
      since: (version) => {
        asked += 1;
        return own.announcements.since(version);
      },
    },
    journal: { append: () => 1, synced: async () => {} },
    instance: 'gateway-1',
    epoch: () => 'e1',
    written: () => [],
    onChanges: async () => '',
    onAlarm: () => {},
    onBans: () => {},
    onFresh: () => {},
    monotonicMs: () => performance.now(),
  });
  t.after(async () => {
    keeper.stop();
    await Promise.all([own.close(), others.close()]);
  });
  await keeper.look();
  return { keeper, announce: others.announcements.announce, asked: () => asked, isSuspended: () => keeper.bans().isSuspended(MERCHANT) };
}

/** How many listen on the channel. */
const listeners = async (prefix: string): Promise<number> =>
  Number(((await redis.client.pubsub('NUMSUB', `${prefix}announcements`)) as unknown[])[1]);

for (const protocol of [2, 3])
  test(`a change takes effect by the push alone, by RESP${protocol}: the timer of the poll never fires here`, async (t) => {
    t.mock.timers.enable({ apis: ['setInterval'] });
    const prefix = `alone${protocol}:`;
    const { keeper, announce, isSuspended, asked } = await prepare(t, prefix, `${redis.url}&protocol=${protocol}`);
    keeper.start();
    await eventually(async () => assert.equal(await listeners(prefix), 1));
    await announce(change('suspend'));
    await eventually(() => assert.equal(isSuspended(), true));
    const before = asked();
    await Promise.all(Array.from({ length: 50 }, () => announce(change('resume'))));
    await eventually(() => assert.equal(isSuspended(), false));
    assert.ok(asked() > before);
  });

test('a push connection that is cut comes back, and asks at once what it has missed', async (t) => {
  t.mock.timers.enable({ apis: ['setInterval'] });
  const prefix = 'cut:';
  const { keeper, announce, isSuspended } = await prepare(t, prefix);
  keeper.start();
  await eventually(async () => assert.equal(await listeners(prefix), 1));
  const cut = redis.client.call('CLIENT', 'KILL', 'TYPE', 'PUBSUB');
  await Promise.all([cut, announce(change('suspend'))]);
  await eventually(() => assert.equal(isSuspended(), true));
});

test('without the push the poll meets the 2 s: nobody may subscribe, and publishing fails', async (t) => {
  await redis.client.call('ACL', 'SETUSER', 'default', 'resetchannels');
  t.after(() => redis.client.call('ACL', 'SETUSER', 'default', 'allchannels'));
  const prefix = 'denied:';
  const { keeper, announce, isSuspended } = await prepare(t, prefix);
  keeper.start();
  await announce(change('suspend'));
  await eventually(() => assert.equal(isSuspended(), true), 2_000);
  assert.equal(await listeners(prefix), 0);
  assert.equal(keeper.isConfirmed(), true);
});

test('a keeper that was stopped listens no more', async (t) => {
  const prefix = 'stopped:';
  const { keeper } = await prepare(t, prefix);
  keeper.start();
  await eventually(async () => assert.equal(await listeners(prefix), 1));
  keeper.stop();
  await eventually(async () => assert.equal(await listeners(prefix), 0));
});
