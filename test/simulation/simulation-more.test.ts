import { test } from 'node:test';
import { checkWorlds } from './worlds.ts';

test('1000 other worlds, in a file of their own, so that two processors share the work', (t) => checkWorlds(t, 1_001, 2_000));
