import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Announced, AnnouncingStore } from '../../src/ports/announcements.ts';

/** Opens an empty store. */
export type OpenAnnouncing = () => Promise<{ readonly store: AnnouncingStore; readonly dispose: () => Promise<void> }>;

const change = (subject: string, more: Partial<Announced> = {}): Announced => ({
  kind: 'suspend',
  subject,
  actor: 'op',
  reason: '欺诈 "17"',
  atMs: 1000,
  before: 'active',
  after: 'suspended',
  ...more,
});

/** What both stores must do with announcements (contract.md section 2). */
export function announcementContract(name: string, open: OpenAnnouncing): void {
  test(`${name}: an empty store has version 0, nothing to tell and nobody who acknowledged`, async (t) => {
    const { store, dispose } = await open();
    t.after(dispose);
    assert.deepEqual(await store.announcements.since(0), { version: 0, changes: [] });
    assert.deepEqual(await store.announcements.since(7), { version: 0, changes: [] }, 'lower than asked for: something was lost');
    assert.deepEqual(await store.announcements.acknowledgements(), []);
  });

  test(`${name}: each announcement has the next version, and is told once to whoever knows the one before`, async (t) => {
    const { store, dispose } = await open();
    t.after(dispose);
    const { announce, since } = store.announcements;
    assert.equal(await announce(change('a')), 1);
    assert.equal(await announce(change('b', { kind: 'block', atMs: 900 })), 2);
    assert.deepEqual(await since(0), {
      version: 2,
      changes: [
        { ...change('a'), version: 1, restored: false },
        { ...change('b', { kind: 'block', atMs: 900 }), version: 2, restored: false },
      ],
    });
    assert.deepEqual(
      (await since(1)).changes.map(({ subject }) => subject),
      ['b'],
    );
    assert.deepEqual(await since(2), { version: 2, changes: [] });
  });

  test(`${name}: of many at once none is lost and no version is given twice`, async (t) => {
    const { store, dispose } = await open();
    t.after(dispose);
    const versions = await Promise.all(Array.from({ length: 600 }, (_, i) => store.announcements.announce(change(`m${i}`))));
    assert.equal(new Set(versions).size, 600);
    const { version, changes } = await store.announcements.since(0);
    assert.equal(version, 600);
    assert.deepEqual(
      changes.map((row) => row.version),
      Array.from({ length: 600 }, (_, i) => i + 1),
    );
  });

  const restores: readonly [kept: Announced[], given: Announced, appended: boolean, why: string][] = [
    [[], change('a'), true, 'the store has lost everything'],
    [[change('a', { kind: 'resume', atMs: 999 })], change('a'), true, 'the store has an older decision about it'],
    [[change('a', { kind: 'resume', atMs: 1001 })], change('a'), false, 'the store has a later decision about it'],
    [[change('a')], change('a'), false, 'the store has this very one'],
    [
      [change('a', { kind: 'block', atMs: 2000 })],
      change('a'),
      true,
      'a later decision about a certificate of that name is another matter',
    ],
    [[change('b', { atMs: 2000 })], change('a'), true, 'a later decision about another merchant is another matter'],
    [[change('a', { atMs: 2000 }), change('a', { kind: 'resume', atMs: 500 })], change('a'), false, 'the latest counts, not the last'],
  ];
  for (const [kept, given, appended, why] of restores) {
    test(`${name}: what is given back is ${appended ? '' : 'not '}appended: ${why}`, async (t) => {
      const { store, dispose } = await open();
      t.after(dispose);
      for (const row of kept) await store.announcements.announce(row);
      await store.announcements.restore([given]);
      await store.announcements.restore([given]);
      const { version, changes } = await store.announcements.since(kept.length);
      assert.equal(version, kept.length + (appended ? 1 : 0));
      assert.deepEqual(changes, appended ? [{ ...given, version, restored: true }] : []);
    });
  }

  test(`${name}: notes by topic: the last value counts, and of two claims the first`, async (t) => {
    const { store, dispose } = await open();
    t.after(dispose);
    const { put, claim, all } = store.notes;
    assert.deepEqual({ ...(await all('secrets')) }, {});
    await put('answer-keys-seen', {});
    await put('answer-keys-seen', { 'a k': '1', 'b k': '2' });
    await put('answer-keys-seen', { 'a k': '3', __proto__x: '4' });
    assert.deepEqual({ ...(await all('answer-keys-seen')) }, { 'a k': '3', 'b k': '2', __proto__x: '4' });
    const claimed = await Promise.all(['one', 'two', 'three'].map((value) => claim('secrets', 'keys', value)));
    assert.deepEqual(claimed, ['one', 'one', 'one']);
    await put('secrets', { keys: 'two' });
    assert.equal(await claim('secrets', 'keys', 'three'), 'two');
  });

  test(`${name}: the last acknowledgement of each instance is kept`, async (t) => {
    const { store, dispose } = await open();
    t.after(dispose);
    const { acknowledge, acknowledgements } = store.announcements;
    await acknowledge({ instance: 'gateway-1', version: 1, problem: '' });
    await acknowledge({ instance: 'gateway-2', version: 1, problem: 'plans.yaml:1:1: is empty' });
    await acknowledge({ instance: 'gateway-1', version: 2, problem: '' });
    assert.deepEqual(
      [...(await acknowledgements())].sort((a, b) => a.instance.localeCompare(b.instance)),
      [
        { instance: 'gateway-1', version: 2, problem: '' },
        { instance: 'gateway-2', version: 1, problem: 'plans.yaml:1:1: is empty' },
      ],
    );
  });
}
