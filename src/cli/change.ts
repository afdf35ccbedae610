import { randomBytes } from 'node:crypto';
import { chownSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir, userInfo } from 'node:os';
import { basename, dirname, join } from 'node:path';
import type { Command } from 'commander';
import { loadConfig } from '../config/load.ts';
import type { GatewayConfig } from '../config/schema.ts';
import { systemClock } from '../lib/clock.ts';
import { writeFileAtomic } from '../lib/files.ts';
import { UserError } from '../lib/user-error.ts';
import type { Acknowledgement, Announced, AnnouncementKind, Announcements } from '../ports/announcements.ts';
import { loadRegistry } from '../registry/load.ts';
import { openStore } from '../runtime/open-store.ts';
import { EXIT } from './exit.ts';
import { checkConfigFile, environmentOf, locate } from './locate.ts';
import { readProfile } from './serve.ts';

export type ChangeOptions = { profile: string; config?: string; data?: string; json?: boolean; reason?: string };

/** How an operator's change is told: see ports/announcements. */
export type Told = { readonly kind: AnnouncementKind; readonly subject: string; readonly before: string; readonly after: string };

/** A file's new content; `former` is what the change was made from, undefined for a file that must not exist yet. */
export type FileChange = { readonly file: string; readonly former: string | undefined; readonly content: string };

/** How long instances have to acknowledge, ms: the 2 s in which a change bites, and time for large configurations. */
const ACKNOWLEDGE_MS = 10_000;
const ASK_EVERY_MS = 50;

/** Options of every command that changes the running gateways. */
export const withChangeOptions = (command: Command, reason: 'required' | 'optional'): Command =>
  (reason === 'required'
    ? command.requiredOption('--reason <text>', 'why, for the journal')
    : command.option('--reason <text>', 'why, for the journal')
  )
    .option('--profile <name>', 'development or production: what the changed configuration is checked against', 'development')
    .option('--config <file>', 'gateway.yaml (default HUFU_CONFIG, else the copy in the data directory)')
    .option('--data <directory>', 'the data directory (default HUFU_DATA)')
    .option('--json', 'print {version, changed, acknowledged, missing} as JSON');

/** The configuration as the gateways read it. Throws a UserError when it is wrong before any change. */
export function readConfiguration(options: Pick<ChangeOptions, 'profile' | 'config' | 'data'>, file?: string): GatewayConfig {
  const places = locate(options, process.env);
  const named = file ?? checkConfigFile(places);
  const environment = environmentOf(places, process.env);
  return loadConfig({ file: named, environment, profile: readProfile(options.profile) });
}

/**
 * Writes a change, tells it to all gateways on the store, and waits until every configured instance has it in force and in its
 * journal. The whole configuration is checked with all changes together before anything is written. Sets exit status 1 when an instance
 * did not acknowledge. Throws a UserError when the change is wrong; then nothing was changed.
 */
export async function change(
  options: ChangeOptions,
  config: GatewayConfig,
  files: readonly FileChange[],
  ...told: readonly [Told, ...Told[]]
): Promise<void> {
  const changed = files.filter(({ former, content }) => former !== content);
  checkChanged(options, config, changed);
  const store = await openStore(config, (line) => console.error(`hufu: ${line}`));
  try {
    for (const file of changed) checkUntouched(file);
    for (const file of changed) await write(file);
    const act = { actor: userInfo().username, reason: options.reason ?? '' };
    let inForce: { readonly version: number; readonly given: readonly Acknowledgement[] } = { version: 0, given: [] };
    // One after the other: what a later one forbids must not be forbidden before the earlier one is in force.
    for (const one of told) {
      const version = await announce(store.announcements, { ...one, ...act, atMs: systemClock.nowMs() }, changed);
      inForce = { version, given: await untilAcknowledged(store.announcements, version, config.instances) };
    }
    tell(options, inForce.version, changed, config.instances, inForce.given);
  } finally {
    await store.close();
  }
}

async function announce(announcements: Announcements, row: Announced, changed: readonly FileChange[]): Promise<number> {
  try {
    return await announcements.announce(row);
  } catch (cause) {
    const written = changed.length > 0 ? `${changed.map(({ file }) => file).join(', ')} is written, but ` : '';
    throw new UserError(`${written}no gateway was told: ${(cause as Error).message}; mend the store and run the command again`, { cause });
  }
}

/** Loads everything as it would be after the change, from beside the real files. Problems name the real ones. */
function checkChanged(options: ChangeOptions, config: GatewayConfig, changed: readonly FileChange[]): void {
  const ofMerchants = changed.filter(({ file }) => dirname(file) === config.merchants);
  if (ofMerchants.length > 0) {
    const trial = mkdtempSync(join(tmpdir(), 'hufu-check-'));
    onTrial(trial, config.merchants, () => {
      fillTrial(trial, config.merchants, ofMerchants);
      loadRegistry({ ...config, merchants: trial });
    });
  }
  for (const { file, content } of changed.filter((one) => !ofMerchants.includes(one))) {
    const trial = `${file}.${randomBytes(6).toString('hex')}.check`;
    onTrial(trial, file, () => {
      writeFileSync(trial, content, { mode: 0o600, flag: 'wx' });
      loadRegistry(readConfiguration(options, trial));
    });
  }
}

/** Runs a check on something beside the real one, which is removed after it. */
function onTrial(trial: string, real: string, check: () => void): void {
  try {
    check();
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    const problems = error.message.replaceAll(trial, real);
    throw new UserError(`nothing was changed; with the change the configuration would be wrong:\n${problems}`, { cause: error });
  } finally {
    rmSync(trial, { recursive: true, force: true });
  }
}

/** The directory of merchants as it would be: links to the files that stay, and the changed ones. */
function fillTrial(trial: string, merchants: string, changed: readonly FileChange[]): void {
  const names = changed.map(({ file }) => basename(file));
  for (const name of readdirSync(merchants)) if (!names.includes(name)) symlinkSync(join(merchants, name), join(trial, name));
  for (const { file, content } of changed) writeFileSync(join(trial, basename(file)), content);
}

function checkUntouched({ file, former }: FileChange): void {
  const present = existsSync(file) ? readFileSync(file, 'utf8') : undefined;
  if (present !== former) throw new UserError(`${file} was changed by someone else meanwhile; nothing was written, run the command again`);
}

async function write({ file, former, content }: FileChange): Promise<void> {
  const { uid, gid, mode } = statSync(former === undefined ? dirname(file) : file);
  await writeFileAtomic(file, content, { mode: former === undefined ? 0o640 : mode & 0o777 });
  // A file that root wrote must stay readable for the user that the gateway runs as.
  if (process.getuid?.() === 0) chownSync(file, uid, gid);
}

/** The acknowledgements of this version or a later one, as many as came in time. */
async function untilAcknowledged(
  announcements: Announcements,
  version: number,
  instances: readonly string[],
): Promise<readonly Acknowledgement[]> {
  const endsAtMs = systemClock.monotonicMs() + ACKNOWLEDGE_MS;
  for (;;) {
    // A store that is away for a moment is asked again: the change stands, and saying so is all that is left.
    const all = await announcements.acknowledgements().catch(() => []);
    const given = instances.flatMap((instance) => all.filter((row) => row.instance === instance && row.version >= version));
    if (given.length === instances.length || systemClock.monotonicMs() > endsAtMs) return given;
    await new Promise((resolve) => setTimeout(resolve, ASK_EVERY_MS));
  }
}

function tell(
  { json }: ChangeOptions,
  version: number,
  changed: readonly FileChange[],
  instances: readonly string[],
  given: readonly Acknowledgement[],
): void {
  const missing = instances.filter((instance) => !given.some((row) => row.instance === instance));
  const partly = given.filter(({ problem }) => problem !== '');
  if (missing.length > 0 || partly.length > 0) process.exitCode = EXIT.refused;
  if (json) {
    console.log(JSON.stringify({ version, changed: changed.map(({ file }) => file), acknowledged: given, missing }));
    return;
  }
  for (const { file } of changed) console.log(`${file}: written`);
  for (const { instance, problem } of given)
    console.log(problem === '' ? `${instance}: in force` : `${instance}: told, but its own files are wrong and were not taken: ${problem}`);
  for (const instance of missing)
    console.error(
      `hufu: ${instance} did not acknowledge within ${ACKNOWLEDGE_MS / 1000} s: see whether it runs; it takes the change when it reaches the store`,
    );
}
