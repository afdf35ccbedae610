import { loadKeyring } from '../../keys/keyring.ts';
import { openStore } from '../../runtime/open-store.ts';
import { secretsOf } from '../../runtime/shared-secrets.ts';
import { type ChangeOptions, change, readConfiguration } from '../change.ts';

/** `hufu keys adopt`: after the files below keys/ were exchanged on every instance, a start compares with them. */
export async function adopt(options: ChangeOptions): Promise<void> {
  const config = readConfiguration(options);
  const secrets = secretsOf(loadKeyring({ secretsDirectory: config.secretsDirectory, production: config.profile === 'production' }));
  const store = await openStore(config, (line) => console.error(`hufu: ${line}`));
  let before: Readonly<Record<string, string>>;
  try {
    before = await store.notes.all('secrets');
    await store.notes.put('secrets', secrets);
  } finally {
    await store.close();
  }
  const told = {
    kind: 'reload',
    subject: 'shared secrets adopted',
    before: JSON.stringify(before),
    after: JSON.stringify(secrets),
  } as const;
  await change(options, config, [], told);
}
