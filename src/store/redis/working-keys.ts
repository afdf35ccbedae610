import type { WorkingKeyShelf } from '../../ports/working-keys.ts';
import type { Names } from './names.ts';
import { runScript } from './scripts.ts';
import type { Send } from './servers.ts';

/** Working keys in one string of the merchant's slot. */
export const workingKeyCommands = (send: Send, names: Names): WorkingKeyShelf => ({
  read: async (merchantNumber) =>
    (await send(names.workingKeys(merchantNumber), (client) => client.get(names.workingKeys(merchantNumber)))) ?? '',
  replace: async ({ merchantNumber, before, after, untilMs, nowMs }) => {
    const key = names.workingKeys(merchantNumber);
    return (await send(key, (client) => runScript(client, 'replace', key, [before, after, untilMs - nowMs]))) === 1;
  },
});
