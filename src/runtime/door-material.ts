import { readFileSync } from 'node:fs';
import type { GatewayConfig } from '../config/schema.ts';
import { type ListenerAuthority, sameAuthorities, trustOptions } from '../identity/authorities.ts';
import type { BalancerPin } from '../identity/balancer.ts';
import { UserError } from '../lib/user-error.ts';
import type { ServerCertificate } from '../listeners/server-certificates.ts';
import type { TlsMaterial } from '../listeners/tls-servers.ts';

export type DoorName = 'internet' | 'dedicated' | 'balancer';

/** A listener's rows in gateway.yaml. */
export type Row = NonNullable<GatewayConfig['listeners'][DoorName]>;

/** What a door is made from and a reload may exchange. */
export type DoorMaterial = {
  readonly tls: TlsMaterial;
  /** Whose certificates may connect: of merchants, or of balancers. */
  readonly trusted: readonly ListenerAuthority[];
  /** Behind a balancer: whose certificates it may pass on. */
  readonly forwarded: readonly ListenerAuthority[];
  readonly pins: readonly BalancerPin[];
};

export const rowOf = ({ listeners }: GatewayConfig, name: DoorName): Row | undefined => listeners[name];

/**
 * Reads what a door is made from. Lists that did not change stay the same object, and with them what was verified under them.
 * Throws a UserError for files that cannot be read.
 */
export function readMaterial(
  config: GatewayConfig,
  authorities: readonly ListenerAuthority[],
  name: DoorName,
  before?: DoorMaterial,
): DoorMaterial {
  const row = rowOf(config, name);
  if (row === undefined) {
    // The listener is gone from the file, which takes effect at the next start; an authority that is gone is gone at once.
    const left = before as DoorMaterial;
    const trusted = stillListed(left.trusted, authorities);
    return {
      ...left,
      trusted,
      forwarded: stillListed(left.forwarded, authorities),
      tls: { ...left.tls, authorities: trustOptions(trusted).ca },
    };
  }
  const named = (names: readonly string[]) => authorities.filter((authority) => names.includes(authority.name));
  const merchants = named(row.authorities);
  const balancers = 'balancers' in row ? { authorities: named(row.balancerAuthorities), pins: row.balancers } : undefined;
  const trusted = keep(before?.trusted, balancers?.authorities ?? merchants);
  return {
    tls: { hosts: new Set(config.hosts), certificates: readCertificates(row), authorities: trustOptions(trusted).ca },
    trusted,
    forwarded: balancers ? keep(before?.forwarded, merchants) : [],
    pins: balancers?.pins ?? [],
  };
}

/** Whether TLS would be the same with either. */
export const sameTls = (a: TlsMaterial, b: TlsMaterial): boolean => JSON.stringify(plain(a)) === JSON.stringify(plain(b));

const plain = ({ hosts, ...more }: TlsMaterial): object => ({ ...more, hosts: [...hosts] });

const keep = (before: readonly ListenerAuthority[] | undefined, next: readonly ListenerAuthority[]): readonly ListenerAuthority[] =>
  before && sameAuthorities(before, next) ? before : next;

const stillListed = (before: readonly ListenerAuthority[], authorities: readonly ListenerAuthority[]): readonly ListenerAuthority[] =>
  keep(
    before,
    before.filter(({ trust }) => authorities.some((authority) => authority.trust === trust)),
  );

function readCertificates(listener: Row): [ServerCertificate, ...ServerCertificate[]] {
  const read = ({ certificate, key }: ServerCertificate): ServerCertificate => ({ certificate: readText(certificate), key: readText(key) });
  return [read(listener), ...listener.certificates.map(read)];
}

/** The files were read once before, when they were checked: only one that went away meanwhile fails here. */
function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (cause) {
    throw new UserError(`${file} cannot be read: ${(cause as Error).message}`, { cause });
  }
}
