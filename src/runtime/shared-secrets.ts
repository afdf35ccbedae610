import type { Keyring } from '../keys/keyring.ts';
import { sha256 } from '../lib/bytes.ts';
import { UserError } from '../lib/user-error.ts';
import type { Event } from '../pipeline/event.ts';
import type { Notes } from '../ports/notes.ts';
import { StoreUnavailable } from '../ports/store.ts';

/** What all instances on one store must hold alike, by purpose: a hash of the ids, which tells nothing of the keys. */
export function secretsOf(
  keyring: Pick<Keyring, 'answerSealKeys' | 'fingerprintKeys' | 'payerKey' | 'assertion'>,
): Readonly<Record<string, string>> {
  const { answerSealKeys, fingerprintKeys, payerKey, assertion } = keyring;
  const hash = (ids: readonly string[]): string =>
    sha256([...ids].sort().join(' '))
      .toString('hex')
      .slice(0, 32);
  return {
    'answer-seal': hash(answerSealKeys.all.map(({ id }) => id)),
    fingerprint: hash(fingerprintKeys.all.map(({ id }) => id)),
    payer: hash([payerKey.id]),
    assertion: hash(assertion.all.map(({ keyid }) => keyid)),
  };
}

/** As checkSharedSecrets, at the start: a store that is away decides nothing either, and is told. */
export async function compareSecrets(
  { notes }: { readonly notes: Notes },
  keyring: Parameters<typeof secretsOf>[0],
  directory: string,
  event: Pick<Event, 'alarm'>,
): Promise<void> {
  try {
    await checkSharedSecrets(notes, keyring, directory);
  } catch (error) {
    if (!(error instanceof StoreUnavailable)) throw error;
    event.alarm('the keys of this instance could not be compared with those of the others', { cause: error.message });
  }
}

/**
 * Compares our secrets with those of the other instances on the store; the first instance of all says what they are.
 * Throws a UserError with one line for the first that differs, and StoreUnavailable.
 */
async function checkSharedSecrets(notes: Pick<Notes, 'claim'>, keyring: Parameters<typeof secretsOf>[0], directory: string): Promise<void> {
  for (const [purpose, hash] of Object.entries(secretsOf(keyring))) {
    if ((await notes.claim('secrets', purpose, hash)) === hash) continue;
    throw new UserError(
      `the ${purpose} keys in ${directory} are not those of the other gateways on this store: copy the same files to every instance, or, when you have just exchanged them everywhere, run \`hufu keys adopt\``,
    );
  }
}
