import { X509Certificate } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { UserError } from '../lib/user-error.ts';
import { isPlatformCertificate, type PinnedKey } from '../sdk/trust.ts';
import { PROJECT } from './locate.ts';

/** Reads a text file, or says which one is missing and what to do. */
export function readTextFile(file: string, advice: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new UserError(`${file} cannot be read (${code ?? 'unreadable'}): ${advice}`, { cause: error });
  }
}

/** The folder of certificates: the option, HUFU_CERTS, `certs` here, or that of the project. */
export function findCertificatesDirectory(option: string | undefined, environment: NodeJS.ProcessEnv): string {
  const named = option ?? (environment.HUFU_CERTS || undefined);
  if (named !== undefined) return resolve(named);
  return existsSync(join('certs', 'merchants')) ? resolve('certs') : join(PROJECT, 'certs');
}

const MAKE_THEM = 'run `npx hufu up` once to make development certificates, or name the folder with --certs';

/** A merchant's TLS certificate (with its chain) and key: `merchants/NUMBER.crt|key`, or any `FILE.crt` with `FILE.key` beside it. */
export function readMerchantPair(directory: string, number: string, certificateFile?: string): { certificate: string; key: string } {
  const file = certificateFile ?? join(directory, 'merchants', `${number}.crt`);
  const keyFile = `${file.replace(/\.(crt|pem|cer)$/, '')}.key`;
  return { certificate: readTextFile(file, MAKE_THEM), key: readTextFile(keyFile, MAKE_THEM) };
}

/** The certificates of answer keys that lie in `signing/` (keyid: the file's name) and that the platform-signing authority issued. */
function readSigningFolder(directory: string, authority: X509Certificate, nowMs: number): PinnedKey[] {
  const folder = join(directory, 'signing');
  const files = existsSync(folder) ? readdirSync(folder).filter((name) => name.endsWith('.crt')) : [];
  const pinned = files.map((name) => ({ keyid: basename(name, '.crt'), pem: readFileSync(join(folder, name), 'utf8') }));
  return pinned.filter(({ pem }) => isPlatformCertificate(new X509Certificate(pem), authority, nowMs));
}

/** What answers are trusted by: `authority.crt` for the server, `signing-authority.crt` and what it issued for the answers themselves. */
export function readTrust(
  directory: string,
  nowMs: number,
): { readonly authority: string; readonly platformAuthority: string; readonly trustedKeys: readonly PinnedKey[] } {
  const authority = readTextFile(join(directory, 'authority.crt'), MAKE_THEM);
  const platformAuthority = readTextFile(join(directory, 'signing-authority.crt'), MAKE_THEM);
  return { authority, platformAuthority, trustedKeys: readSigningFolder(directory, new X509Certificate(platformAuthority), nowMs) };
}

const PORT_INTERNET = 8443;

/** Where the gateway of this machine listens for merchants. */
export const defaultUrl = (environment: NodeJS.ProcessEnv): string =>
  `https://localhost:${environment.HUFU_PORT_INTERNET || PORT_INTERNET}`;
