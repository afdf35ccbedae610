import { join } from 'node:path';
import { Command } from 'commander';
import { startCore } from '../reference-core/core.ts';
import { WrongUse } from './exit.ts';
import { readDirectories } from './locate.ts';
import { readPort, readProfile, serve } from './serve.ts';

const EXAMPLES = `
Examples:
  hufu core --profile development      the core of the development set, with seeded accounts
  hufu core --database /var/lib/core/ledger.db --assertion-key /etc/hufu/assertion.pub --merchant 801000000000001

The core is reached only through the gateway: it does nothing without the gateway's signed assertion.`;

type Options = {
  profile: string;
  port?: string;
  address: string;
  database?: string;
  assertionKey?: string;
  merchant: string[];
  faults?: boolean;
  push?: string;
};

/** `hufu core`: the reference core as a process of its own. */
export function createCommand(): Command {
  return new Command('core')
    .description('Run the reference core: orders and payments over a double-entry ledger.')
    .option('--profile <name>', 'development or production', 'production')
    .option('--address <address>', 'address to listen on', '127.0.0.1')
    .option('--port <port>', 'TCP port (default HUFU_PORT_CORE, else 7001)')
    .option('--database <file>', 'ledger (default core.db in the data directory)')
    .option('--assertion-key <file>', "the gateway's public key (default keys/assertion.pub in the data directory)")
    .option('--merchant <number>', 'open a settlement account for this merchant unless it has one; may be repeated', collectNumber, [])
    .option('--push <url>', "tell outcomes to the gateway's listener by oneself, e.g. http://127.0.0.1:7002/outcomes", readPushUrl)
    .option('--faults', 'development only: let tests break answers on purpose')
    .addHelpText('after', EXAMPLES)
    .action(run);
}

function collectNumber(number: string, before: readonly string[]): string[] {
  if (!/^[0-9]{15}$/.test(number))
    throw new WrongUse(`--merchant takes a merchant number of 15 digits, found ${JSON.stringify(number.slice(0, 40))}`);
  return [...before, number];
}

function readPushUrl(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url?.protocol !== 'http:' || !['127.0.0.1', 'localhost', '[::1]'].includes(url.hostname))
    throw new WrongUse('--push takes an address on this machine, such as http://127.0.0.1:7002/outcomes');
  return url.href;
}

function run(options: Options): Promise<void> {
  const directories = () => readDirectories({}, process.env);
  const port = readPort(options.port ?? (process.env.HUFU_PORT_CORE || '7001'), '--port or HUFU_PORT_CORE');
  const start = {
    databaseFile: options.database ?? join(directories().data, 'core.db'),
    address: options.address,
    port,
    assertionPublicKeyFile: options.assertionKey ?? join(directories().secrets, 'assertion.pub'),
    profile: readProfile(options.profile),
    faults: options.faults === true,
    ...(options.push === undefined ? {} : { pushUrl: options.push }),
    ...(options.merchant.length > 0 ? { merchantNumbers: options.merchant } : {}),
  };
  return serve(async (asked) => {
    const core = await startCore(start);
    console.log(`core ready on ${core.url}`);
    process.send?.({ url: core.url });
    await asked;
    await core.close();
  });
}
