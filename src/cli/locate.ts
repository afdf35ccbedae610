import { existsSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { readConfig } from '../config/load.ts';
import type { GatewayConfig } from '../config/schema.ts';
import { UserError } from '../lib/user-error.ts';

/** The folder of the project itself: where the shipped configuration and examples are. */
export const PROJECT = resolve(dirname(fileURLToPath(import.meta.url)), '..', '..');

/** Where a command works, by option, environment or default (contract.md section 1). */
export type Places = {
  /** Undefined: the gateway.yaml that was named says it. */
  readonly data: string | undefined;
  readonly certificates: string | undefined;
  /** The gateway.yaml that was named, else the copy that `hufu up` made in the data directory; undefined until it has. */
  readonly config: string | undefined;
};

type Options = { readonly data?: string; readonly config?: string };

/** Reads options and variables alone, no file. A named gateway.yaml has its own directories unless they are named too. */
export function locate(options: Options, environment: NodeJS.ProcessEnv): Places {
  const named = options.config ?? (environment.HUFU_CONFIG || undefined);
  const standard = (folder: string): string | undefined => (named === undefined ? join(PROJECT, folder) : undefined);
  const absolute = (path: string | undefined): string | undefined => (path === undefined ? undefined : resolve(path));
  const data = absolute(options.data ?? (environment.HUFU_DATA || standard('data')));
  const certificates = absolute(environment.HUFU_CERTS || standard('certs'));
  const copied = data === undefined ? undefined : copiedConfig(data);
  const config = absolute(named) ?? (copied !== undefined && existsSync(copied) ? copied : undefined);
  return { data, certificates, config };
}

/** Where `hufu up` puts its copy of the configuration. */
export const copiedConfig = (data: string): string => join(data, 'config', 'gateway.yaml');

/** The gateway.yaml to serve with. Throws a UserError when there is none. */
export function checkConfigFile({ config }: Places): string {
  if (config !== undefined) return config;
  throw new UserError('no gateway.yaml: name one with --config FILE or HUFU_CONFIG, or run `hufu up` once for a development copy');
}

/** The environment in which configuration is read, with the places of this command laid over it. */
export const environmentOf = ({ data, certificates }: Places, environment: NodeJS.ProcessEnv): NodeJS.ProcessEnv => ({
  ...environment,
  ...(data === undefined ? {} : { HUFU_DATA: data }),
  ...(certificates === undefined ? {} : { HUFU_CERTS: certificates }),
});

/** Where a gateway keeps its files: as its gateway.yaml says, else below the data directory. Throws UserError. */
export type Directories = { readonly data: string; readonly secrets: string; readonly journals: string };

/** For commands that look at files without serving. */
export function readDirectories(options: Options, environment: NodeJS.ProcessEnv): Directories {
  const places = locate(options, environment);
  const { data = join(PROJECT, 'data'), config } = places;
  if (config === undefined) return { data, secrets: join(data, 'keys'), journals: join(data, 'journal') };
  const read = readConfig({ file: config, environment: environmentOf(places, environment), profile: 'production' });
  return { data: read.dataDirectory, secrets: read.secretsDirectory, journals: read.journal.directory };
}

/** The configuration of a command that only looks. Throws a UserError when there is none, or when it cannot be read. */
export function readOnly(places: Places, environment: NodeJS.ProcessEnv): GatewayConfig {
  return readConfig({ file: checkConfigFile(places), environment: environmentOf(places, environment), profile: 'production' });
}
