import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { KeyKeepingStore } from '../../src/ports/working-keys.ts';
import { FIRST, NOW, SECOND } from './world.ts';

type OpenKeyKeeping = () => Promise<{ readonly store: KeyKeepingStore; readonly dispose: () => Promise<void> }>;

/** What both stores must do with working keys. */
export function workingKeyContract(name: string, open: OpenKeyKeeping): void {
  test(`${name}: working keys lie by merchant and change only for whoever saw what lies there`, async (t) => {
    const { store, dispose } = await open();
    t.after(dispose);
    const { read, replace } = store.workingKeys;
    const put = (merchantNumber: string, before: string, after: string) =>
      replace({ merchantNumber, before, after, untilMs: NOW + 60_000, nowMs: NOW });
    assert.equal(await read(FIRST), '');
    assert.equal(await put(FIRST, 'something', 'a'), false);
    assert.equal(await put(FIRST, '', '["密钥"]'), true);
    assert.equal(await put(FIRST, '', 'b'), false);
    assert.deepEqual([await read(FIRST), await read(SECOND)], ['["密钥"]', '']);
    const results = await Promise.all(['b', 'c', 'd'].map((after) => put(FIRST, '["密钥"]', after)));
    assert.equal(results.filter(Boolean).length, 1, 'one of three at once');
    assert.equal(await read(FIRST), ['b', 'c', 'd'][results.indexOf(true)]);
  });
}
