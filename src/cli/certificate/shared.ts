import { existsSync, mkdirSync } from 'node:fs';
import { userInfo } from 'node:os';
import { resolve } from 'node:path';
import type { Command } from 'commander';
import { type Authority, adopt, authorityFiles, openAuthority } from '../../certificates/authority.ts';
import { type IssuedEntry, readIndex } from '../../certificates/authority-index.ts';
import { type CertificateFile, loadCertificateFile, writeNewFile } from '../../certificates/files.ts';
import { AUTHORITY_NAMES, type AuthorityName } from '../../certificates/issuing-rules.ts';
import { tryLock } from '../../journal/lock.ts';
import { checkKeyFileMode } from '../../keys/file-mode.ts';
import { UserError } from '../../lib/user-error.ts';
import { sameName } from '../../protocol/distinguished-name.ts';
import { WrongUse } from '../exit.ts';
import { locate, readOnly } from '../locate.ts';

/** Options that every command below `hufu certificate` has. */
export type SharedOptions = { directory?: string; json?: boolean };
export type ActingOptions = SharedOptions & { actor?: string; note?: string };

export const withDirectory = (command: Command): Command =>
  command.option('--directory <directory>', 'the certificates directory (default HUFU_CERTS)').option('--json', 'print JSON');

export const withActor = (command: Command): Command =>
  withDirectory(command)
    .option('--actor <name>', 'who does this, for index and journal (default: the user of this machine)')
    .option('--note <text>', 'why, for the journal; not published');

/** The certificates directory: as named, else by variable, else as the named gateway.yaml says. */
export function directoryOf({ directory }: SharedOptions): string {
  if (directory !== undefined) return resolve(directory);
  const places = locate({}, process.env);
  return places.certificates ?? readOnly(places, process.env).certificatesDirectory;
}

/** Behind sudo it is the person who typed it that counts. */
export const actorOf = ({ actor }: ActingOptions): string => actor ?? (process.env.SUDO_USER || userInfo().username);

const LOCK_WAIT_MS = 10_000;
const LOCK_LOOK_MS = 50;

/** Runs `work` as the only writer of a certificates directory. The lock ends with the process, however that ends. */
export async function asOnlyWriter<T>(directory: string, work: () => Promise<T>): Promise<T> {
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const release = await waitForLock(directory);
  try {
    return await work();
  } finally {
    release();
  }
}

async function waitForLock(directory: string): Promise<() => void> {
  const endsAtMs = performance.now() + LOCK_WAIT_MS;
  for (;;) {
    const release = tryLock(directory);
    if (release) return release;
    if (performance.now() > endsAtMs)
      throw new UserError(`${directory} is being written by another hufu certificate command: try again when it is done`);
    await new Promise((done) => setTimeout(done, LOCK_LOOK_MS));
  }
}

/** An authority that may be used: its key is nobody else's to read. */
export function requireAuthority(directory: string, name: AuthorityName, nowMs: number): Authority {
  const authority = openAuthority(directory, name, nowMs);
  checkKeyFileMode(authority.keyFile);
  return authority;
}

export function readAuthorityName(text: string): AuthorityName {
  const name = AUTHORITY_NAMES.find((known) => known === text);
  if (name === undefined) throw new WrongUse(`--authority is one of ${AUTHORITY_NAMES.join(', ')}, not ${JSON.stringify(text)}`);
  return name;
}

/** A whole number of days of at least one; undefined when none was named. */
export function readDays(text: string | undefined, option = '--days'): number | undefined {
  if (text === undefined) return undefined;
  if (!/^[1-9]\d{0,4}$/.test(text)) throw new WrongUse(`${option} is a whole number of days, not ${JSON.stringify(text)}`);
  return Number(text);
}

/** One of a table's words. */
export function readWord<const W extends string>(words: readonly W[], text: string, option: string): W {
  const word = words.find((known) => known === text);
  if (word === undefined) throw new WrongUse(`${option} is one of ${words.join(', ')}, not ${JSON.stringify(text)}`);
  return word;
}

const exists = (file: string): UserError => new UserError(`${file} exists: nothing is overwritten; name another place with --out`);

/** Before anything is issued: a certificate that finds no place afterwards is in the index all the same. */
export function checkFree(...files: readonly string[]): void {
  const found = files.find((file) => existsSync(file));
  if (found !== undefined) throw exists(found);
}

/** Writes a file that must not exist yet. */
export function writeOnce(file: string, content: string | Uint8Array, mode: 0o600 | 0o644): void {
  if (!writeNewFile(file, content, mode)) throw exists(file);
}

export type ChosenOptions = { serial?: string; certificate?: string };

export type Chosen = { readonly name: AuthorityName; readonly entry: IssuedEntry };

/** A certificate by --serial or --certificate in the indexes of a directory, and which authority issued it. */
function findIndexed(directory: string, serial: string, thumbprint: string | undefined): Chosen | undefined {
  for (const name of AUTHORITY_NAMES) {
    const entry = readIndex(authorityFiles(directory, name).index).issued.get(serial);
    if (entry !== undefined && (thumbprint === undefined || thumbprint === entry.thumbprint)) return { name, entry };
  }
  return undefined;
}

/** A certificate that is in an index, by its serial number. */
export function findBySerial(directory: string, serial: string): Chosen {
  const wanted = serial.replaceAll(':', '').toUpperCase();
  const found = findIndexed(directory, wanted, undefined);
  if (found === undefined) throw new UserError(`no authority in ${directory} issued serial ${wanted}: see hufu certificate list`);
  return found;
}

/**
 * Which certificate a command is about. One that an authority of the directory signed before it had an index, as `hufu up` and
 * openssl do, is written into the index first. The caller holds the lock.
 */
export async function chooseCertificate(directory: string, options: ChosenOptions & ActingOptions, nowMs: number): Promise<Chosen> {
  const { serial, certificate } = options;
  if (serial !== undefined && certificate === undefined) return findBySerial(directory, serial);
  if (serial !== undefined || certificate === undefined) throw new WrongUse('name the certificate, by either --serial or --certificate');
  const file = loadCertificateFile(certificate);
  const found = findIndexed(directory, file.facts.serialNumber, file.facts.thumbprint);
  if (found !== undefined) return found;
  const name = AUTHORITY_NAMES.find(
    (one) => existsSync(authorityFiles(directory, one).certificate) && isSignedBy(file, authorityFiles(directory, one)),
  );
  if (name === undefined || (name === 'root' && sameName(file.facts.subject, file.facts.issuer)))
    throw new UserError(`no authority in ${directory} issued ${certificate}: see hufu certificate list`);
  return { name, entry: await adopt(requireAuthority(directory, name, nowMs), file.pem, actorOf(options), nowMs) };
}

function isSignedBy({ x509 }: CertificateFile, authority: { readonly certificate: string }): boolean {
  const issuer = loadCertificateFile(authority.certificate).x509;
  try {
    return x509.checkIssued(issuer) && x509.verify(issuer.publicKey);
  } catch {
    // An algorithm that does not fit the key.
    return false;
  }
}

export const withChosen = (command: Command): Command =>
  command.option('--serial <hex>', 'serial number, as list prints it').option('--certificate <file>', 'or the certificate itself, PEM');
