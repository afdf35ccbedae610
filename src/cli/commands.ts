import { readFileSync } from 'node:fs';
import { Command } from 'commander';
import { describeFailure } from './exit.ts';

/** One command: its file is loaded only when it runs. */
export type CommandRow = {
  readonly name: string;
  readonly summary: string;
  readonly load: () => Promise<{ readonly createCommand: () => Command }>;
};

export const COMMANDS: readonly CommandRow[] = [
  { name: 'up', summary: 'start everything for development: certificates, gateway, reference core', load: () => import('./up.ts') },
  { name: 'gateway', summary: 'run the gateway (production profile)', load: () => import('./gateway.ts') },
  { name: 'core', summary: 'run the reference core', load: () => import('./core.ts') },
  { name: 'check', summary: 'check the configuration and say everything that is wrong with it', load: () => import('./check.ts') },
  { name: 'call', summary: 'send a signed request as a merchant and verify the answer', load: () => import('./call.ts') },
  { name: 'sign', summary: 'sign a request without sending it; shows the exact signature base', load: () => import('./sign.ts') },
  { name: 'verify', summary: 'verify a request or an answer and explain what is wrong', load: () => import('./verify.ts') },
  {
    name: 'certificate',
    summary: 'authorities, and certificates from the first day to the last',
    load: () => import('./certificate/command.ts'),
  },
  { name: 'inventory', summary: 'every key, certificate, suite and binding, and when it ends', load: () => import('./inventory.ts') },
  { name: 'merchant', summary: 'add, bind, unbind, suspend, resume and show merchants', load: () => import('./merchant.ts') },
  { name: 'limits', summary: 'what a merchant has used of its limits, and which one decides', load: () => import('./limits.ts') },
  { name: 'policy', summary: 'dedicated line or internet: which rule decides, and why', load: () => import('./policy.ts') },
  {
    name: 'reservations',
    summary: 'payments under way or of unknown outcome, and deciding one by hand',
    load: () => import('./reservations.ts'),
  },
  { name: 'store', summary: 'whether the store is open, and opening one whose journals are lost', load: () => import('./store.ts') },
  { name: 'keys', summary: 'announce, promote and retire the keys that sign answers', load: () => import('./keys.ts') },
  { name: 'block', summary: 'refuse certificates at once, whatever their authority says', load: () => import('./block.ts') },
  { name: 'reload', summary: 'have every running gateway read its files anew', load: () => import('./reload.ts') },
  { name: 'doctor', summary: 'explain why a merchant cannot connect', load: () => import('./doctor.ts') },
  { name: 'journal', summary: 'verify and read the journal', load: () => import('./journal.ts') },
];

function readVersion(): string {
  const file = new URL('../../package.json', import.meta.url);
  return (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version;
}

/** Gives a command and those below it our handling of errors: commander passes it on only to commands it created itself. */
function passOnSettings(program: Command, command: Command): void {
  command.exitOverride().configureOutput(program.configureOutput());
  for (const child of command.commands) passOnSettings(program, child);
}

/** The program with the chosen command loaded; the others are only rows of its help. */
async function createProgram(chosen: string | undefined): Promise<Command> {
  const program = new Command('hufu')
    .description('Payment front processor (外联前置): the hardened door between merchants and a payment core.')
    .version(readVersion())
    .exitOverride()
    .configureOutput({ outputError: (text, write) => write(text.replace(/^error: /, 'hufu: ')) })
    .addHelpText('after', '\nRun `hufu COMMAND --help` for options and examples.\nExit status: 0 done, 1 refused or invalid, 2 wrong use.');
  for (const row of COMMANDS) {
    const command = row.name === chosen ? (await row.load()).createCommand() : new Command(row.name);
    program.addCommand(command.summary(row.summary));
    passOnSettings(program, command);
  }
  return program;
}

/** Runs a command line (without `node` and the file) and sets the exit status. Never throws. */
export async function runCommandLine(args: readonly string[]): Promise<void> {
  try {
    const program = await createProgram(args[0] === 'help' ? args[1] : args[0]);
    await program.parseAsync(args as string[], { from: 'user' });
  } catch (error) {
    const { text, exitCode } = describeFailure(error);
    process.stderr.write(text);
    process.exitCode = exitCode;
  }
}
