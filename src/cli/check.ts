import { Command } from 'commander';
import { type ConfigurationProblem, ConfigurationProblems, formatProblems } from '../config/problems.ts';
import type { Profile } from '../config/schema.ts';
import { loadAuthorities } from '../identity/authorities.ts';
import { loadKeyring } from '../keys/keyring.ts';
import { loadAnswerKeys } from '../keys/load-answer-keys.ts';
import { UserError } from '../lib/user-error.ts';
import { readRegistry } from '../registry/load.ts';
import { EXIT } from './exit.ts';
import { loadConfigOrTellAll } from './load-config.ts';
import { checkConfigFile, environmentOf, locate } from './locate.ts';
import { readProfile } from './serve.ts';

const EXAMPLES = `
Examples:
  hufu check                                         the development configuration
  hufu check --profile production --config /etc/hufu/gateway.yaml

Says everything that is wrong at once, one line each: file:line:column: what is wrong and what was expected. Warnings are about what
works but is probably not meant; they do not change the exit status.`;

type Options = { profile: string; config?: string; data?: string; json?: boolean };

/** What is told about a configuration that works. */
type Findings = {
  readonly config: string;
  readonly store: string;
  readonly merchants: number;
  readonly version: string;
  readonly warnings: readonly ConfigurationProblem[];
};

/** `hufu check`: would the gateway start with this configuration? Reads only. */
export function createCommand(): Command {
  return new Command('check')
    .description('Check the configuration: gateway.yaml, plans, merchants, operations, certificates and keys.')
    .option('--profile <name>', 'development or production', 'development')
    .option('--config <file>', 'gateway.yaml (default HUFU_CONFIG, else the copy in the data directory)')
    .option('--data <directory>', 'the data directory (default HUFU_DATA)')
    .option('--json', 'print {config, problems, warnings, merchants, version} as JSON')
    .addHelpText('after', EXAMPLES)
    .action(run);
}

function run(options: Options): void {
  const profile = readProfile(options.profile);
  const file = checkConfigFile(locate(options, process.env));
  try {
    const findings = look(options, file, profile);
    console.log(options.json ? jsonOf(findings) : textOf(findings));
  } catch (error) {
    if (!options.json || !(error instanceof UserError)) throw error;
    const problems = error instanceof ConfigurationProblems ? error.problems : [{ message: error.message }];
    console.log(JSON.stringify({ config: file, problems, warnings: [] }));
    process.exitCode = EXIT.refused;
  }
}

/** Everything that a start reads. Throws UserError. */
function look(options: Options, file: string, profile: Profile): Findings {
  const config = loadConfigOrTellAll({ file, environment: environmentOf(locate(options, process.env), process.env), profile });
  const { snapshot, warnings } = readRegistry(config);
  const { answers, authorities, identity, secretsDirectory, store } = config;
  loadAuthorities(authorities, identity);
  loadKeyring({ secretsDirectory, production: profile === 'production' });
  loadAnswerKeys({ answerKeys: answers.keys, production: profile === 'production', nowMs: Date.now() });
  const { merchantNumbers, version } = snapshot;
  return { config: file, store: store.startsWith('sqlite:') ? store : 'Redis', merchants: merchantNumbers.length, version, warnings };
}

const jsonOf = ({ config, merchants, version, warnings }: Findings): string =>
  JSON.stringify({ config, problems: [], warnings, merchants, version });

function textOf({ config, merchants, store, warnings }: Findings): string {
  const lines = warnings.length > 0 ? formatProblems(warnings).replace(/^/gm, 'warning: ').split('\n') : [];
  return [...lines, `${config}: nothing wrong; ${merchants} merchants, store ${store}`].join('\n');
}
