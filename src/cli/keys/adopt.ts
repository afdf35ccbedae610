import { loadKeyring } from '../../keys/keyring.ts';
import { secretsOf } from '../../runtime/shared-secrets.ts';
import { type ChangeOptions, change, readConfiguration } from '../change.ts';
import { withStore } from '../with-store.ts';

/** `hufu keys adopt`: after the files below keys/ were exchanged on every instance, a start compares with them. */
export async function adopt(options: ChangeOptions): Promise<void> {
  const config = readConfiguration(options);
  const secrets = secretsOf(loadKeyring({ secretsDirectory: config.secretsDirectory, production: config.profile === 'production' }));
  const before = await withStore(config, async (store) => {
    const present = await store.notes.all('secrets');
    await store.notes.put('secrets', secrets);
    return present;
  });
  const told = {
    kind: 'reload',
    subject: 'shared secrets adopted',
    before: JSON.stringify(before),
    after: JSON.stringify(secrets),
  } as const;
  await change(options, config, [], told);
}
