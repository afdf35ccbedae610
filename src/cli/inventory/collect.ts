import { authorityFiles } from '../../certificates/authority.ts';
import { readIndex, standingOf } from '../../certificates/authority-index.ts';
import { type Expiry, expiryOf } from '../../certificates/expiry.ts';
import { AUTHORITY_NAMES } from '../../certificates/issuing-rules.ts';
import { describeKey } from '../../certificates/key-pair.ts';
import { type CertificateFacts, readCertificate } from '../../certificates/read.ts';
import { namedCertificates } from '../../config/check-files.ts';
import { formatProblems } from '../../config/problems.ts';
import type { GatewayConfig } from '../../config/schema.ts';
import { TLS_POLICY } from '../../listeners/tls-policy.ts';
import { ALGORITHM_NAMES } from '../../protocol/algorithms.ts';
import { bindingKeyOf, printName } from '../../protocol/distinguished-name.ts';
import { keyidOf } from '../../protocol/keyid.ts';
import { openMerchantFiles } from '../../registry/merchant-files.ts';
import { loadMerchants, type Merchants } from '../../registry/merchants.ts';
import { type CrlRow, collectCrls, describeTickets, type TicketRow } from './lists-and-tickets.ts';
import { type FoundCertificate, type FoundKey, findCertificates, findKeys, readFound } from './scan.ts';

export type CertificateRow = Expiry & {
  readonly subject: string;
  readonly issuer: string;
  readonly serial: string;
  readonly key: string;
  readonly keyid: string;
  readonly thumbprint: string;
  /** Files that hold it, and keys of the configuration that name them. */
  readonly files: readonly string[];
  /** What for; nothing when nobody names it. */
  readonly uses: readonly string[];
};
export type MerchantKeyRow = Partial<Expiry> & {
  readonly keyid: string;
  readonly algorithm: string;
  readonly key: string;
  readonly merchants: readonly string[];
};
export type BindingRow = { readonly authority: string; readonly subject: string; readonly merchants: readonly string[] };

export type Inventory = {
  readonly config: string;
  readonly certificates: readonly CertificateRow[];
  readonly merchantKeys: readonly MerchantKeyRow[];
  readonly bindings: readonly BindingRow[];
  readonly privateKeys: readonly FoundKey[];
  readonly crls: readonly CrlRow[];
  readonly tickets: TicketRow;
  /** Merchant files that are wrong, files that hold no certificate or key although they are called so, keys that others may read. */
  readonly problems: readonly string[];
  readonly suites: {
    readonly versions: readonly string[];
    readonly ciphers: readonly string[];
    readonly groups: readonly string[];
    readonly signatures: readonly string[];
  };
};

/** Later than any certificate: a public key without one has no end of its own. */
const NO_END_MS = Date.UTC(9999, 0, 1);

/** Everything that a configuration uses and that lies in its directories. What cannot be read is among the problems. */
export function collectInventory(config: GatewayConfig, nowMs: number): Inventory {
  const problems: string[] = [];
  const note = (problem: string): void => void problems.push(problem);
  const merchants = readMerchants(config, note);
  const found = [
    ...configured(config, note),
    ...findCertificates(config.certificatesDirectory, note),
    ...issued(config.certificatesDirectory, nowMs),
  ];
  const privateKeys = findKeys([config.secretsDirectory, config.certificatesDirectory], note);
  return {
    config: config.file,
    certificates: mergeCertificates(found, usesOf(config, merchants), nowMs),
    merchantKeys: [...merchants.byKeyid.values()].map(({ keyid, algorithm, publicKey, merchantNumbers, notAfterMs }) => ({
      keyid,
      algorithm,
      key: describeKey(publicKey),
      merchants: merchantNumbers,
      ...(notAfterMs < NO_END_MS && expiryOf(notAfterMs, nowMs)),
    })),
    bindings: [...merchants.byBinding].map(([key, bound]) => ({
      ...bindingOf(key),
      merchants: bound.map(({ merchantNumber }) => merchantNumber),
    })),
    privateKeys,
    crls: collectCrls(config, nowMs, note),
    tickets: describeTickets(config.secretsDirectory, nowMs),
    problems,
    suites: {
      versions: [TLS_POLICY.minVersion, TLS_POLICY.maxVersion],
      ciphers: TLS_POLICY.ciphers.split(':'),
      groups: TLS_POLICY.ecdhCurve.split(':'),
      signatures: ALGORITHM_NAMES,
    },
  };
}

function readMerchants(config: GatewayConfig, note: (problem: string) => void): Merchants {
  // Development certificates are shown like others: whether they may serve is for `hufu check`.
  const files = openMerchantFiles({ ...config, profile: 'development' });
  const context = { plans: undefined, operations: undefined, files };
  return loadMerchants(config.merchants, context, (problem) => note(formatProblems([problem])));
}

/** Certificates that gateway.yaml names, with all that stands behind them in their files: a path ends with its shortest-lived part. */
function configured(config: GatewayConfig, note: (problem: string) => void): FoundCertificate[] {
  return namedCertificates(config).flatMap(({ path, certificate }) =>
    readFound(certificate, note).map((one) => ({ ...one, use: path.join('.') })),
  );
}

/** Certificates whose files went to merchants: the index is all that is left of them here. */
function issued(directory: string, nowMs: number): FoundCertificate[] {
  return AUTHORITY_NAMES.flatMap((name) => {
    const index = readIndex(authorityFiles(directory, name).index);
    return [...index.issued.values()]
      .filter((entry) => ['valid', 'not yet valid', 'expired'].includes(standingOf(entry, index, nowMs)))
      .map((entry) => ({ file: index.file, facts: readCertificate(Buffer.from(entry.certificate, 'base64')) }));
  });
}

/** The uses that merchant files make of a certificate: by its name, for connecting, or by its key, for signing. */
function usesOf(config: GatewayConfig, { byBinding, byKeyid }: Merchants): (facts: CertificateFacts) => string[] {
  const authorities = config.authorities.map(({ name }) => name);
  return (facts) => {
    const bound = authorities
      .flatMap((name) => byBinding.get(bindingKeyOf(name, facts.subject)) ?? [])
      .map(({ merchantNumber }) => merchantNumber);
    const signing = byKeyid.get(keyidOf(facts.publicKey))?.merchantNumbers ?? [];
    return [...new Set([...bound, ...signing])].map((number) => `merchant ${number}`);
  };
}

function mergeCertificates(
  found: readonly FoundCertificate[],
  merchantUses: (facts: CertificateFacts) => string[],
  nowMs: number,
): CertificateRow[] {
  const byThumbprint = Map.groupBy(found, ({ facts }) => facts.thumbprint);
  const newest = newestByName(found);
  return [...byThumbprint.values()]
    .map((same): CertificateRow => {
      const { facts } = same[0] as FoundCertificate;
      const named = same.flatMap(({ use }) => use ?? []);
      // A predecessor that nobody names may end: its successor is what counts.
      const uses = [...named, ...(newest.has(facts.thumbprint) ? merchantUses(facts) : [])];
      const { warning, ...expiry } = expiryOf(facts.notAfterMs, nowMs);
      return {
        subject: printName(facts.subject),
        issuer: printName(facts.issuer),
        serial: facts.serialNumber,
        key: describeKey(facts.publicKey),
        keyid: keyidOf(facts.publicKey),
        thumbprint: facts.thumbprint,
        files: [...new Set(same.map(({ file }) => file))],
        uses: [...new Set(uses)],
        ...expiry,
        ...(warning && uses.length > 0 && { warning }),
      };
    })
    .sort((a, b) => a.daysLeft - b.daysLeft);
}

/** Thumbprints of the certificates that live longest among those of one issuer and subject. */
function newestByName(found: readonly FoundCertificate[]): ReadonlySet<string> {
  const groups = Map.groupBy(found, ({ facts }) => JSON.stringify([printName(facts.issuer), printName(facts.subject)]));
  const newest = [...groups.values()].map((same) =>
    same.reduce((best, one) => (one.facts.notAfterMs > best.facts.notAfterMs ? one : best)),
  );
  return new Set(newest.map(({ facts }) => facts.thumbprint));
}

/** A binding key is the JSON of the authority's name and the attributes; see bindingKeyOf. */
function bindingOf(key: string): { authority: string; subject: string } {
  const [authority, name] = JSON.parse(key) as [string, [string, string][][]];
  return { authority, subject: printName(name.map((relative) => relative.map(([oid, value]) => ({ oid, value })))) };
}
