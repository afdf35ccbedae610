import { Command } from 'commander';
import type { GatewayConfig } from '../config/schema.ts';
import { type KeyRow, readRows } from '../encryption/key-rows.ts';
import { systemClock } from '../lib/clock.ts';
import { formatTable } from '../lib/table.ts';
import { UserError } from '../lib/user-error.ts';
import type { WorkingKeyShelf } from '../ports/working-keys.ts';
import { openStore } from '../runtime/open-store.ts';
import { type ChangeOptions, change, readConfiguration, withChangeOptions } from './change.ts';
import { WrongUse } from './exit.ts';
import { reading } from './reading.ts';

const EXAMPLES = `
Examples:
  hufu merchant working-keys list 800000000000002
  hufu merchant working-keys revoke 800000000000002 --keyid wk-2mO0x0yq3gQJm1v5nq0s1A --reason "found in a log"
  hufu merchant working-keys revoke 800000000000002 --all --reason "server stolen, ticket 4713"

A revoked key is refused (WORKING_KEY_UNKNOWN) within 2 seconds by every gateway on the store; the merchant signs in again with its own key.
Suspend the merchant, or retire its signing key, when that key is lost too.`;

type RevokeOptions = ChangeOptions & { keyid?: string[]; all?: boolean };

const { nowMs } = systemClock;
/** Gateways may give the merchant keys at the same moment. */
const ATTEMPTS_MAX = 8;

/** `hufu merchant working-keys`: what a merchant has signed in for, and how to take it away. */
export function workingKeysCommand(): Command {
  const command = new Command('working-keys').description('Working keys that a merchant has signed in for.').addHelpText('after', EXAMPLES);
  const number = ['<number>', 'merchant number, 15 digits'] as const;
  reading(command.command('list').description('The live working keys of a merchant; never the keys themselves.'))
    .argument(...number)
    .action(list);
  withChangeOptions(command.command('revoke').description('Take working keys from a merchant at once.'), 'required')
    .argument(...number)
    .option('--keyid <keyid...>', 'the keys, as `list` shows them')
    .option('--all', 'every working key of the merchant')
    .action(revoke);
  return command;
}

async function withShelf<T>(config: GatewayConfig, use: (shelf: WorkingKeyShelf) => Promise<T>): Promise<T> {
  const store = await openStore(config, (line) => console.error(`hufu: ${line}`));
  try {
    return await use(store.workingKeys);
  } finally {
    await store.close();
  }
}

function checkNumber(number: string): void {
  if (!/^\d{15}$/.test(number)) throw new WrongUse(`${number}: a merchant number has 15 digits`);
}

const liveRows = (text: string): readonly KeyRow[] => readRows(text).filter(({ notAfterMs }) => nowMs() < notAfterMs);
const iso = (ms: number): string => new Date(ms).toISOString();

async function list(number: string, options: ChangeOptions): Promise<void> {
  checkNumber(number);
  const rows = await withShelf(readConfiguration(options), async (shelf) => liveRows(await shelf.read(number)));
  const keys = rows.map(({ keyid, purpose, notBeforeMs, notAfterMs }) => ({
    ...{ keyid, purpose, notBefore: iso(notBeforeMs), notAfter: iso(notAfterMs) },
  }));
  if (options.json) {
    console.log(JSON.stringify({ keys }));
    return;
  }
  const titles = ['keyid', 'purpose', 'from', 'until'].map((title) => ({ title }));
  const cells = keys.map(({ keyid, purpose, notBefore, notAfter }) => [keyid, purpose, notBefore, notAfter]);
  console.log(formatTable(titles, cells).join('\n'));
}

async function revoke(number: string, options: RevokeOptions): Promise<void> {
  checkNumber(number);
  if ((options.keyid === undefined) === (options.all === undefined))
    throw new WrongUse('name the keys with --keyid, or all of them with --all');
  const config = readConfiguration(options);
  const gone = await withShelf(config, (shelf) => takeAway(shelf, number, options.keyid));
  const before = JSON.stringify(gone.map(({ keyid, purpose }) => ({ keyid, purpose })));
  await change(options, config, [], { kind: 'reload', subject: `working keys of merchant ${number} revoked`, before, after: '[]' });
}

/** The rows that were taken away. @param keyids all when undefined */
async function takeAway(shelf: WorkingKeyShelf, merchantNumber: string, keyids: readonly string[] | undefined): Promise<readonly KeyRow[]> {
  for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt += 1) {
    const before = await shelf.read(merchantNumber);
    const rows = liveRows(before);
    const unknown = keyids?.find((keyid) => !rows.some((row) => row.keyid === keyid));
    if (unknown !== undefined) throw new UserError(`merchant ${merchantNumber} has no live working key ${unknown}; nothing was changed`);
    const gone = rows.filter(({ keyid }) => keyids?.includes(keyid) ?? true);
    const kept = rows.filter((row) => !gone.includes(row));
    const now = nowMs();
    const untilMs = Math.max(now + 1_000, ...kept.map(({ notAfterMs }) => notAfterMs));
    if (await shelf.replace({ merchantNumber, before, after: JSON.stringify(kept), untilMs, nowMs: now })) return gone;
  }
  throw new UserError(`merchant ${merchantNumber} kept signing in meanwhile; nothing was changed: suspend it first, or try again`);
}
