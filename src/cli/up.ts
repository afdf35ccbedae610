import { type ChildProcess, spawn } from 'node:child_process';
import { cpSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { Command } from 'commander';
import { ensureDevelopmentCertificates } from '../certificates/development-set.ts';
import { loadConfig } from '../config/load.ts';
import { ensureDevelopmentKeys } from '../keys/development-keys.ts';
import { UserError } from '../lib/user-error.ts';
import { start } from './gateway.ts';
import { environmentOf, locate, PROJECT } from './locate.ts';
import { untilStopped } from './serve.ts';

const EXAMPLES = `
Examples:
  hufu up
  hufu up --data /tmp/second       a second copy; set HUFU_PORT_INTERNET, HUFU_PORT_STATUS and HUFU_PORT_CORE too

Makes what is missing (authorities, certificates, keys, a copy of the configuration), never overwrites, and starts the gateway and
the reference core on this machine only. Stop with Ctrl-C.`;

/** Until the core must have said that it is ready, ms. */
const CORE_START_MS = 15_000;
const DRAIN_MS = 10_000;

type Options = { data?: string; config?: string };

/** `hufu up`: the whole product for development, on one machine, with nothing to prepare. */
export function createCommand(): Command {
  return new Command('up')
    .description('Start everything for development.')
    .option('--data <directory>', 'store, journals, keys and a copy of the configuration (default HUFU_DATA, else data/)')
    .option('--config <file>', 'another gateway.yaml (default HUFU_CONFIG, else the copy in the data directory)')
    .addHelpText('after', EXAMPLES)
    .action(run);
}

async function run(options: Options): Promise<void> {
  const report = (line: string) => console.log(`  ${line}`);
  const places = locate(options, process.env);
  mkdirSync(places.data, { recursive: true, mode: 0o700 });
  await ensureDevelopmentCertificates(places.certificates, report);
  const file = places.config ?? copyConfiguration(places.data);
  const environment = environmentOf(places, process.env);
  const load = () => loadConfig({ file, environment, profile: 'development' });
  ensureDevelopmentKeys(join(places.data, 'keys'));
  const config = load();
  ensureDevelopmentKeys(config.secretsDirectory);
  const core = await startCore(
    { ...environment, HUFU_PORT_CORE: new URL(config.core.url).port },
    join(config.secretsDirectory, 'assertion.pub'),
  );
  try {
    const gateway = await start(config);
    console.log(banner(gateway.ports, config.core.url, config.store, places));
    await Promise.race([untilStopped(), ended(core)]);
    console.log('stopping');
    await gateway.stop(DRAIN_MS);
  } finally {
    core.kill('SIGTERM');
  }
  if (core.exitCode !== null && core.exitCode !== 0) throw new UserError('the reference core ended by itself; its last words are above');
}

function copyConfiguration(data: string): string {
  const folder = join(data, 'config');
  cpSync(join(PROJECT, 'config'), folder, { recursive: true, errorOnExist: false, force: false });
  return join(folder, 'gateway.yaml');
}

const ended = (child: ChildProcess): Promise<void> => new Promise((resolve) => child.once('exit', () => resolve()));

/** The core in a process of its own, as a bank's would be. It ends when we do, however we end: the message channel tells it. */
function startCore(environment: NodeJS.ProcessEnv, assertionKey: string): Promise<ChildProcess> {
  const main = join(PROJECT, 'src', 'main.ts');
  const args = [main, 'core', '--profile', 'development', '--assertion-key', assertionKey];
  if (environment.HUFU_CORE_FAULTS === '1') args.push('--faults');
  const child = spawn(process.execPath, args, { env: environment, stdio: ['ignore', 'pipe', 'pipe', 'ipc'] });
  let words = '';
  child.stderr?.on('data', (chunk: Buffer) => {
    words += chunk.toString();
    process.stderr.write(chunk);
  });
  return new Promise((resolve, reject) => {
    const late = setTimeout(() => fail('did not get ready in time'), CORE_START_MS);
    const fail = (why: string) => {
      clearTimeout(late);
      child.kill('SIGTERM');
      reject(
        new UserError(words.trim() === '' ? `the reference core ${why}` : 'the reference core could not start; the line above says why'),
      );
    };
    child.once('exit', () => fail('ended at once'));
    child.stdout?.on('data', (chunk: Buffer) => {
      if (!chunk.toString().includes('ready')) return;
      clearTimeout(late);
      child.removeAllListeners('exit');
      resolve(child);
    });
  });
}

function banner(
  ports: { internet: number; status: number },
  coreUrl: string,
  store: string,
  places: { data: string; certificates: string },
): string {
  const variables = [
    ...(ports.internet === 8443 ? [] : [`HUFU_PORT_INTERNET=${ports.internet}`]),
    ...(process.env.HUFU_CERTS ? [`HUFU_CERTS=${places.certificates}`] : []),
  ];
  const call = [...variables, 'npx hufu call POST /v1/orders --merchant 800000000000001 --data @examples/order.json'].join(' ');
  return [
    `  merchants   https://localhost:${ports.internet}`,
    `  core        ${coreUrl}`,
    `  status      http://127.0.0.1:${ports.status}/healthz`,
    `  store       ${store.startsWith('sqlite:') ? store : new URL(store).protocol.concat('//', new URL(store).host)}`,
    `  data        ${places.data}`,
    '',
    'Try, in another shell:',
    `  ${call}`,
    '',
    'ready',
  ].join('\n');
}
