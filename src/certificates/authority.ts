import type { KeyObject } from 'node:crypto';
import { join } from 'node:path';
import { sameKey } from '../lib/same-key.ts';
import { UserError } from '../lib/user-error.ts';
import { type DistinguishedName, printName, sameName } from '../protocol/distinguished-name.ts';
import { keyidOf } from '../protocol/keyid.ts';
import { type AuthorityIndex, appendToIndex, type IssuedEntry, readIndex, type Standing, standingOf } from './authority-index.ts';
import { checkKeyBelongs, loadCertificateFile, loadPrivateKey } from './files.ts';
import { issueCertificate, type ProfileName } from './issue.ts';
import { AUTHORITY_FILES, type AuthorityName, validityOf } from './issuing-rules.ts';
import { pemOf, readPem } from './pem.ts';
import { isWithinValidity, USAGE } from './policy.ts';
import { type CertificateFacts, readCertificate } from './read.ts';
import { createRevocationList, type RevocationReason } from './revocation-list.ts';

/** An authority of a certificates directory with its key and what it did so far. */
export type Authority = {
  readonly name: AuthorityName;
  readonly facts: CertificateFacts;
  readonly privateKey: KeyObject;
  /** Its own certificate as PEM, and its whole file up to the root. */
  readonly own: string;
  readonly chain: string;
  readonly keyFile: string;
  readonly index: AuthorityIndex;
};

export const authorityFiles = (directory: string, name: AuthorityName): { certificate: string; key: string; index: string } => {
  const path = join(directory, AUTHORITY_FILES[name]);
  return { certificate: `${path}.crt`, key: `${path}.key`, index: `${path}.index.jsonl` };
};

/** Throws a UserError naming the file for one that is missing, unfit, or not valid now. */
export function openAuthority(directory: string, name: AuthorityName, nowMs: number): Authority {
  const files = authorityFiles(directory, name);
  const { facts, pem } = loadCertificateFile(files.certificate);
  const privateKey = loadPrivateKey(files.key);
  checkKeyBelongs(facts, privateKey, files);
  if (!facts.isAuthority) throw new UserError(`${files.certificate} is not the certificate of an authority`);
  if (!isWithinValidity(facts, nowMs))
    throw new UserError(`${files.certificate} is not valid now (until ${new Date(facts.notAfterMs).toISOString()}): it can issue nothing`);
  const [own] = readPem(pem, files.certificate);
  return { name, facts, privateKey, own: pemOf(own), chain: pem, keyFile: files.key, index: readIndex(files.index) };
}

export type Issuing = {
  readonly profile: ProfileName;
  readonly subject: DistinguishedName;
  readonly publicKey: KeyObject;
  /** Undefined: as usual for the profile. */
  readonly days: number | undefined;
  readonly hosts?: readonly string[];
  /** The certificate that this one succeeds. */
  readonly replaces?: IssuedEntry;
  readonly actor: string;
  readonly nowMs: number;
};

/**
 * Issues a certificate and writes it into the index before anybody gets it: a certificate that is not in the index could never
 * be revoked. Gives it as PEM with the issuing authority behind it. The caller holds the authority's lock.
 * Throws a UserError for a subject that has a certificate already, a key that is certified for someone else, a validity too long.
 */
export async function issue(authority: Authority, issuing: Issuing): Promise<{ readonly pem: string; readonly entry: IssuedEntry }> {
  const { profile, subject, publicKey, actor, nowMs, hosts, replaces } = issuing;
  checkUnused(authority, issuing);
  const own = await issueCertificate({
    subject,
    publicKey,
    issuer: { name: authority.facts.subject, keys: { publicKey: authority.facts.publicKey, privateKey: authority.privateKey } },
    ...validityOf(profile, issuing.days, nowMs, authority.facts),
    profile,
    ...(hosts && { hosts }),
  });
  const entry = entryOf(own, { profile, actor, nowMs, ...(replaces && { replaces: replaces.serial }) });
  await appendToIndex(authority.index.file, [entry]);
  return { pem: own + authority.own, entry };
}

/** The line that an index has for a certificate. */
export function entryOf(
  pem: string,
  act: { readonly profile: ProfileName; readonly actor: string; readonly nowMs: number; readonly replaces?: string },
): IssuedEntry {
  const [der] = readPem(pem, 'the certificate');
  const facts = readCertificate(der);
  return {
    event: act.replaces === undefined ? 'issued' : 'renewed',
    at: new Date(act.nowMs).toISOString(),
    actor: act.actor,
    serial: facts.serialNumber,
    profile: act.profile,
    subject: printName(facts.subject),
    notBefore: new Date(facts.notBeforeMs).toISOString(),
    notAfter: new Date(facts.notAfterMs).toISOString(),
    keyid: keyidOf(facts.publicKey),
    thumbprint: facts.thumbprint,
    ...(act.replaces !== undefined && { replaces: act.replaces }),
    certificate: der.toString('base64'),
  };
}

/**
 * Writes a certificate that the authority signed without an index into the index, so that it can be renewed and revoked like others.
 * The caller made sure of the signature and holds the lock. Throws a UserError when another certificate has its serial number.
 */
export async function adopt({ index }: Authority, pem: string, actor: string, nowMs: number): Promise<IssuedEntry> {
  const [der] = readPem(pem, 'the certificate');
  const entry = entryOf(pem, { profile: profileOf(readCertificate(der)), actor, nowMs });
  if (index.issued.has(entry.serial))
    throw new UserError(`${index.file} has another certificate with serial ${entry.serial}: a list cannot tell them apart`);
  await appendToIndex(index.file, [{ ...entry, adopted: true }]);
  return entry;
}

function profileOf({ isAuthority, extendedKeyUsage }: CertificateFacts): ProfileName {
  if (isAuthority) return 'authority';
  if (extendedKeyUsage?.includes(USAGE.clientAuth)) return 'merchant';
  return extendedKeyUsage?.includes(USAGE.serverAuth) ? 'server' : 'signing';
}

export const factsOf = (entry: IssuedEntry): CertificateFacts => readCertificate(Buffer.from(entry.certificate, 'base64'));

/** A hold can be lifted, so what is on hold still counts as held by its subject. */
const IN_FORCE: readonly Standing[] = ['valid', 'not yet valid', 'on hold'];

function checkUnused(authority: Authority, { subject, publicKey, nowMs, replaces }: Issuing): void {
  const keyid = keyidOf(publicKey);
  if (sameKey(publicKey, authority.facts.publicKey)) throw new UserError("this is the authority's own key: nobody else may have it");
  for (const entry of authority.index.issued.values()) {
    const isSame = sameName(factsOf(entry).subject, subject);
    // A key that two hold can sign for both; one that was revoked as compromised is everybody's.
    if (entry.keyid === keyid && !isSame)
      throw new UserError(`this key is already certified for ${entry.subject}: each needs a key of its own`);
    if (entry.keyid === keyid && authority.index.revoked.get(entry.serial)?.reason === 'keyCompromise')
      throw new UserError(`this key was revoked as compromised (serial ${entry.serial}): make a new one`);
    if (isSame && replaces === undefined && IN_FORCE.includes(standingOf(entry, authority.index, nowMs)))
      throw new UserError(
        `${entry.subject} has a valid certificate, serial ${entry.serial}: use hufu certificate renew, or revoke it first`,
      );
  }
}

/**
 * The certificate that a serial number stands for. Hexadecimal in either case, colons allowed.
 * Throws a UserError when this authority did not issue it.
 */
export function requireIssued(authority: Pick<Authority, 'index'>, serial: string): IssuedEntry {
  const entry = authority.index.issued.get(serial.replaceAll(':', '').toUpperCase());
  if (entry === undefined)
    throw new UserError(`${authority.index.file} has no certificate with serial ${serial}: see hufu certificate list`);
  return entry;
}

export type Revoking = {
  readonly entry: IssuedEntry;
  readonly reason: RevocationReason;
  readonly note: string | undefined;
  readonly actor: string;
  readonly nowMs: number;
};

/**
 * Writes a revocation into the index, and gives the serial numbers that it ended. A compromised key ends every certificate it is in,
 * renewed ones too. Throws a UserError where RFC 5280 section 5.3.1 leaves no such step.
 */
export async function revoke(authority: Authority, { entry, reason, note, actor, nowMs }: Revoking): Promise<readonly string[]> {
  const { index } = authority;
  const before = index.revoked.get(entry.serial);
  if (before !== undefined && before.reason !== 'certificateHold')
    throw new UserError(`${entry.serial} is revoked since ${before.at} (${before.reason}), which is final`);
  if (before === undefined && reason === 'removeFromCRL') throw new UserError(`${entry.serial} is not on hold: there is nothing to lift`);
  if (before !== undefined && reason === 'certificateHold') throw new UserError(`${entry.serial} is on hold already, since ${before.at}`);
  const serials = [entry.serial, ...(reason === 'keyCompromise' ? othersWithKey(authority, entry) : [])];
  const act = { event: 'revoked', at: new Date(nowMs).toISOString(), actor, reason, ...(note && { note }) } as const;
  await appendToIndex(
    index.file,
    serials.map((serial) => ({ ...act, serial })),
  );
  return serials;
}

function othersWithKey({ index }: Authority, { serial, keyid }: IssuedEntry): string[] {
  const isFinal = (other: string): boolean => !['certificateHold', undefined].includes(index.revoked.get(other)?.reason);
  return [...index.issued.values()]
    .filter((other) => other.keyid === keyid && other.serial !== serial && !isFinal(other.serial))
    .map((other) => other.serial);
}

/** Longest life of a revocation list: who holds an old one does not know what was revoked since. */
export const LIST_DAYS_MAX = 30;
const DAY_MS = 86_400_000;

/** The next revocation list as DER; its number is in the index before anybody gets the list. The caller holds the authority's lock. */
export async function publishRevocationList(
  authority: Authority,
  { days, actor, nowMs }: { readonly days: number; readonly actor: string; readonly nowMs: number },
): Promise<{ readonly der: Buffer; readonly number: number; readonly revoked: number; readonly nextUpdateMs: number }> {
  const { index, facts, privateKey } = authority;
  const number = index.listNumber + 1;
  const nextUpdateMs = nowMs + days * DAY_MS;
  // RFC 5280 section 3.3: an entry stays until a list after the certificate's end has had it; no list lives longer than LIST_DAYS_MAX.
  const isListed = (serial: string): boolean => Date.parse(requireIssued(authority, serial).notAfter) > nowMs - 2 * LIST_DAYS_MAX * DAY_MS;
  const revoked = [...index.revoked.values()]
    .filter(({ serial }) => isListed(serial))
    .map(({ serial, at, reason }) => ({ serialNumber: serial, revokedAtMs: Date.parse(at), reason }));
  const issuer = { name: facts.subject, keys: { publicKey: facts.publicKey, privateKey } };
  const der = createRevocationList({ issuer, number, thisUpdateMs: nowMs, nextUpdateMs, revoked });
  const [thisUpdate, nextUpdate] = [nowMs, nextUpdateMs].map((ms) => new Date(ms).toISOString()) as [string, string];
  await appendToIndex(index.file, [{ event: 'crl', at: thisUpdate, actor, number, thisUpdate, nextUpdate }]);
  return { der, number, revoked: revoked.length, nextUpdateMs };
}
