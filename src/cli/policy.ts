import { Command } from 'commander';
import { formatTable } from '../lib/table.ts';
import { UserError } from '../lib/user-error.ts';
import { loadPolicyOf } from '../registry/load.ts';
import type { Policy } from '../registry/policy.ts';
import { readConfiguration } from './change.ts';
import { explain } from './policy/explain.ts';
import { reading } from './reading.ts';

const EXAMPLES = `
Examples:
  hufu policy show
  hufu policy explain --merchant 800000000000001 --operation payments.create --amount 1200000 --channel internet
  hufu policy explain --merchant 800000000000001 --operation payments.create --amount 60000000 --channel internet --json

Amounts are whole fen. Exit status 1 when the request would be refused.`;

type ShowOptions = { profile: string; config?: string; data?: string; json?: boolean };

/** `hufu policy`: dedicated line or internet, and why. */
export function createCommand(): Command {
  const command = new Command('policy')
    .description(
      'Dedicated line or internet (专线还是互联网)? Which rule of the access policy decides about a request, and what it demands.',
    )
    .addHelpText('after', EXAMPLES);
  reading(command.command('show')).description('the rules in their order').action(show);
  reading(command.command('explain'))
    .description('which rule decides about a request, which do not and why')
    .requiredOption('--merchant <number>', 'the merchant')
    .requiredOption('--operation <id>', 'the operation')
    .option('--amount <fen>', 'the amount, whole fen; needed where the operation moves one')
    .requiredOption('--channel <name>', 'internet or dedicated')
    .option('--address <address>', "address of the peer, for the merchant's list of networks")
    .action(explain);
  return command;
}

function show(options: ShowOptions): void {
  const config = readConfiguration(options);
  const policy = loadPolicyOf(config);
  if (!policy) throw new UserError(`${config.policy} cannot be read; \`hufu check\` says what is wrong`);
  console.log(options.json ? JSON.stringify(policy.written) : tableOf(policy));
}

function tableOf({ written: { rules } }: Policy): string {
  const columns = ['rule', 'internet', 'dedicated line', 'about'].map((title) => ({ title }));
  const words = (controls: readonly string[] | undefined) =>
    controls === undefined ? 'refused' : controls.length === 0 ? 'allowed' : `with ${controls.join(', ')}`;
  const rows = rules.map(({ id, allow, description = '' }) => [id, words(allow.internet), words(allow.dedicated), description]);
  return [...formatTable(columns, rows), '', 'The first rule that matches decides; when none does, the request is refused.'].join('\n');
}
