import { randomBytes } from 'node:crypto';
import { loadPrivateKey, readText } from '../certificates/files.ts';
import type { GatewayConfig } from '../config/schema.ts';
import { type ListenerAuthority, sameAuthorities, trustOptions } from '../identity/authorities.ts';
import type { BalancerPin } from '../identity/balancer.ts';
import { checkKeyFileMode } from '../keys/file-mode.ts';
import { createSecretKey, SECRET_KEY_BYTES } from '../keys/secret-key.ts';
import { findTicketKeys, type SecretKeys } from '../keys/secret-keys.ts';
import { sameKey } from '../lib/same-key.ts';
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
 * What session tickets are made of: the files that all processes share, or one key of this process alone, so that sessions end with it.
 * Throws a UserError for a file that holds no key or that others may read.
 */
export function createTicketSource(nowMs: () => number): (config: GatewayConfig) => SecretKeys {
  const own = createSecretKey('tls-tickets', randomBytes(SECRET_KEY_BYTES));
  return ({ secretsDirectory }) => findTicketKeys(secretsDirectory, nowMs()) ?? { writing: () => own, all: [own] };
}

/**
 * Reads what a door is made from. Lists that did not change stay the same object, and with them what was verified under them.
 * Throws a UserError for files that cannot be read, and for keys that others may read.
 */
export function readMaterial(
  config: GatewayConfig,
  authorities: readonly ListenerAuthority[],
  name: DoorName,
  ticketKeys: SecretKeys,
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
    tls: { hosts: new Set(config.hosts), certificates: readCertificates(row), authorities: trustOptions(trusted).ca, ticketKeys },
    trusted,
    forwarded: balancers ? keep(before?.forwarded, merchants) : [],
    pins: balancers?.pins ?? [],
  };
}

/** Whether TLS would be the same with either. */
export const sameTls = (a: TlsMaterial, b: TlsMaterial): boolean =>
  JSON.stringify(plain(a)) === JSON.stringify(plain(b)) &&
  a.certificates.every(({ key }, index) => sameKey(key, (b.certificates[index] as ServerCertificate).key));

/** Without keys, which have no text. */
const plain = ({ hosts, certificates, authorities, ticketKeys }: TlsMaterial): object => [
  [...hosts],
  certificates.map(({ certificate }) => certificate),
  authorities,
  ticketKeys.all.map(({ id }) => id),
];

const keep = (before: readonly ListenerAuthority[] | undefined, next: readonly ListenerAuthority[]): readonly ListenerAuthority[] =>
  before && sameAuthorities(before, next) ? before : next;

const stillListed = (before: readonly ListenerAuthority[], authorities: readonly ListenerAuthority[]): readonly ListenerAuthority[] =>
  keep(
    before,
    before.filter(({ trust }) => authorities.some((authority) => authority.trust === trust)),
  );

function readCertificates(listener: Row): [ServerCertificate, ...ServerCertificate[]] {
  const read = ({ certificate, key }: { readonly certificate: string; readonly key: string }): ServerCertificate => {
    checkKeyFileMode(key);
    return { certificate: readText(certificate), key: loadPrivateKey(key) };
  };
  return [read(listener), ...listener.certificates.map(read)];
}
