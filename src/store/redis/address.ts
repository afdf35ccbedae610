import type { RedisOptions } from 'ioredis';
import { UserError } from '../../lib/user-error.ts';

const PORT_DEFAULT = 6379;
const HOW = 'write redis://[user:password@]host[:port][/database], or rediss:// for TLS';

/** Options of the client, and the prefix of all keys if the address names one. */
export type RedisAddress = RedisOptions & { readonly prefix?: string };

/**
 * Reads a store's address. `?protocol=2` asks for RESP2, for proxies that know no RESP3; `?prefix=NAME:` puts another
 * prefix before all keys, so that several installations can share a server. Read here and not by the client library, which lets a query parameter overrule any option. Throws a UserError that
 * never quotes the address, since it may hold a password.
 */
export function readRedisAddress(address: string): RedisAddress {
  if (!URL.canParse(address)) throw new UserError(`the store's address is not a URL; ${HOW}`);
  const url = new URL(address);
  if (url.protocol !== 'redis:' && url.protocol !== 'rediss:')
    throw new UserError(`the store's address has another scheme than redis or rediss; ${HOW}`);
  if (url.hostname === '') throw new UserError(`the store's address names no host; ${HOW}`);
  const database = url.pathname.slice(1);
  if (!/^\d{0,4}$/.test(database)) throw new UserError(`the store's address names a database that is not a number; ${HOW}`);
  return {
    host: url.hostname.replace(/^\[|\]$/g, ''),
    port: url.port === '' ? PORT_DEFAULT : Number(url.port),
    db: Number(database),
    ...(url.username === '' ? {} : { username: readPart(url.username) }),
    ...(url.password === '' ? {} : { password: readPart(url.password) }),
    ...(url.protocol === 'rediss:' ? { tls: {} } : {}),
    ...readParameters(url.searchParams),
  };
}

function readPart(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw new UserError(`the user or password of the store's address has a broken % escape; ${HOW}`);
  }
}

const PARAMETERS: Readonly<Record<string, { readonly allowed: RegExp; readonly must: string }>> = {
  protocol: { allowed: /^[23]$/, must: 'be 2 or 3' },
  // A brace would make or break the hash tag that keeps a merchant's keys together.
  prefix: { allowed: /^[A-Za-z0-9:._-]{1,64}$/, must: 'be 1 to 64 letters, digits and : . _ -' },
};

function readParameters(query: URLSearchParams): { protocol: 2 | 3; prefix?: string } {
  for (const [name, value] of query) {
    const rule = Object.hasOwn(PARAMETERS, name) ? PARAMETERS[name] : undefined;
    if (!rule) throw new UserError(`the store's address has a query parameter other than ${Object.keys(PARAMETERS).join(' and ')}; ${HOW}`);
    if (!rule.allowed.test(value)) throw new UserError(`the ${name} of the store's address must ${rule.must}`);
  }
  const prefix = query.get('prefix');
  return { protocol: query.get('protocol') === '2' ? 2 : 3, ...(prefix === null ? {} : { prefix }) };
}
