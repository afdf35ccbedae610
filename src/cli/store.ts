import { userInfo } from 'node:os';
import { Command } from 'commander';
import { UserError } from '../lib/user-error.ts';
import type { AnnouncingStore } from '../ports/announcements.ts';
import { NONCE_CLOSURE_MS } from '../settlement/rebuild.ts';
import { type ChangeOptions, readConfiguration } from './change.ts';
import { WrongUse } from './exit.ts';
import { reading } from './reading.ts';
import { withStore } from './with-store.ts';

const EXAMPLES = `
Examples:
  hufu store status
  hufu store open --accept-loss gateway-2 --reason "disk of host 2 destroyed, ticket 4711"

After a loss of the store every configured instance gives back what its journal knows, and money opens when all have. An instance whose
journal is lost too never will: then nobody knows what it had admitted and not settled. Before you accept that, compare the core's
ledger. Accepted, the store opens when its nonces can no longer be replayed; limits count only what the other journals know.`;

type Options = Omit<ChangeOptions, 'reason'> & { reason: string; acceptLoss: string[] };

/** `hufu store`: where a rebuild stands, and opening it without a journal that is lost. */
export function createCommand(): Command {
  const command = new Command('store')
    .description('The store of nonces, keys and limits: whether it is open, and what it waits for.')
    .addHelpText('after', EXAMPLES);
  reading(command.command('status')).description('open, rebuilding or lost, and which instances it waits for').action(status);
  reading(command.command('open'))
    .description('open a rebuilt store although journals are lost with it')
    .requiredOption('--accept-loss <instance...>', 'instances whose journals are lost')
    .requiredOption('--reason <text>', 'why, for the journal')
    .action(open);
  return command;
}

const look = <T>(
  options: Omit<ChangeOptions, 'reason'>,
  act: (store: AnnouncingStore, instances: readonly string[]) => Promise<T>,
): Promise<T> => {
  const config = readConfiguration(options);
  return withStore(config, (store) => act(store, config.instances));
};

const status = (options: ChangeOptions): Promise<void> =>
  look(options, async (store, instances) => {
    const { state } = await store.epoch();
    const missing = state.kind === 'rebuilding' ? instances.filter((name) => !state.reported.includes(name)) : [];
    const closedUntil =
      state.kind === 'rebuilding' && state.slotsClosedUntilMs > Date.now() ? new Date(state.slotsClosedUntilMs).toISOString() : undefined;
    if (options.json) return console.log(JSON.stringify({ state: state.kind, missing, closedUntil }));
    const waits = [...(missing.length > 0 ? [`the journals of ${missing.join(', ')}`] : []), ...(closedUntil ? [closedUntil] : [])];
    console.log(waits.length > 0 ? `${state.kind}: waits for ${waits.join(' and ')}` : state.kind);
  });

const open = (options: Options): Promise<void> =>
  look(options, async (store, instances) => {
    const unknown = options.acceptLoss.find((name) => !instances.includes(name));
    if (unknown !== undefined) throw new WrongUse(`there is no instance ${unknown}: gateway.yaml has ${instances.join(', ')}`);
    const { state } = await store.epoch();
    if (state.kind !== 'rebuilding') throw new UserError(`the store is ${state.kind}: there is nothing to open`);
    const reported = options.acceptLoss.find((name) => state.reported.includes(name));
    if (reported !== undefined) throw new UserError(`${reported} has given back its journal: nothing of it is lost`);
    const atMs = Date.now();
    const closedUntilMs = atMs + NONCE_CLOSURE_MS;
    // Told first: what an operator accepts is in the journals of those that are left before it has an effect.
    const actor = userInfo().username;
    const after = JSON.stringify({ acceptedLoss: options.acceptLoss, closedUntil: new Date(closedUntilMs).toISOString() });
    await store.announcements.announce({
      kind: 'reload',
      subject: 'store open',
      actor,
      reason: options.reason,
      atMs,
      before: 'rebuilding',
      after,
    });
    for (const instance of options.acceptLoss) await store.report({ epoch: state.epoch, instance, closedUntilMs });
    console.log(
      options.json ? after : `accepted; money opens when all others have reported, not before ${new Date(closedUntilMs).toISOString()}`,
    );
  });
