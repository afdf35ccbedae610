import assert from 'node:assert/strict';
import { createSecretKey as createKeyObject, randomBytes } from 'node:crypto';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { readRows } from '../../src/encryption/key-rows.ts';
import { createWorkingKeys } from '../../src/encryption/working-keys.ts';
import { createSecretKey, type SecretKey } from '../../src/keys/secret-key.ts';
import { StoreUnavailable } from '../../src/ports/store.ts';
import type { WorkingKeyShelf } from '../../src/ports/working-keys.ts';
import { Refusal } from '../../src/protocol/errors.ts';
import { keyCheckValueOf, macOf, verifyMacOf } from '../../src/protocol/working-key.ts';

const M = '800000000000001';
const HOUR = 3_600_000;
const MINUTE = 60_000;

/** One store, any number of processes on it, one clock for all. */
function createWorld() {
  const texts = new Map<string, string>();
  const counts = { reads: 0 };
  let nowMs = 1_700_000_000_000;
  let away = false;
  const shelf: WorkingKeyShelf = {
    read: async (merchantNumber) => {
      counts.reads += 1;
      if (away) throw new StoreUnavailable('away');
      return texts.get(merchantNumber) ?? '';
    },
    replace: async ({ merchantNumber, before, after }) => {
      if ((texts.get(merchantNumber) ?? '') !== before) return false;
      texts.set(merchantNumber, after);
      return true;
    },
  };
  const sealKey = createSecretKey('answer-seal', randomBytes(32));
  const clock = () => nowMs;
  return {
    texts,
    counts,
    shelf,
    sealKey,
    process: (key = sealKey, of = shelf, older: readonly SecretKey[] = []) =>
      createWorkingKeys({ shelf: of, sealKeys: { writing: () => key, all: [key, ...older] }, nowMs: clock, monotonicMs: clock }),
    pass: (ms: number) => {
      nowMs += ms;
    },
    setAway: (value: boolean) => {
      away = value;
    },
  };
}

const refused = (code: string) => (error: unknown) => error instanceof Refusal && error.code === code;
const unknown = refused('WORKING_KEY_UNKNOWN');

describe('working keys', () => {
  test('a key lives 24 hours, to the millisecond', async () => {
    const world = createWorld();
    const keys = world.process();
    const { keyid } = await keys.issue(M, 'mac', 'first-one');
    world.pass(24 * HOUR - 1);
    await keys.find(M, keyid, 'mac');
    world.pass(1);
    await assert.rejects(keys.find(M, keyid, 'mac'), unknown);
  });

  test('the one before a new one lives ten minutes more, or its own end if that is sooner', async () => {
    const world = createWorld();
    const keys = world.process();
    const first = await keys.issue(M, 'mac', 'first-one');
    const second = await keys.issue(M, 'mac', 'second-one');
    world.pass(10 * MINUTE - 1);
    await keys.find(M, first.keyid, 'mac');
    world.pass(1);
    await assert.rejects(keys.find(M, first.keyid, 'mac'), unknown);
    world.pass(24 * HOUR - 15 * MINUTE);
    await keys.issue(M, 'mac', 'third-one');
    world.pass(5 * MINUTE);
    await assert.rejects(keys.find(M, second.keyid, 'mac'), unknown, 'five minutes of grace are beyond its day');
  });

  test('at most two live, each purpose by itself', async () => {
    const world = createWorld();
    const keys = world.process();
    const [a, b, c] = [
      await keys.issue(M, 'mac', 'number-1'),
      await keys.issue(M, 'mac', 'number-2'),
      await keys.issue(M, 'mac', 'number-3'),
    ];
    const other = await keys.issue(M, 'encryption', 'number-1');
    await assert.rejects(keys.find(M, a.keyid, 'mac'), unknown);
    for (const { keyid } of [b, c]) await keys.find(M, keyid, 'mac');
    await keys.find(M, other.keyid, 'encryption');
    assert.equal(readRows(world.texts.get(M) ?? '').length, 3);
  });

  test('the same asking gives the same key, also to another process, and pushes none out', async () => {
    const world = createWorld();
    const [one, two] = [world.process(), world.process()];
    const first = await one.issue(M, 'mac', 'same-number');
    await one.issue(M, 'mac', 'other-number');
    const again = await two.issue(M, 'mac', 'same-number');
    assert.equal(again.keyid, first.keyid);
    assert.ok(again.key.equals(first.key));
    assert.notEqual((await two.issue(M, 'encryption', 'same-number')).keyid, first.keyid, 'a number is for one purpose');
  });

  test('many processes at once: two live at the end, and every key that was given was written', async () => {
    const world = createWorld();
    const given = await Promise.all(Array.from({ length: 6 }, (_, i) => world.process().issue(M, 'mac', `at-once-${i}`)));
    const rows = readRows(world.texts.get(M) ?? '');
    assert.equal(rows.length, 2);
    assert.ok(rows.every(({ keyid }) => given.some((key) => key.keyid === keyid)));
  });

  test('a key is of one merchant and for one purpose', async () => {
    const world = createWorld();
    const keys = world.process();
    const { keyid } = await keys.issue(M, 'mac', 'first-one');
    await assert.rejects(keys.find('800000000000002', keyid, 'mac'), unknown);
    await assert.rejects(keys.find(M, keyid, 'encryption'), unknown);
    await assert.rejects(keys.find(M, 'wk-nobody', 'mac'), unknown);
    world.texts.set('800000000000002', world.texts.get(M) as string);
    await assert.rejects(keys.find('800000000000002', keyid, 'mac'), unknown, "rows moved in the store: sealed for another merchant's");
    world.texts.set(M, (world.texts.get(M) as string).replace('"purpose":"mac"', '"purpose":"encryption"'));
    await assert.rejects(world.process().find(M, keyid, 'encryption'), unknown, 'nor for another purpose');
  });

  test('the store holds no key in clear text, and gives none to whoever has another store key', async () => {
    const world = createWorld();
    const { key, keyid } = await world.process().issue(M, 'mac', 'first-one');
    for (const form of ['base64', 'base64url', 'hex', 'latin1'] as const)
      assert.equal((world.texts.get(M) as string).includes(key.export().toString(form)), false, form);
    const next = createSecretKey('answer-seal', randomBytes(32));
    await assert.rejects(world.process(next).find(M, keyid, 'mac'), unknown);
    await world.process(next, undefined, [world.sealKey]).find(M, keyid, 'mac'); // the store key is changed, the former still opens
  });

  test('a busy key costs no question before a request, and one that was withdrawn is gone in less than 2 s', async () => {
    const world = createWorld();
    const keys = world.process();
    const { keyid } = await keys.issue(M, 'mac', 'first-one');
    await keys.find(M, keyid, 'mac');
    const { reads } = world.counts;
    for (let i = 0; i < 100; i += 1) await keys.find(M, keyid, 'mac');
    assert.equal(world.counts.reads, reads);
    world.texts.delete(M);
    world.pass(1_999);
    await assert.rejects(keys.find(M, keyid, 'mac'), unknown);
  });

  test('it is read anew beside its use, and a slow answer does not bring back what a later one has lost', async () => {
    const world = createWorld();
    const first = await world.process().issue(M, 'mac', 'first-one');
    const waiting: (() => void)[] = [];
    let isHeld = false;
    const shelf: WorkingKeyShelf = {
      ...world.shelf,
      read: async (number) => {
        const text = await world.shelf.read(number);
        if (isHeld) await new Promise<void>((resolve) => waiting.push(resolve));
        return text;
      },
    };
    const keys = world.process(undefined, shelf);
    await keys.find(M, first.keyid, 'mac');
    world.pass(1_100);
    isHeld = true;
    await keys.find(M, first.keyid, 'mac'); // served at once; the question under way is held up
    isHeld = false;
    world.texts.delete(M);
    world.pass(100);
    await assert.rejects(keys.find(M, 'wk-other', 'mac'), unknown); // asks, and learns that all are gone
    for (const release of waiting) release();
    await new Promise(setImmediate);
    await assert.rejects(keys.find(M, first.keyid, 'mac'), unknown);
  });

  test('a key that another process gave a moment ago is found at once', async () => {
    const world = createWorld();
    const [one, two] = [world.process(), world.process()];
    await assert.rejects(two.find(M, 'wk-none', 'mac'), unknown);
    const { keyid } = await one.issue(M, 'mac', 'first-one');
    await two.find(M, keyid, 'mac');
  });

  test('a store that is away is told as such', async () => {
    const world = createWorld();
    const keys = world.process();
    world.setAway(true);
    await assert.rejects(keys.issue(M, 'mac', 'first-one'), refused('STORE_UNAVAILABLE'));
    await assert.rejects(keys.find(M, 'wk-x', 'mac'), refused('STORE_UNAVAILABLE'));
  });

  test('whatever stands in the store, it is read or as good as nothing', async () => {
    const world = createWorld();
    await fc.assert(
      fc.asyncProperty(fc.oneof(fc.string(), fc.json()), async (text) => {
        world.texts.set(M, text);
        await assert.rejects(world.process().find(M, 'wk-x', 'mac'), unknown);
      }),
      { numRuns: 100 },
    );
  });

  test('check values are those of the trade, and a MAC of another length is none', () => {
    const key = createKeyObject(Buffer.alloc(32));
    // AES-256 of a zero block under a zero key begins with DC95C078 (NIST KAT); HMAC-SHA-256 of nothing under zeros is that under no key.
    assert.deepEqual([keyCheckValueOf('encryption', key), keyCheckValueOf('mac', key)], ['DC95C0', 'B61367']);
    const data = Buffer.from('data');
    const mac = macOf(key, data);
    assert.equal(verifyMacOf(key, data, mac), true);
    for (const wrong of [Buffer.alloc(0), mac.subarray(0, 16), Buffer.concat([mac, mac]), Buffer.alloc(32)])
      assert.equal(verifyMacOf(key, data, wrong), false);
  });
});
