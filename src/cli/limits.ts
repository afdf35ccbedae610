import { Command } from 'commander';
import { withChangeOptions } from './change.ts';
import { explain } from './limits/explain.ts';
import { override } from './limits/override.ts';
import { show } from './limits/show.ts';
import { reading } from './reading.ts';

const EXAMPLES = `
Examples:
  hufu limits show 800000000000001
  hufu limits show 800000000000001 --payer 6222020000000000001
  hufu limits explain 800000000000001 --operation payments.create --amount-fen 5000000
  hufu limits override 800000000000001 daily-amount --set max=20000000 --until 2026-12-01T00:00:00+08:00 \\
    --author "Wang Fang" --reason "double eleven sale, ticket 4711"

Amounts are whole fen. What is used is committed: the core did it. What is reserved is under way or of unknown outcome, and counts.`;

const lookingAt = (command: Command): Command =>
  reading(command)
    .option('--payer <number>', 'who pays, for limits that count by payer; it is hashed and not kept')
    .option('--address <address>', 'address of the peer, for limits that count by address');

/** `hufu limits`: what a merchant has used of its limits, which one would decide, and exceptions for a while. */
export function createCommand(): Command {
  const command = new Command('limits')
    .description(
      'What a merchant has used of its limits (限额), which of them would refuse a request, and exceptions that end by themselves.',
    )
    .addHelpText('after', EXAMPLES);
  lookingAt(command.command('show <merchant>'))
    .description('every limit of a merchant: bound, used, reserved, left, and when it begins anew')
    .action(show);
  lookingAt(command.command('explain <merchant>'))
    .description('which limit would decide a request now, in the order in which they are asked')
    .requiredOption('--operation <id>', 'the operation')
    .option('--amount-fen <number>', 'the amount, whole fen')
    .option('--currency <code>', 'its currency', 'CNY')
    .action(explain);
  withChangeOptions(command.command('override <merchant> <rule>'), 'required')
    .description("change a rule of the merchant's plan for this merchant, for a while or for good")
    .requiredOption('--set <key=value...>', 'keys of the rule and their values, e.g. max=20000000; shadow=true')
    .option('--until <time>', 'the first moment at which it no longer counts, RFC 3339; default: for good')
    .option('--author <name>', 'who allowed it; needed with --until')
    .action(override);
  return command;
}
