import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { readText } from '../certificates/files.ts';
import { UserError } from '../lib/user-error.ts';
import { checkKeyFileMode } from './file-mode.ts';
import { createSecretKey, type SecretKey } from './secret-key.ts';

const DAY = /^\d{4}-\d{2}-\d{2}$/;

/** The keys of one purpose: several may be alive while one takes over from another. */
export type Dated<T> = {
  /** The one that writes at a moment (ms since 1970): the newest whose day has come. */
  readonly writing: (nowMs: number) => T;
  /** All of them, newest first: each still reads what it wrote. */
  readonly all: readonly T[];
};

export type SecretKeys = Dated<SecretKey>;

/**
 * Reads `NAME.key` and every `NAME.YYYY-MM-DD.key` of a folder. A dated key reads at once and writes from the midnight (UTC) its day
 * begins with, so that a new file can be given to all instances before any of them writes with it.
 * Throws a UserError that names the file for one that holds no key or whose name has no such day, and when none may write yet.
 */
export const loadSecretKeys = (directory: string, name: string, nowMs: number): SecretKeys =>
  loadDated(directory, name, nowMs, (file) => loadSecretKey(file, name));

/** As loadSecretKeys, for keys of any kind. @param read makes the key of a file, whose path it gets */
export function loadDated<T>(directory: string, name: string, nowMs: number, read: (file: string) => T): Dated<T> {
  const dated = filesOf(directory, name).map(({ file, fromMs }) => ({ key: read(join(directory, file)), fromMs }));
  dated.sort((a, b) => b.fromMs - a.fromMs);
  const oldest = dated.at(-1);
  if (oldest === undefined)
    throw new UserError(`${join(directory, `${name}.key`)} cannot be read (ENOENT): check the path and who may read it`);
  if (oldest.fromMs > nowMs) throw new UserError(`no ${name} key of ${directory} writes today: name one ${name}.key`);
  return {
    writing: (ms) => (dated.find(({ fromMs }) => fromMs <= ms) ?? oldest).key,
    all: dated.map(({ key }) => key),
  };
}

/**
 * The secrets that session tickets are made of, `tls-tickets.key` and dated ones; undefined when there is no such file.
 * Throws a UserError as loadSecretKeys does, and for a file that others may read.
 */
export function findTicketKeys(directory: string, nowMs: number): SecretKeys | undefined {
  const files = filesOf(directory, 'tls-tickets');
  for (const { file } of files) checkKeyFileMode(join(directory, file));
  return files.length > 0 ? loadSecretKeys(directory, 'tls-tickets', nowMs) : undefined;
}

/** The file of the key that writes at a moment; undefined when there is none. */
export function findWritingFile(directory: string, name: string, nowMs: number): string | undefined {
  const due = filesOf(directory, name).filter(({ fromMs }) => fromMs <= nowMs);
  const newest = due.reduce<(typeof due)[number] | undefined>((best, one) => (best && best.fromMs >= one.fromMs ? best : one), undefined);
  return newest && join(directory, newest.file);
}

function filesOf(directory: string, name: string): { readonly file: string; readonly fromMs: number }[] {
  const files = existsSync(directory) ? readdirSync(directory) : [];
  return files.flatMap((file) => {
    if (file === `${name}.key`) return [{ file, fromMs: Number.NEGATIVE_INFINITY }];
    if (!file.startsWith(`${name}.`) || !file.endsWith('.key')) return [];
    const day = file.slice(name.length + 1, -'.key'.length);
    const fromMs = DAY.test(day) ? Date.parse(`${day}T00:00:00Z`) : Number.NaN;
    // 31 February would be read as the third of March.
    if (Number.isNaN(fromMs) || !new Date(fromMs).toISOString().startsWith(day))
      throw new UserError(`${join(directory, file)}: expected a name such as ${name}.2027-01-31.key`);
    return [{ file, fromMs }];
  });
}

/** One key from its file. Throws a UserError that says nothing of what is in it. */
export function loadSecretKey(file: string, purpose: string): SecretKey {
  const text = readText(file).trim();
  // Never a part of the text in the message: it is a secret, also when it is misspelt.
  if (!/^[0-9a-f]{64}$/i.test(text))
    throw new UserError(`${file} holds no key: write 64 hexadecimal digits into it (openssl rand -hex 32)`);
  return createSecretKey(purpose, Buffer.from(text, 'hex'));
}
