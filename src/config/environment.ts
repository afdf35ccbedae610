import { fileProblem, type Report } from './problems.ts';

/** What the environment sets over gateway.yaml (contract.md section 1). Empty variables count as unset. */
export type Overrides = {
  readonly instance?: string;
  readonly internetPort?: number;
  readonly dedicatedPort?: number;
  readonly statusPort?: number;
  readonly corePort?: number;
  readonly dataDirectory?: string;
  readonly certificatesDirectory?: string;
  readonly store?: string;
};

type Row = {
  readonly variable: string;
  readonly target: keyof Overrides;
  readonly kind: 'name' | 'port' | 'path' | 'store';
  readonly reason: string;
};

/** All variables; of two with one target the first that is set counts. */
export const ENVIRONMENT: readonly Row[] = [
  {
    variable: 'HUFU_INSTANCE',
    target: 'instance',
    kind: 'name',
    reason: 'instance, so that several gateways can share one gateway.yaml; instances must list it',
  },
  { variable: 'HUFU_PORT_INTERNET', target: 'internetPort', kind: 'port', reason: 'listeners.internet.port' },
  {
    variable: 'HUFU_PORT_DEDICATED',
    target: 'dedicatedPort',
    kind: 'port',
    reason: 'listeners.dedicated.port, where that listener is written',
  },
  { variable: 'HUFU_PORT_STATUS', target: 'statusPort', kind: 'port', reason: 'listeners.status.port' },
  { variable: 'HUFU_PORT_CORE', target: 'corePort', kind: 'port', reason: 'the port of core.url' },
  { variable: 'HUFU_DATA', target: 'dataDirectory', kind: 'path', reason: 'dataDirectory, relative to the working directory' },
  {
    variable: 'HUFU_CERTS',
    target: 'certificatesDirectory',
    kind: 'path',
    reason: 'certificatesDirectory, relative to the working directory',
  },
  { variable: 'HUFU_STORE', target: 'store', kind: 'store', reason: 'store' },
  { variable: 'REDIS_URL', target: 'store', kind: 'store', reason: 'store, when HUFU_STORE is not set' },
];

const FORMS = {
  name: { pattern: /^[a-z0-9][a-z0-9-]{0,62}$/, expected: 'a name of a-z, 0-9 and - (at most 63 characters)' },
  port: { pattern: /^(0|[1-9]\d{0,4})$/, expected: 'a port 0 to 65535' },
  path: { pattern: /^[^\0]{1,4096}$/, expected: 'a path' },
  store: {
    pattern: /^sqlite:[^\0]{1,4096}$|^rediss?(\+sentinel|\+cluster)?:\/\/\S{1,2048}$/,
    expected: 'sqlite:FILE, redis://HOST:PORT, redis+sentinel://HOST:PORT,HOST:PORT/NAME or redis+cluster://HOST:PORT,HOST:PORT',
  },
} as const;

/** Reads the overrides; a bad value is a problem that names its variable. Values of `store` are never repeated: they may hold a password. */
export function readEnvironment(environment: NodeJS.ProcessEnv, report: Report): Overrides {
  const overrides: { -readonly [K in keyof Overrides]: Overrides[K] } = {};
  for (const { variable, target, kind } of ENVIRONMENT) {
    const value = environment[variable];
    if (value === undefined || value === '' || overrides[target] !== undefined) continue;
    const { pattern, expected } = FORMS[kind];
    if (!pattern.test(value) || (kind === 'port' && Number(value) > 65_535)) {
      const found = kind === 'store' ? '' : `, found ${JSON.stringify(value.slice(0, 60))}`;
      report(fileProblem('environment', `${variable}: expected ${expected}${found}`));
    } else Object.assign(overrides, { [target]: kind === 'port' ? Number(value) : value });
  }
  return overrides;
}
