import { isDevelopmentCertificate } from '../certificates/development-set.ts';
import { checkKeyBelongs, loadCertificateFile, loadPrivateKey } from '../certificates/files.ts';
import { UserError } from '../lib/user-error.ts';
import type { JweAlgorithm } from '../protocol/jwe/header.ts';
import { type JweKey, jweAlgorithmOf } from '../protocol/jwe/key-management.ts';
import { checkKeyFileMode } from './file-mode.ts';

/** A key that requests are encrypted to, as the configuration names it. */
export type EncryptionKeyFile = { readonly keyid: string; readonly certificate: string; readonly key: string };

/** What `GET /v1/platform-certificates` tells about an encryption key. */
export type PublishedEncryptionKey = {
  readonly keyid: string;
  readonly algorithm: JweAlgorithm;
  /** Upper-case hexadecimal. */
  readonly serial: string;
  readonly pem: string;
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
  /** `active` is the one to encrypt to now, the first of its kind; `standby` decrypts too. */
  readonly status: 'active' | 'standby';
};

/** The gateway's encryption keys, read once at start. */
export type EncryptionKeys = {
  readonly find: (keyid: string) => JweKey | undefined;
  readonly published: readonly PublishedEncryptionKey[];
};

/** Reads and checks all of them. Throws a UserError that names the file; production also refuses keys that others may read and development ones. */
export function loadEncryptionKeys(files: readonly EncryptionKeyFile[], isProduction: boolean): EncryptionKeys {
  const keys = new Map<string, JweKey>();
  const published: PublishedEncryptionKey[] = [];
  for (const { keyid, certificate, key: file } of files) {
    if (isProduction) checkKeyFileMode(file);
    const { facts, x509 } = loadCertificateFile(certificate);
    if (isProduction && isDevelopmentCertificate(facts))
      throw new UserError(`${certificate} was issued by a development authority: production needs a certificate of your own authority`);
    const key = loadPrivateKey(file);
    checkKeyBelongs(facts, key, { certificate, key: file });
    const algorithm = jweAlgorithmOf(key);
    if (!algorithm) throw new UserError(`${file} cannot be encrypted to: make an RSA key of at least 2048 bits, P-256 or P-384`);
    const status = published.some((other) => other.algorithm === algorithm) ? 'standby' : 'active';
    const { serialNumber: serial, notBeforeMs, notAfterMs } = facts;
    keys.set(keyid, { keyid, algorithm, key });
    published.push({ keyid, algorithm, serial, pem: x509.toString(), notBeforeMs, notAfterMs, status });
  }
  return { find: (keyid) => keys.get(keyid), published };
}
