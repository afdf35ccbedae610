import type { WorkingKeyShelf } from '../../ports/working-keys.ts';
import type { Connection } from './connection.ts';
import type { Names } from './names.ts';
import { runScript } from './scripts.ts';

/** Working keys in one string of the merchant's slot. */
export const workingKeyCommands = ({ send }: Connection, names: Names): WorkingKeyShelf => ({
  read: async (merchantNumber) => (await send((client) => client.get(names.workingKeys(merchantNumber)))) ?? '',
  replace: async ({ merchantNumber, before, after, untilMs, nowMs }) =>
    (await send((client) => runScript(client, 'replace', names.workingKeys(merchantNumber), [before, after, untilMs - nowMs]))) === 1,
});
