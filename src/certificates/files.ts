import { createPrivateKey, createPublicKey, type KeyObject, randomBytes, X509Certificate } from 'node:crypto';
import { chmodSync, existsSync, linkSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { sameKey } from '../lib/same-key.ts';
import { UserError } from '../lib/user-error.ts';
import { readPem } from './pem.ts';
import { CertificateProblem } from './problem.ts';
import { type CertificateFacts, readCertificate } from './read.ts';

/** A certificate file: its first certificate, and the whole text with the chain. */
export type CertificateFile = { readonly facts: CertificateFacts; readonly x509: X509Certificate; readonly pem: string };

/** Reads a text file that the user named. Throws a UserError that says which file and why. */
export function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code;
    throw new UserError(`${file} cannot be read (${code}): check the path and who may read it`, { cause });
  }
}

/** Reads the first certificate of a PEM file strictly. Throws a UserError naming the file. */
export function loadCertificateFile(file: string): CertificateFile {
  const pem = readText(file);
  const [der] = readPem(pem, file);
  try {
    return { facts: readCertificate(der), x509: new X509Certificate(der), pem };
  } catch (cause) {
    if (cause instanceof CertificateProblem) throw new UserError(`${file} cannot be used: ${cause.reason}`, { cause });
    throw cause;
  }
}

/** Reads an unencrypted private key in PEM. Throws a UserError naming the file, never its content. */
export function loadPrivateKey(file: string): KeyObject {
  const text = readText(file);
  try {
    return createPrivateKey(text);
  } catch {
    throw new UserError(`${file} holds no private key that can be read: write an unencrypted PEM key (PKCS#8) into it`);
  }
}

/** Reads a public key in PEM (SubjectPublicKeyInfo). Throws a UserError naming the file. */
export function loadPublicKey(file: string): KeyObject {
  const text = readText(file);
  try {
    return createPublicKey(text);
  } catch (cause) {
    throw new UserError(`${file} holds no public key that can be read: write a PEM block "BEGIN PUBLIC KEY" into it`, { cause });
  }
}

/** Throws a UserError unless the private key belongs to the certificate. */
export function checkKeyBelongs(
  facts: CertificateFacts,
  key: KeyObject,
  files: { readonly certificate: string; readonly key: string },
): void {
  if (!sameKey(createPublicKey(key), facts.publicKey))
    throw new UserError(`${files.key} is not the key of ${files.certificate}: name the two files that were made together`);
}

/**
 * Writes a file that does not exist yet, whole or not at all. False when it was there before: it is never overwritten.
 * @param mode 0o600 for secrets
 */
export function writeNewFile(file: string, content: string | Uint8Array, mode: 0o600 | 0o644): boolean {
  if (existsSync(file)) return false;
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  const temporary = `${file}.${randomBytes(6).toString('hex')}.new`;
  writeFileSync(temporary, content, { mode, flag: 'wx' });
  try {
    // A mode given to open is narrowed by the umask; link fails where rename would replace.
    chmodSync(temporary, mode);
    linkSync(temporary, file);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  } finally {
    rmSync(temporary);
  }
}
