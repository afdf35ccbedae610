import { Command } from 'commander';
import { loadRegistry } from '../registry/load.ts';
import { type ChangeOptions, change, readConfiguration, withChangeOptions } from './change.ts';

const EXAMPLES = `
Examples:
  hufu reload                    after files were edited by hand or distributed
  hufu reload --reason "new plans of November"

Merchants, plans, operations, hosts, blocked certificates and CRLs, the listeners' certificates and keys, and the authorities are read
anew by every running gateway, as a whole: what is wrong is told, and the old configuration stays in use. Open connections go on,
except those of an authority that is gone. Everything else of gateway.yaml takes effect at the next start. A single gateway does the
same on SIGHUP.`;

/** `hufu reload`: every gateway on the store reads its files anew. */
export function createCommand(): Command {
  return withChangeOptions(
    new Command('reload').description('Check the configuration and have every running gateway read it anew.'),
    'optional',
  )
    .addHelpText('after', EXAMPLES)
    .action(run);
}

async function run(options: ChangeOptions): Promise<void> {
  const config = readConfiguration(options);
  const { version } = loadRegistry(config);
  await change(options, config, [], { kind: 'reload', subject: 'configuration', before: '', after: version });
}
