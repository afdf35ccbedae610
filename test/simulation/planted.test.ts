import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PLANTS, type Plant } from './gateway.ts';
import { PROFILES } from './profiles.ts';
import { simulate } from './simulate.ts';

/** Each fault, the kind of world in which to look for it, and what it must break. */
const FOUND: readonly (readonly [Plant, string, RegExp])[] = [
  ['forwardBeforeSync', 'forgotten admissions', /^\([36]\)/],
  ['resolverSettlesFirst', 'forgotten admissions', /^\(6\)/],
  ['nonceNotReported', 'replies under way', /^\(5\)/],
  ['oldEpochForwarded', 'replies under way', /^\([234]\)/],
  ['lostNoncesForgotten', 'forgotten admissions', /^\(5\)/],
  ['notFoundBeforeExpiry', 'slow network', /^\([234]\)/],
  ['pushBelieved', 'impatient operators', /^\([2346]\)/],
  ['sharedForgotten', 'forgotten admissions', /^\([23]\)/],
];
const WORLDS_MAX = 300;

for (const [plant, name, violation] of FOUND) {
  test(`a planted fault is found: ${PLANTS[plant]}`, async (t) => {
    const first = PROFILES.findIndex((profile) => profile.name === name);
    for (let i = 0; i < WORLDS_MAX; i += 1) {
      const seed = first + i * PROFILES.length;
      const found = (await simulate(seed, { plant })).violation;
      if (found === undefined) continue;
      assert.match(found, violation);
      assert.equal((await simulate(seed)).violation, undefined, 'and without it nothing is found');
      t.diagnostic(`seed ${seed}: ${found}`);
      return;
    }
    assert.fail(`not found in ${WORLDS_MAX} worlds`);
  });
}
