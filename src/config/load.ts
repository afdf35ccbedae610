import { dirname, resolve } from 'node:path';
import { checkFiles } from './check-files.ts';
import { checkShape, describe } from './check-shape.ts';
import { type Overrides, readEnvironment } from './environment.ts';
import { checkListeners, resolveListeners } from './listeners.ts';
import { type ConfigurationProblem, checkNone, type Report } from './problems.ts';
import { checkProduction } from './production.ts';
import { GATEWAY, type GatewayConfig, type Profile } from './schema.ts';
import { readYamlFile, type YamlFile } from './yaml-file.ts';

export type LoadOptions = {
  /** The gateway.yaml. */
  readonly file: string;
  readonly environment: NodeJS.ProcessEnv;
  readonly profile: Profile;
  /** False skips what is about certificate and key files, for commands that do not serve. Default true. */
  readonly checksFiles?: boolean;
  /** For the validity of certificates; default now. */
  readonly nowMs?: number;
};

/**
 * Reads gateway.yaml, lays the environment over it, and makes every path absolute.
 * Throws ConfigurationProblems with everything that is wrong, each with file, line and column.
 */
export function loadConfig(options: LoadOptions): GatewayConfig {
  const problems: ConfigurationProblem[] = [];
  const report: Report = (problem) => void problems.push(problem);
  const { source, config } = readForm(options, problems);
  checkMeaning(source, config, report);
  if (options.checksFiles ?? true) checkFiles(source, config, options.nowMs ?? Date.now(), report);
  if (options.profile === 'production') checkProduction(source, config, options.checksFiles ?? true, report);
  checkNone(problems);
  return config;
}

/**
 * Where things are, for commands that serve nothing: as loadConfig, but only the form is checked, since what a production
 * host may do and whether certificates are there does not matter for reading its journal.
 */
export function readConfig(options: Pick<LoadOptions, 'file' | 'environment' | 'profile'>): GatewayConfig {
  const problems: ConfigurationProblem[] = [];
  const { config } = readForm(options, problems);
  checkNone(problems);
  return config;
}

/** Throws when the file cannot be read as a configuration at all; other problems are added to the list. */
function readForm(
  { file, environment, profile }: Pick<LoadOptions, 'file' | 'environment' | 'profile'>,
  problems: ConfigurationProblem[],
): { readonly source: YamlFile; readonly config: GatewayConfig } {
  const report: Report = (problem) => void problems.push(problem);
  const overrides = readEnvironment(environment, report);
  const source = readYamlFile(resolve(file), report);
  const written = source && checkShape(source, GATEWAY, report);
  checkNone(written ? [] : problems);
  return { source: source as YamlFile, config: resolveConfig(source as YamlFile, written as Written, overrides, profile) };
}

type Written = NonNullable<ReturnType<typeof checkShape<typeof GATEWAY>>>;

/** Environment over file, defaults of the profile, absolute paths. */
function resolveConfig(source: YamlFile, written: Written, overrides: Overrides, profile: Profile): GatewayConfig {
  const here = (path: string) => resolve(dirname(source.file), path);
  const dataDirectory = overrides.dataDirectory === undefined ? here(written.dataDirectory) : resolve(overrides.dataDirectory);
  const certificatesDirectory =
    overrides.certificatesDirectory === undefined ? here(written.certificatesDirectory) : resolve(overrides.certificatesDirectory);
  const certificate = (path: string) => resolve(certificatesDirectory, path);
  return {
    ...written,
    file: source.file,
    profile,
    instance: overrides.instance ?? written.instance,
    dataDirectory,
    certificatesDirectory,
    secretsDirectory: resolve(dataDirectory, written.secretsDirectory ?? 'keys'),
    listeners: resolveListeners(
      written.listeners,
      profile,
      { internet: overrides.internetPort, dedicated: overrides.dedicatedPort, status: overrides.statusPort },
      certificate,
    ),
    authorities: written.authorities.map(({ certificates, crls, ...authority }) => ({
      ...authority,
      certificates: certificates.map(certificate),
      crls: crls.map((source) => (source.startsWith('http://') ? source : certificate(source))),
    })),
    answers: {
      ...written.answers,
      keys: written.answers.keys.map((row) => ({ ...row, certificate: certificate(row.certificate), key: certificate(row.key) })),
    },
    encryption: {
      keys: written.encryption.keys.map((row) => ({ ...row, certificate: certificate(row.certificate), key: certificate(row.key) })),
    },
    store: absoluteStore(overrides.store ?? written.store, dataDirectory),
    journal: { ...written.journal, directory: resolve(dataDirectory, written.journal.directory) },
    core: { ...written.core, url: coreUrl(written.core.url, overrides.corePort) },
    operations: written.operations.map(here),
    plans: here(written.plans),
    policy: here(written.policy),
    risk: written.risk && { ...written.risk, ...(written.risk.authority && { authority: certificate(written.risk.authority) }) },
    merchants: here(written.merchants),
  };
}

const absoluteStore = (store: string, dataDirectory: string): string =>
  store.startsWith('sqlite:') ? `sqlite:${resolve(dataDirectory, store.slice('sqlite:'.length))}` : store;

function coreUrl(written: string, port: number | undefined): string {
  if (!URL.canParse(written)) return written;
  const url = new URL(written);
  if (port !== undefined) url.port = String(port);
  return url.origin;
}

/** What no single key can tell: names that must agree with each other, and values with a meaning beyond their form. */
function checkMeaning(source: YamlFile, config: GatewayConfig, report: Report): void {
  const { instance, instances, authorities, timeZone } = config;
  if (!instances.includes(instance)) report(source.problem(['instance'], `instances: must list this instance, ${describe(instance)}`));
  if (!isTimeZone(timeZone))
    report(source.problem(['timeZone'], `timeZone: expected a time zone such as Asia/Shanghai, found ${describe(timeZone)}`));
  if (!URL.canParse(config.core.url))
    report(source.problem(['core', 'url'], `core.url: expected http://HOST:PORT, found ${describe(config.core.url)}`));
  else if (new URL(config.core.url).port === '0')
    report(source.problem(['core', 'url'], 'core.url: a gateway cannot find its core at port 0; only `hufu up` may choose any free port'));
  reportTwice(source, 'instances', instances, report);
  reportTwice(
    source,
    'authorities',
    authorities.map(({ name }) => name),
    report,
    'name',
  );
  reportTwice(
    source,
    'answers.keys',
    config.answers.keys.map(({ keyid }) => keyid),
    report,
    'keyid',
  );
  for (const [index, { ocsp }] of authorities.entries()) {
    if (ocsp && ocsp.mode !== 'off' && ocsp.url === undefined && ocsp.hosts.length === 0)
      report(
        source.problem(
          ['authorities', index, 'ocsp'],
          'authorities.ocsp: name the responder by url, or the hosts that certificates may name',
        ),
      );
  }
  reportTwice(
    source,
    'encryption.keys',
    config.encryption.keys.map(({ keyid }) => keyid),
    report,
    'keyid',
  );
  checkKeyidsDiffer(source, config, report);
  checkListeners(source, config, report);
}

/** One list names the retired keys of both kinds, and one command changes them. */
function checkKeyidsDiffer(source: YamlFile, { answers, encryption }: GatewayConfig, report: Report): void {
  for (const [index, { keyid }] of encryption.keys.entries())
    if (answers.keys.some((row) => row.keyid === keyid))
      report(source.problem(['encryption', 'keys', index, 'keyid'], `encryption.keys: ${keyid} is the name of a key in answers.keys`));
}

function reportTwice(source: YamlFile, path: string, values: readonly string[], report: Report, key?: string): void {
  for (const [index, value] of values.entries()) {
    const first = values.indexOf(value);
    if (first < index)
      report(source.problem([...path.split('.'), index, ...(key ? [key] : [])], `${path}: ${describe(value)} is listed twice`));
  }
}

function isTimeZone(name: string): boolean {
  try {
    new Intl.DateTimeFormat('en', { timeZone: name });
    return true;
  } catch {
    return false;
  }
}
