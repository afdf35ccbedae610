import type { RedisOptions } from 'ioredis';
import { UserError } from '../../lib/user-error.ts';

const PORT_DEFAULT = { single: 6379, sentinel: 26_379, cluster: 6379 } as const;
const HOW =
  'write redis://[user:password@]host[:port][/database], redis+sentinel://[user:password@]host[:port],.../name[/database] or redis+cluster://[user:password@]host[:port],...; rediss for TLS';
const ADDRESS = /^(redis|rediss)(?:\+(sentinel|cluster))?:\/\/(?:([^/?#]*)@)?([^@/?#]*)(?:\/([^?#]*))?(\?[^#]*)?$/i;

/** Where a server is. */
export type Endpoint = { readonly host: string; readonly port: number };

/** Options of the client, and the prefix of all keys if the address names one. `nodes`: of a Cluster, at least one that is asked for the others. */
export type RedisAddress = RedisOptions & { readonly prefix?: string; readonly nodes?: readonly Endpoint[] };

/**
 * Reads a store's address: one server, a master that Sentinels name, or a Cluster. `?protocol=2` asks for RESP2, for proxies that
 * know no RESP3; `?prefix=NAME:` puts another prefix before all keys, so that several installations can share a server;
 * `sentinelUser` and `sentinelPassword` are those of the Sentinels. Read here and not by the client library, which lets a query
 * parameter overrule any option. Throws a UserError that never quotes the address, since it may hold a password.
 */
export function readRedisAddress(address: string): RedisAddress {
  const [, scheme = '', shape = 'single', account = '', hosts = '', path = '', query = ''] = ADDRESS.exec(address) ?? [];
  if (scheme === '') throw new UserError(`the store's address is not a URL, or has another scheme than redis or rediss; ${HOW}`);
  const kind = shape.toLowerCase() as keyof typeof PORT_DEFAULT;
  const isTls = scheme.toLowerCase() === 'rediss';
  const nodes = hosts.split(',').map((host) => readEndpoint(host, PORT_DEFAULT[kind]));
  return {
    ...readPlace(kind, nodes, path, isTls),
    ...readAccount(account),
    ...(isTls ? { tls: {} } : {}),
    ...readParameters(new URLSearchParams(query), kind),
  };
}

function readEndpoint(text: string, portDefault: number): Endpoint {
  const url = text !== '' && URL.canParse(`redis://${text}`) ? new URL(`redis://${text}`) : undefined;
  if (!url?.hostname) throw new UserError(`the store's address names no host, or one that cannot be read; ${HOW}`);
  return { host: url.hostname.replace(/^\[|\]$/g, ''), port: url.port === '' ? portDefault : Number(url.port) };
}

function readPlace(kind: keyof typeof PORT_DEFAULT, nodes: readonly Endpoint[], path: string, isTls: boolean): RedisAddress {
  if (kind === 'cluster') {
    if (path !== '') throw new UserError(`the store's address names a database, and a Cluster has only one; ${HOW}`);
    return { nodes };
  }
  if (kind === 'single') {
    const [node, ...more] = nodes;
    if (more.length > 0) throw new UserError(`the store's address names several hosts; ${HOW}`);
    return { ...node, db: readDatabase(path) };
  }
  const [name = '', database = '', ...rest] = path.split('/');
  if (!/^[A-Za-z0-9._-]{1,128}$/.test(name) || rest.length > 0)
    throw new UserError(`the store's address does not say which master the Sentinels watch; ${HOW}`);
  return {
    sentinels: [...nodes],
    name,
    role: 'master',
    db: readDatabase(database),
    ...(isTls ? { enableTLSForSentinelMode: true, sentinelTLS: {} } : {}),
  };
}

function readDatabase(text: string): number {
  if (!/^\d{0,4}$/.test(text)) throw new UserError(`the store's address names a database that is not a number; ${HOW}`);
  return Number(text);
}

function readAccount(text: string): { username?: string; password?: string } {
  const [, user = '', password = ''] = /^([^:]*):?(.*)$/s.exec(text) ?? [];
  return { ...(user === '' ? {} : { username: readPart(user) }), ...(password === '' ? {} : { password: readPart(password) }) };
}

function readPart(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw new UserError(`the user or password of the store's address has a broken % escape; ${HOW}`);
  }
}

type Parameter = { readonly allowed: RegExp; readonly must: string; readonly option: string; readonly of?: 'sentinel' };
const PARAMETERS: Readonly<Record<string, Parameter>> = {
  protocol: { allowed: /^[23]$/, must: 'be 2 or 3', option: 'protocol' },
  // A brace would make or break the hash tag that keeps a merchant's keys together.
  prefix: { allowed: /^[A-Za-z0-9:._-]{1,64}$/, must: 'be 1 to 64 letters, digits and : . _ -', option: 'prefix' },
  sentinelUser: { allowed: /^.{1,256}$/s, must: 'be 1 to 256 characters', option: 'sentinelUsername', of: 'sentinel' },
  sentinelPassword: { allowed: /^.{1,1024}$/s, must: 'be 1 to 1024 characters', option: 'sentinelPassword', of: 'sentinel' },
};

function readParameters(query: URLSearchParams, kind: string): RedisAddress {
  const options: Record<string, string> = {};
  for (const [name, value] of query) {
    const rule = Object.hasOwn(PARAMETERS, name) ? PARAMETERS[name] : undefined;
    if (!rule || (rule.of && rule.of !== kind)) {
      const names = Object.keys(PARAMETERS).filter((known) => [undefined, kind].includes(PARAMETERS[known]?.of));
      throw new UserError(`the store's address has a query parameter other than ${names.join(' and ')}; ${HOW}`);
    }
    if (!rule.allowed.test(value)) throw new UserError(`the ${name} of the store's address must ${rule.must}`);
    options[rule.option] ??= value;
  }
  return { ...options, protocol: options.protocol === '2' ? 2 : 3 };
}
