import { createPublicKey, type KeyObject } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { type CertificateFile, loadCertificateFile } from '../certificates/files.ts';
import type { GatewayConfig } from '../config/schema.ts';
import { readFailure } from '../config/yaml-file.ts';
import { UserError } from '../lib/user-error.ts';

/** What merchant files refer to: certificates and public keys on disk, and the authorities of gateway.yaml. */
export type MerchantFiles = {
  readonly authorityNames: readonly string[];
  readonly isProduction: boolean;
  /** Throw a UserError that names the file. */
  readonly loadCertificate: (path: string) => CertificateFile;
  readonly loadPublicKey: (path: string) => KeyObject;
};

/** Opens the files that merchants refer to, relative to the certificates' directory. The last certificate is kept, since names and keys share it. */
export function openMerchantFiles(config: GatewayConfig): MerchantFiles {
  let last: { readonly file: string; readonly loaded: CertificateFile } | undefined;
  const absolute = (path: string): string => resolve(config.certificatesDirectory, path);
  return {
    authorityNames: config.authorities.map(({ name }) => name),
    isProduction: config.profile === 'production',
    loadCertificate: (path) => {
      const file = absolute(path);
      if (last?.file !== file) last = { file, loaded: loadCertificateFile(file) };
      return last.loaded;
    },
    loadPublicKey: (path) => loadPublicKey(absolute(path)),
  };
}

function loadPublicKey(file: string): KeyObject {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (cause) {
    throw new UserError(`${file}: ${readFailure(cause)}`, { cause });
  }
  if (text.includes('PRIVATE KEY'))
    throw new UserError(`${file} holds a private key, which belongs to the merchant alone; put its public key there`);
  try {
    if (text.includes('-----BEGIN PUBLIC KEY-----')) return createPublicKey({ key: text, format: 'pem' });
  } catch {
    // Told below: a broken key is as useless as none.
  }
  throw new UserError(`${file} holds no public key: write one PEM block "BEGIN PUBLIC KEY" into it`);
}
