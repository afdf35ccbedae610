import { existsSync } from 'node:fs';
import { writeFileAtomic } from '../lib/files.ts';
import { UserError } from '../lib/user-error.ts';
import { readText } from './files.ts';
import type { ProfileName } from './issue.ts';
import { REVOCATION_REASONS, type RevocationReason } from './revocation-list.ts';

type Act = {
  /** RFC 3339, UTC. */
  readonly at: string;
  /** Who ran the command. */
  readonly actor: string;
};

export type IssuedEntry = Act & {
  readonly event: 'issued' | 'renewed';
  /** Hexadecimal, as readCertificate gives it. */
  readonly serial: string;
  readonly profile: ProfileName;
  /** RFC 4514, for people. */
  readonly subject: string;
  readonly notBefore: string;
  readonly notAfter: string;
  readonly keyid: string;
  readonly thumbprint: string;
  /** Whose successor it is, when it was renewed. */
  readonly replaces?: string;
  /** It was signed before, without this index; `at` is when it came in. */
  readonly adopted?: true;
  /** DER in base64: a lost file can be written again. */
  readonly certificate: string;
};
export type RevokedEntry = Act & {
  readonly event: 'revoked';
  readonly serial: string;
  readonly reason: RevocationReason;
  readonly note?: string;
};
export type ListEntry = Act & {
  readonly event: 'crl';
  readonly number: number;
  readonly thisUpdate: string;
  readonly nextUpdate: string;
};
/** One line of an authority's index. Lines are only ever added. */
export type IndexEntry = IssuedEntry | RevokedEntry | ListEntry;

/** What an authority did, in order. */
export type AuthorityIndex = {
  readonly file: string;
  readonly issued: ReadonlyMap<string, IssuedEntry>;
  /** The last word on each serial number; without those whose hold was lifted. */
  readonly revoked: ReadonlyMap<string, RevokedEntry>;
  /** Number of the last revocation list, 0 before the first. */
  readonly listNumber: number;
};

const TEXTS: Readonly<Record<IndexEntry['event'], readonly string[]>> = {
  issued: ['serial', 'profile', 'subject', 'notBefore', 'notAfter', 'keyid', 'thumbprint', 'certificate'],
  renewed: ['serial', 'profile', 'subject', 'notBefore', 'notAfter', 'keyid', 'thumbprint', 'certificate'],
  revoked: ['serial', 'reason'],
  crl: ['thisUpdate', 'nextUpdate'],
};

/** Reads an index; one that does not exist yet is empty. Throws a UserError with file and line for anything that no command of ours wrote. */
export function readIndex(file: string): AuthorityIndex {
  const issued = new Map<string, IssuedEntry>();
  const revoked = new Map<string, RevokedEntry>();
  let listNumber = 0;
  for (const entry of existsSync(file) ? readEntries(file) : []) {
    if (entry.event === 'crl') listNumber = entry.number;
    else if (entry.event !== 'revoked') issued.set(entry.serial, entry);
    else if (entry.reason === 'removeFromCRL') revoked.delete(entry.serial);
    else revoked.set(entry.serial, entry);
  }
  return { file, issued, revoked, listNumber };
}

function readEntries(file: string): IndexEntry[] {
  const lines = readText(file).split('\n');
  // Every line ends, the last one too: what comes behind the last line feed is half a line.
  if (lines.pop() !== '') throw damaged(file, lines.length + 1);
  return lines.map((line, index) => {
    const entry = parse(line);
    if (!isEntry(entry)) throw damaged(file, index + 1);
    return entry;
  });
}

const damaged = (file: string, line: number): UserError =>
  new UserError(`${file}:${line}: this line was not written by hufu; put the file back from a backup before anything more is issued`);

function parse(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}

function isEntry(value: unknown): value is IndexEntry {
  if (typeof value !== 'object' || value === null) return false;
  const entry = value as Record<string, unknown>;
  const { event } = entry;
  if (typeof event !== 'string' || !Object.hasOwn(TEXTS, event)) return false;
  const texts = ['at', 'actor', ...TEXTS[event as IndexEntry['event']]];
  if (!texts.every((name) => typeof entry[name] === 'string')) return false;
  if (event === 'revoked') return Object.hasOwn(REVOCATION_REASONS, entry.reason as string);
  return event !== 'crl' || Number.isSafeInteger(entry.number);
}

/** Adds lines to an index, all or none, and durably. The caller holds the authority's lock. */
export async function appendToIndex(file: string, entries: readonly IndexEntry[]): Promise<void> {
  const before = existsSync(file) ? readText(file) : '';
  await writeFileAtomic(file, before + entries.map((entry) => `${JSON.stringify(entry)}\n`).join(''), { mode: 0o600 });
}

/** What became of a certificate. */
export type Standing = 'valid' | 'not yet valid' | 'expired' | 'revoked' | 'on hold';

/** A revoked certificate stays revoked after it expired. */
export function standingOf(entry: IssuedEntry, index: AuthorityIndex, nowMs: number): Standing {
  const reason = index.revoked.get(entry.serial)?.reason;
  if (reason !== undefined) return reason === 'certificateHold' ? 'on hold' : 'revoked';
  if (nowMs > Date.parse(entry.notAfter)) return 'expired';
  return nowMs < Date.parse(entry.notBefore) ? 'not yet valid' : 'valid';
}
