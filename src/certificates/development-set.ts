import type { KeyObject } from 'node:crypto';
import { existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { UserError } from '../lib/user-error.ts';
import { parseName, printName, sameName } from '../protocol/distinguished-name.ts';
import { type CertificateFile, checkKeyBelongs, loadCertificateFile, loadPrivateKey, writeNewFile } from './files.ts';
import { type CertificateRequest, issueCertificate } from './issue.ts';
import { createKeyPair, type KeyKind, type KeyPair } from './key-pair.ts';
import { isWithinValidity } from './policy.ts';
import type { CertificateFacts } from './read.ts';

/** Every authority of the set carries it in its name, so that production can tell and refuse what it issued. */
const DEVELOPMENT_MARK = 'Development only';

type Row = {
  /** Path below the directory, without extension: `.crt` and `.key` are added. */
  readonly path: string;
  /** RFC 4514 text. */
  readonly subject: string;
  readonly issuer: string;
  readonly profile: CertificateRequest['profile'];
  readonly key: KeyKind;
  readonly hosts?: readonly string[];
};

const authority = (title: string): string => `CN=Hufu ${title},OU=${DEVELOPMENT_MARK},O=虎符,C=CN`;
const merchant = (number: string, organisation: string): string => `CN=${number},OU=Merchants,O=${organisation},C=CN`;

/** Rows stand below their issuers. */
const ROWS: readonly Row[] = [
  { path: 'authority', subject: authority('Root'), issuer: 'authority', profile: 'root', key: 'p-256' },
  { path: 'server-authority', subject: authority('Server Authority'), issuer: 'authority', profile: 'authority', key: 'p-256' },
  { path: 'merchants-authority', subject: authority('Merchants Authority'), issuer: 'authority', profile: 'authority', key: 'p-256' },
  { path: 'signing-authority', subject: authority('Platform Signing Authority'), issuer: 'authority', profile: 'authority', key: 'p-256' },
  {
    path: 'server',
    subject: 'CN=localhost,O=虎符,C=CN',
    issuer: 'server-authority',
    profile: 'server',
    key: 'p-256',
    hosts: ['localhost', '127.0.0.1', '::1'],
  },
  {
    path: 'merchants/800000000000001',
    subject: merchant('800000000000001', '虎符示例商户一'),
    issuer: 'merchants-authority',
    profile: 'merchant',
    key: 'rsa-2048',
  },
  {
    path: 'merchants/800000000000002',
    subject: merchant('800000000000002', '虎符示例商户二'),
    issuer: 'merchants-authority',
    profile: 'merchant',
    key: 'p-256',
  },
  { path: 'signing/platform-ec', subject: 'CN=platform-ec,O=虎符,C=CN', issuer: 'signing-authority', profile: 'signing', key: 'p-256' },
  {
    path: 'signing/platform-rsa',
    subject: 'CN=platform-rsa,O=虎符,C=CN',
    issuer: 'signing-authority',
    profile: 'signing',
    key: 'rsa-2048',
  },
  {
    path: 'encryption/platform-enc-ec',
    subject: 'CN=platform-enc-ec,O=虎符,C=CN',
    issuer: 'signing-authority',
    profile: 'encryption',
    key: 'p-256',
  },
  {
    path: 'encryption/platform-enc-rsa',
    subject: 'CN=platform-enc-rsa,O=虎符,C=CN',
    issuer: 'signing-authority',
    profile: 'encryption',
    key: 'rsa-2048',
  },
];

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
/** Authorities outlive what they issue. */
const AUTHORITY_DAYS = 3650;
const LEAF_DAYS = 825;

type Loaded = CertificateFile & { readonly privateKey: KeyObject };

const filesOf = (directory: string, path: string): { certificate: string; key: string } => ({
  certificate: join(directory, `${path}.crt`),
  key: join(directory, `${path}.key`),
});

/**
 * Makes the development certificates that are missing: a root, three issuing authorities, a server, two merchants, two
 * signing keys, two encryption keys. Never overwrites; a second call reads and checks what is there. Not for production: the authorities' keys lie
 * beside the certificates.
 * @param report gets one line for each certificate that was made
 * @throws UserError for half a pair, a certificate that has expired or that its authority did not issue
 */
export async function ensureDevelopmentCertificates(
  directory: string,
  report: (line: string) => void,
  nowMs: number = Date.now(),
): Promise<void> {
  const missing = ROWS.filter(({ path }) => !hasPair(directory, path));
  // All keys at once: the slow RSA ones are made by other threads.
  const keys = new Map(await Promise.all(missing.map(async ({ path, key }) => [path, await createKeyPair(key)] as const)));
  const loaded = new Map<string, Loaded>();
  for (const row of ROWS) {
    const fresh = keys.get(row.path);
    const issuer = loaded.get(row.issuer);
    if (fresh !== undefined) await makePair(directory, row, fresh, issuer, nowMs, report);
    loaded.set(row.path, loadPair(directory, row, issuer, nowMs));
  }
}

function hasPair(directory: string, path: string): boolean {
  const files = filesOf(directory, path);
  const [hasCertificate, hasKey] = [existsSync(files.certificate), existsSync(files.key)];
  if (hasCertificate !== hasKey) {
    const [found, absent] = hasKey ? [files.key, files.certificate] : [files.certificate, files.key];
    throw new UserError(`${found} exists but ${absent} does not: put it back, or delete ${found} to have a new pair made`);
  }
  return hasCertificate;
}

async function makePair(
  directory: string,
  row: Row,
  keys: KeyPair,
  issuer: Loaded | undefined,
  nowMs: number,
  report: (line: string) => void,
): Promise<void> {
  const subject = parseName(row.subject);
  const isAuthority = row.profile === 'root' || row.profile === 'authority';
  const own = await issueCertificate({
    subject,
    publicKey: keys.publicKey,
    issuer: issuer === undefined ? { name: subject, keys } : { name: issuer.facts.subject, keys: keyPairOf(issuer) },
    notBeforeMs: nowMs - HOUR_MS,
    notAfterMs: nowMs + (isAuthority ? AUTHORITY_DAYS : LEAF_DAYS) * DAY_MS,
    profile: row.profile,
    ...(row.hosts && { hosts: row.hosts }),
  });
  const files = filesOf(directory, row.path);
  const key = keys.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
  // An authority's file goes up to the root; a leaf's has what its peer lacks, which is all but the root.
  const above = isAuthority || issuer === undefined ? (issuer?.pem ?? '') : issuer.x509.toString();
  if (!writeNewFile(files.key, key, 0o600)) throw alreadyMaking(files.key);
  if (!writeNewFile(files.certificate, own + above, 0o644)) {
    rmSync(files.key);
    throw alreadyMaking(files.certificate);
  }
  report(`certificate made: ${files.certificate}  ${printName(subject)}`);
}

const alreadyMaking = (file: string): UserError =>
  new UserError(`${file} appeared while it was being made: another start uses the same directory; start again when that one is ready`);

const keyPairOf = ({ facts, privateKey }: Loaded): KeyPair => ({ publicKey: facts.publicKey, privateKey });

/** Reads a pair and checks what later goes wrong in ways that are hard to understand. */
function loadPair(directory: string, row: Row, issuer: Loaded | undefined, nowMs: number): Loaded {
  const files = filesOf(directory, row.path);
  const { facts, pem, x509 } = loadCertificateFile(files.certificate);
  const privateKey = loadPrivateKey(files.key);
  checkKeyBelongs(facts, privateKey, files);
  const issuerFacts = issuer?.facts ?? facts;
  if (!sameName(facts.issuer, issuerFacts.subject) || !x509.verify(issuerFacts.publicKey))
    throw new UserError(
      `${files.certificate} was not issued by ${filesOf(directory, row.issuer).certificate}: delete ${files.certificate} and ${files.key} to have them made again`,
    );
  if (!isWithinValidity(facts, nowMs))
    throw new UserError(
      `${files.certificate} is valid from ${new Date(facts.notBeforeMs).toISOString()} to ${new Date(facts.notAfterMs).toISOString()}, which is not now: delete it and ${files.key} to have them made again`,
    );
  return { facts, pem, x509, privateKey };
}

/** Whether a certificate is one of a development set, or issued by one: production refuses it. */
export function isDevelopmentCertificate(facts: CertificateFacts): boolean {
  return [...facts.subject, ...facts.issuer].flat().some(({ value }) => value === DEVELOPMENT_MARK);
}
