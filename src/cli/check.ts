import { Command } from 'commander';
import { loadConfig } from '../config/load.ts';
import { UserError } from '../lib/user-error.ts';
import { loadRegistry } from '../registry/load.ts';
import { environmentOf, locate } from './locate.ts';
import { readProfile } from './serve.ts';

const EXAMPLES = `
Examples:
  hufu check                                         the development configuration
  hufu check --profile production --config /etc/hufu/gateway.yaml

Says everything that is wrong at once, one line each: file:line:column: what is wrong and what was expected.`;

type Options = { profile: string; config?: string; data?: string; json?: boolean };

/** `hufu check`: would the gateway start with this configuration? Reads only. */
export function createCommand(): Command {
  return new Command('check')
    .description('Check the configuration: gateway.yaml, plans, merchants, operations, certificates and keys.')
    .option('--profile <name>', 'development or production', 'development')
    .option('--config <file>', 'gateway.yaml (default HUFU_CONFIG, else the copy in the data directory)')
    .option('--data <directory>', 'the data directory (default HUFU_DATA)')
    .option('--json', 'print {merchants, operations, version} as JSON')
    .addHelpText('after', EXAMPLES)
    .action(run);
}

function run(options: Options): void {
  const places = locate(options, process.env);
  if (!places.config)
    throw new UserError('no gateway.yaml: name one with --config FILE or HUFU_CONFIG, or run `hufu up` once for a development copy');
  const config = loadConfig({
    file: places.config,
    environment: environmentOf(places, process.env),
    profile: readProfile(options.profile),
  });
  const { merchantNumbers, version } = loadRegistry(config);
  if (options.json) console.log(JSON.stringify({ config: config.file, merchants: merchantNumbers.length, version }));
  else
    console.log(
      `${config.file}: nothing wrong; ${merchantNumbers.length} merchants, store ${config.store.startsWith('sqlite:') ? config.store : 'Redis'}`,
    );
}
