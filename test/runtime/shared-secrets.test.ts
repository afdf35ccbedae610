import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createSecretKey, type SecretKey } from '../../src/keys/secret-key.ts';
import type { Notes } from '../../src/ports/notes.ts';
import { StoreUnavailable } from '../../src/ports/store.ts';
import { compareSecrets, secretsOf } from '../../src/runtime/shared-secrets.ts';
import { onlyKey } from '../support/secret-keys.ts';

type Held = Parameters<typeof secretsOf>[0];
const key = (purpose: string, octet: number): SecretKey => createSecretKey(purpose, Buffer.alloc(32, octet));
const assertions = (...keyids: readonly string[]): Held['assertion'] => {
  const all = keyids.map((keyid) => ({ keyid }) as Held['assertion']['all'][number]);
  return { writing: () => all[0] as (typeof all)[number], all };
};
const held = (changes: Partial<Held> = {}): Held => ({
  answerSealKeys: onlyKey(key('answer-seal', 1)),
  fingerprintKeys: onlyKey(key('fingerprint', 2)),
  payerKey: key('fingerprint', 2),
  assertion: assertions('a'),
  ...changes,
});

/** Notes in memory. */
function createNotes(): Pick<Notes, 'claim'> & { readonly kept: Map<string, string> } {
  const kept = new Map<string, string>();
  return {
    kept,
    claim: async (topic, name, value) => {
      if (!kept.has(`${topic} ${name}`)) kept.set(`${topic} ${name}`, value);
      return kept.get(`${topic} ${name}`) as string;
    },
  };
}
const compare = (notes: Pick<Notes, 'claim'>, secrets: Held, alarms: string[] = []): Promise<void> =>
  compareSecrets({ notes: notes as Notes }, secrets, '/keys', { alarm: (line) => alarms.push(line) });

const different: readonly (readonly [Partial<Held>, string])[] = [
  [{ answerSealKeys: onlyKey(key('answer-seal', 9)) }, 'answer-seal'],
  [{ answerSealKeys: { writing: () => key('answer-seal', 1), all: [key('answer-seal', 1), key('answer-seal', 9)] } }, 'answer-seal'],
  [{ fingerprintKeys: onlyKey(key('fingerprint', 9)) }, 'fingerprint'],
  [{ payerKey: key('payer', 9) }, 'payer'],
  [{ assertion: assertions('b') }, 'assertion'],
  [{ assertion: assertions('a', 'next') }, 'assertion'],
];
for (const [changes, purpose] of different) {
  test(`an instance with other ${purpose} keys does not start, and says so in one line`, async () => {
    const notes = createNotes();
    await compare(notes, held());
    await compare(notes, held());
    await assert.rejects(compare(notes, held(changes)), (error: Error) => {
      assert.equal(error.name, 'UserError');
      assert.match(error.message, new RegExp(`^the ${purpose} keys in /keys are not those of the other gateways .* copy the same files`));
      return !error.message.includes('\n');
    });
  });
}

test('the order of files is no difference, and nothing of a key or its id is in the store', async () => {
  const both = [key('answer-seal', 1), key('answer-seal', 9)] as const;
  const one = held({ answerSealKeys: { writing: () => both[0], all: both } });
  const other = held({ answerSealKeys: { writing: () => both[1], all: both.toReversed() } });
  assert.deepEqual(secretsOf(one), secretsOf(other));
  const notes = createNotes();
  await compare(notes, one);
  const text = JSON.stringify([...notes.kept]);
  for (const { id, key: secret } of both) assert.ok(!text.includes(id) && !text.includes(secret.toString('hex')));
});

test('a store that is away is an alarm, and no reason not to start', async () => {
  const alarms: string[] = [];
  await compare({ claim: () => Promise.reject(new StoreUnavailable('away')) }, held(), alarms);
  assert.equal(alarms.length, 1);
});
