import { cpSync, existsSync, mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { Command } from 'commander';
import { ensureDevelopmentCertificates } from '../certificates/development-set.ts';
import { readConfig } from '../config/load.ts';
import { isLoopback } from '../config/loopback.ts';
import type { GatewayConfig } from '../config/schema.ts';
import { ensureDevelopmentKeys } from '../keys/development-keys.ts';
import { UserError } from '../lib/user-error.ts';
import { type RunningGateway, startGateway } from '../runtime/gateway.ts';
import { type DevelopmentCore, startDevelopmentCore } from './development-core.ts';
import { loadConfigOrTellAll } from './load-config.ts';
import { copiedConfig, environmentOf, locate, PROJECT } from './locate.ts';
import { serve } from './serve.ts';

const EXAMPLES = `
Examples:
  hufu up
  hufu up --data /tmp/second       a second copy; set HUFU_PORT_INTERNET, HUFU_PORT_STATUS and HUFU_PORT_CORE too (0: any free port)

Makes what is missing (authorities, certificates, keys, a copy of the configuration), never overwrites, and starts the gateway and
the reference core on this machine only. Stop with Ctrl-C.`;

/** How long requests under way may take at a stop, ms. */
const DRAIN_MS = 10_000;

type Options = { data?: string; config?: string };

/** `hufu up`: the whole product for development, on one machine, with nothing to prepare. */
export function createCommand(): Command {
  return new Command('up')
    .description('Start everything for development.')
    .option('--data <directory>', 'store, journals, keys and a copy of the configuration (default HUFU_DATA, else data/)')
    .option('--config <file>', 'another gateway.yaml (default HUFU_CONFIG, else the copy in the data directory)')
    .addHelpText('after', EXAMPLES)
    .action((options: Options) => serve((asked) => run(options, asked)));
}

async function run(options: Options, asked: Promise<void>): Promise<void> {
  const read = await prepare(options);
  const config = read();
  const core = await startCore(config);
  try {
    const withCore = (written: GatewayConfig): GatewayConfig => ({ ...written, core: { ...written.core, url: core.url } });
    const gateway = await startGateway(withCore(config), { readConfig: () => withCore(read()) });
    console.log(banner(gateway, core.url, config));
    const died = await Promise.race([asked, core.ended]);
    console.log('stopping');
    await gateway.stop(DRAIN_MS);
    if (died) throw new UserError(`the reference core ended by itself (${died}); its last words are above, start again`);
  } finally {
    await core.stop();
  }
}

/** Makes whatever is missing; returns what reads the configuration with everything in its place. */
async function prepare(options: Options): Promise<() => GatewayConfig> {
  const places = locate(options, process.env);
  const file = places.config ?? copyConfiguration(places.data as string);
  // Any free port is for the core to choose: see run.
  const anyCorePort = process.env.HUFU_PORT_CORE === '0' ? { HUFU_PORT_CORE: '' } : {};
  const given = { file, environment: { ...environmentOf(places, process.env), ...anyCorePort }, profile: 'development' } as const;
  const { dataDirectory, certificatesDirectory, secretsDirectory, core } = readConfig(given);
  checkOwnCore(core.url);
  mkdirSync(dataDirectory, { recursive: true, mode: 0o700 });
  await ensureDevelopmentCertificates(certificatesDirectory, (line) => console.log(`  ${line}`));
  ensureDevelopmentKeys(secretsDirectory);
  return () => loadConfigOrTellAll(given);
}

/** On first start only, so that what is removed from the copy stays removed. gateway.yaml comes last: it says that the copy is whole. */
function copyConfiguration(data: string): string {
  const shipped = join(PROJECT, 'config', 'gateway.yaml');
  const copy = copiedConfig(data);
  if (existsSync(copy)) return copy;
  mkdirSync(data, { recursive: true, mode: 0o700 });
  cpSync(dirname(shipped), dirname(copy), { recursive: true, force: false, filter: (path) => path !== shipped });
  cpSync(shipped, copy);
  return copy;
}

function checkOwnCore(url: string): void {
  const { protocol, hostname } = URL.canParse(url) ? new URL(url) : { protocol: 'http:', hostname: 'localhost' };
  if (protocol === 'http:' && isLoopback(hostname)) return;
  throw new UserError(
    `core.url is ${url}, and \`hufu up\` brings the reference core on this machine; for another core use \`hufu gateway --profile development\``,
  );
}

function startCore({ core, dataDirectory, secretsDirectory }: GatewayConfig): Promise<DevelopmentCore> {
  const { hostname, port } = new URL(core.url);
  const args = ['--address', hostname.replace(/^\[|\]$/g, ''), '--port', process.env.HUFU_PORT_CORE === '0' ? '0' : port || '80'];
  args.push('--database', join(dataDirectory, 'core.db'), '--assertion-key', join(secretsDirectory, 'assertion.pub'));
  if (process.env.HUFU_CORE_FAULTS === '1') args.push('--faults');
  return startDevelopmentCore(args, process.env);
}

function banner(gateway: RunningGateway, coreUrl: string, config: GatewayConfig): string {
  const { internet } = gateway.ports;
  const variables = [
    ...(internet === 8443 ? [] : [`HUFU_PORT_INTERNET=${internet}`]),
    ...(config.certificatesDirectory === join(PROJECT, 'certs') ? [] : [`HUFU_CERTS=${quote(config.certificatesDirectory)}`]),
  ];
  const call = [...variables, 'npx hufu call POST /v1/orders --merchant 800000000000001 --data @examples/order.json'].join(' ');
  return [
    `  merchants   https://localhost:${internet}`,
    `  core        ${coreUrl}`,
    `  status      ${gateway.statusUrl}/healthz`,
    `  store       ${config.store.startsWith('sqlite:') ? config.store : withoutPassword(config.store)}`,
    `  data        ${config.dataDirectory}`,
    '',
    'Try, in another shell:',
    `  ${call}`,
    '',
    'ready',
  ].join('\n');
}

const withoutPassword = (url: string): string => `${new URL(url).protocol}//${new URL(url).host}`;

/** As one word of a shell's command line. */
const quote = (text: string): string => (/^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`);
