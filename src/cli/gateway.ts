import { Command } from 'commander';
import { loadConfig } from '../config/load.ts';
import type { GatewayConfig } from '../config/schema.ts';
import { UserError } from '../lib/user-error.ts';
import { type RunningGateway, startGateway } from '../runtime/gateway.ts';
import { environmentOf, locate } from './locate.ts';
import { readProfile, untilStopped, wrapListenErrors } from './serve.ts';

const EXAMPLES = `
Examples:
  hufu gateway --config /etc/hufu/gateway.yaml
  hufu gateway --profile development     loopback only, development keys allowed

Ports and places can be set by HUFU_PORT_INTERNET, HUFU_PORT_STATUS, HUFU_PORT_CORE, HUFU_DATA, HUFU_CERTS, HUFU_CONFIG, HUFU_STORE.`;

/** How long requests under way may take at a stop, ms. */
const DRAIN_MS = 35_000;

type Options = { profile: string; config?: string; data?: string };

/** Starts the gateway; what is wrong with a port is one line that names the variable. */
export function start(config: GatewayConfig): Promise<RunningGateway> {
  const { internet, status } = config.listeners;
  return wrapListenErrors({ name: 'the merchant listener', ...internet, variable: 'HUFU_PORT_INTERNET' }, () =>
    startGateway(config, {
      whileStatusStarts: (listen) => wrapListenErrors({ name: 'the status listener', ...status, variable: 'HUFU_PORT_STATUS' }, listen),
    }),
  );
}

/** `hufu gateway`: one gateway process. */
export function createCommand(): Command {
  return new Command('gateway')
    .description('Run the gateway. Production unless --profile development.')
    .option('--profile <name>', 'development (loopback only) or production', 'production')
    .option('--config <file>', 'gateway.yaml (default HUFU_CONFIG, else config/gateway.yaml in the data directory)')
    .option('--data <directory>', 'store, journals and keys (default HUFU_DATA)')
    .addHelpText('after', EXAMPLES)
    .action(run);
}

async function run(options: Options): Promise<void> {
  const profile = readProfile(options.profile);
  const places = locate(options, process.env);
  if (!places.config)
    throw new UserError('no gateway.yaml: name one with --config FILE or HUFU_CONFIG, or run `hufu up` once for a development copy');
  const gateway = await start(loadConfig({ file: places.config, environment: environmentOf(places, process.env), profile }));
  console.log(`gateway ready on https://localhost:${gateway.ports.internet}, status on http://127.0.0.1:${gateway.ports.status}`);
  await untilStopped();
  await gateway.stop(DRAIN_MS);
}
