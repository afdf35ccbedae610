import { Command } from 'commander';
import { startGateway } from '../runtime/gateway.ts';
import { loadConfigOrTellAll } from './load-config.ts';
import { checkConfigFile, environmentOf, locate } from './locate.ts';
import { readProfile, serve } from './serve.ts';

const EXAMPLES = `
Examples:
  hufu gateway --config /etc/hufu/gateway.yaml
  hufu gateway --profile development     loopback only, development keys allowed

Ports and places can be set by HUFU_PORT_INTERNET, HUFU_PORT_STATUS, HUFU_PORT_CORE, HUFU_DATA, HUFU_CERTS, HUFU_CONFIG, HUFU_STORE;
HUFU_INSTANCE names one of several gateways that share a gateway.yaml. SIGTERM and Ctrl-C stop it when what is under way is answered; SIGHUP
has it read its files anew, as \`hufu reload\` does for all gateways.`;

/** How long requests under way may take at a stop, ms. */
const DRAIN_MS = 35_000;

type Options = { profile: string; config?: string; data?: string };

/** `hufu gateway`: one gateway process. */
export function createCommand(): Command {
  return new Command('gateway')
    .description('Run the gateway. Production unless --profile development.')
    .option('--profile <name>', 'development (loopback only) or production', 'production')
    .option('--config <file>', 'gateway.yaml (default HUFU_CONFIG, else config/gateway.yaml in the data directory)')
    .option('--data <directory>', 'store, journals and keys (default HUFU_DATA, else as gateway.yaml says)')
    .addHelpText('after', EXAMPLES)
    .action(run);
}

function run(options: Options): Promise<void> {
  const profile = readProfile(options.profile);
  const places = locate(options, process.env);
  const file = checkConfigFile(places);
  const readConfig = () => loadConfigOrTellAll({ file, environment: environmentOf(places, process.env), profile });
  const config = readConfig();
  let reload = async (): Promise<void> => {};
  const serving = async (asked: Promise<void>) => {
    const gateway = await startGateway(config, { readConfig });
    reload = gateway.reload;
    console.log(`gateway ready on https://localhost:${gateway.ports.internet}, status on ${gateway.statusUrl}`);
    await asked;
    await gateway.stop(DRAIN_MS);
  };
  return serve(serving, () => void reload());
}
