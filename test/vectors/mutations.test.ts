import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { mutate, type Subject, subjects } from '../../tools/vectors/mutate.ts';

/** One changed byte anywhere in a signed request or answer, by the real verification. `npm run mutations` does the same a hundred thousand times. */
const COUNT = 5_000;
const SEED = 20_261_123;

describe(`${COUNT} random changes of one byte`, () => {
  const all = subjects();
  for (const [i, subject] of all.entries()) {
    test(subject.name, (t) => {
      const tally = mutate(subject, Math.ceil(COUNT / all.length), SEED + i);
      assert.deepEqual(tally.wrong, []);
      assert.ok(tally.refused > tally.count / 2, `only ${tally.refused} of ${tally.count} reached the verification and were refused`);
      t.diagnostic(JSON.stringify(tally.same));
    });
  }
});

describe('a verification that leaves something out is found', () => {
  const subject = subjects()[0] as Subject;
  const holes: readonly (readonly [why: string, forget: (wire: Subject['wire']) => Subject['wire']])[] = [
    ['the body', (wire) => ({ ...wire, body: subject.wire.body })],
    ['the start line', (wire) => ({ ...wire, start: subject.wire.start })],
    ['the headers', (wire) => ({ ...wire, headers: subject.wire.headers })],
  ];
  for (const [why, forget] of holes) {
    test(why, () => {
      const tally = mutate({ ...subject, accepts: (wire) => subject.accepts(forget(wire)) }, 500, SEED);
      assert.ok(tally.wrong.length > 0);
    });
  }
});
