import { existsSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The folder of the project itself: where the shipped configuration and examples are. */
export const PROJECT = resolve(dirname(fileURLToPath(import.meta.url)), '..', '..');

/** Where a command works, by option, environment or default (contract.md section 1). */
export type Places = {
  readonly data: string;
  readonly certificates: string /** Undefined until `hufu up` has copied it. */;
  readonly config: string | undefined;
};

/** The gateway.yaml to use: the one named, else the copy that `hufu up` made in the data directory. */
export function locate(options: { data?: string; config?: string }, environment: NodeJS.ProcessEnv): Places {
  const data = resolve(options.data ?? (environment.HUFU_DATA || join(PROJECT, 'data')));
  const certificates = resolve(environment.HUFU_CERTS || join(PROJECT, 'certs'));
  const named = options.config ?? (environment.HUFU_CONFIG || undefined);
  const copied = join(data, 'config', 'gateway.yaml');
  const config = named === undefined ? (existsSync(copied) ? copied : undefined) : resolve(named);
  return { data, certificates, config };
}

/** The environment in which configuration is read, with the places of this command laid over it. */
export const environmentOf = (places: Places, environment: NodeJS.ProcessEnv): NodeJS.ProcessEnv => ({
  ...environment,
  HUFU_DATA: places.data,
  HUFU_CERTS: places.certificates,
});
