import { createPublicKey } from 'node:crypto';
import { type Dirent, readdirSync } from 'node:fs';
import { basename, join } from 'node:path';
import { loadPrivateKey, readText } from '../../certificates/files.ts';
import { describeKey } from '../../certificates/key-pair.ts';
import { readPem } from '../../certificates/pem.ts';
import { CertificateProblem } from '../../certificates/problem.ts';
import { type CertificateFacts, readCertificate } from '../../certificates/read.ts';
import { checkKeyFileMode } from '../../keys/file-mode.ts';
import { createSecretKey } from '../../keys/secret-key.ts';
import { UserError } from '../../lib/user-error.ts';
import { keyidOf } from '../../protocol/keyid.ts';

export type FoundCertificate = { readonly file: string; readonly facts: CertificateFacts; readonly use?: string };
/** A private or secret key on the disk; `id` tells which it is and is of no use to find it. */
export type FoundKey = { readonly file: string; readonly kind: string; readonly id: string };

type Note = (problem: string) => void;

/** Folders below which nothing is looked for: certificates lie two deep. */
const DEPTH_MAX = 4;

function filesBelow(directory: string, endings: readonly string[], depth = 0): string[] {
  return list(directory)
    .flatMap((entry) => {
      const path = join(directory, entry.name);
      if (entry.isDirectory()) return depth < DEPTH_MAX && !entry.name.startsWith('.') ? filesBelow(path, endings, depth + 1) : [];
      return entry.isFile() && endings.some((ending) => entry.name.endsWith(ending)) ? [path] : [];
    })
    .sort();
}

function list(directory: string): Dirent[] {
  try {
    return readdirSync(directory, { withFileTypes: true });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw new UserError(`${directory} cannot be read (${(error as NodeJS.ErrnoException).code}): check who may read it`, { cause: error });
  }
}

/** All certificates of the files of a directory that are called so. */
export const findCertificates = (directory: string, note: Note): FoundCertificate[] =>
  filesBelow(directory, ['.crt', '.cer', '.pem']).flatMap((file) => readFound(file, note).slice(0, 1));

/** The certificates of one file, with what stands behind the first. What cannot be read is noted. */
export function readFound(file: string, note: Note): FoundCertificate[] {
  try {
    return readPem(readText(file), file).map((der) => ({ file, facts: readCertificate(der) }));
  } catch (error) {
    if (error instanceof UserError) note(error.message);
    else if (error instanceof CertificateProblem) note(`${file}: ${error.reason}`);
    else throw error;
    return [];
  }
}

/** All keys of directories, each file once. Those that others may read are noted. */
export function findKeys(directories: readonly string[], note: Note): FoundKey[] {
  const files = [...new Set(directories.flatMap((directory) => filesBelow(directory, ['.key'])))];
  return files.flatMap((file) => {
    const key = tell(() => readKey(file), note);
    tell(() => checkKeyFileMode(file), note);
    return key === undefined ? [] : [key];
  });
}

function tell<T>(step: () => T, note: Note): T | undefined {
  try {
    return step();
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    note(error.message);
    return undefined;
  }
}

function readKey(file: string): FoundKey {
  const text = readText(file).trim();
  if (/^[0-9a-f]{64}$/i.test(text))
    return { file, kind: 'secret, 32 bytes', id: createSecretKey(basename(file, '.key'), Buffer.from(text, 'hex')).id };
  const publicKey = createPublicKey(loadPrivateKey(file));
  return { file, kind: describeKey(publicKey), id: keyidOf(publicKey) };
}
