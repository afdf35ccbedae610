import { type KeyObject, X509Certificate } from 'node:crypto';
import { isForHost, keyKindOf } from '../certificates/server-names.ts';

/** A certificate chain in PEM and its key. */
export type ServerCertificate = { readonly certificate: string; readonly key: KeyObject };

/** The certificates that one server name is served with, at most one for each kind of key. */
export type HostCertificates = { readonly hosts: readonly string[]; readonly pairs: readonly [ServerCertificate, ...ServerCertificate[]] };

/**
 * Sorts certificates by the names they are for. The first entry of the result is the default: it serves clients that name no host
 * of ours, and begins with the first certificate. Of two certificates of one kind for one name the first counts.
 */
export function groupByHost(
  certificates: readonly [ServerCertificate, ...ServerCertificate[]],
  hosts: readonly string[],
): HostCertificates[] {
  const read = certificates.map((pair) => ({ pair, x509: new X509Certificate(pair.certificate) }));
  const [first] = read as [(typeof read)[number]];
  const oneOfEachKind = (fit: typeof read): ServerCertificate[] =>
    fit.filter(({ x509 }, index) => fit.findIndex((other) => keyKindOf(other.x509) === keyKindOf(x509)) === index).map(({ pair }) => pair);
  const pairsOf = (host: string): ServerCertificate[] => oneOfEachKind(read.filter(({ x509 }) => isForHost(x509, host)));
  const defaultHost = hosts.find((host) => isForHost(first.x509, host));
  const standard = defaultHost === undefined ? [first.pair] : [first.pair, ...pairsOf(defaultHost).filter((pair) => pair !== first.pair)];
  const groups: { hosts: string[]; pairs: ServerCertificate[] }[] = [{ hosts: [], pairs: standard }];
  for (const host of hosts) {
    const pairs = pairsOf(host);
    const chosen = pairs.length > 0 ? pairs : standard;
    const group = groups.find((known) => known.pairs.length === chosen.length && known.pairs.every((pair) => chosen.includes(pair)));
    if (group) group.hosts.push(host);
    else groups.push({ hosts: [host], pairs: chosen });
  }
  return groups as unknown as HostCertificates[];
}

/** The two certificates of a name that has exactly one of RSA and one of an elliptic curve. */
export function findPairOfKinds(
  pairs: HostCertificates['pairs'],
): { readonly ec: ServerCertificate; readonly rsa: ServerCertificate; readonly elliptic: X509Certificate } | undefined {
  const read = pairs.map((pair) => ({ pair, x509: new X509Certificate(pair.certificate) }));
  const [ec, rsa] = ['ec', 'rsa'].map((kind) => read.find(({ x509 }) => keyKindOf(x509) === kind));
  return read.length === 2 && ec && rsa ? { ec: ec.pair, rsa: rsa.pair, elliptic: ec.x509 } : undefined;
}
