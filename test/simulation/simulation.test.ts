import assert from 'node:assert/strict';
import { test } from 'node:test';
import { simulate } from './simulate.ts';
import { checkWorlds } from './worlds.ts';

test('1000 seeded worlds keep every invariant of the executable specification, and reach what they are about', (t) =>
  checkWorlds(t, 1, 1_000));

test('the same seed tells the same story', async () => {
  for (const seed of [3, 11, 47]) assert.deepEqual((await simulate(seed)).story(), (await simulate(seed)).story());
});
