import type { X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';

/** Certificates of one kind exclude each other in a TLS context; RSA and elliptic curves stand side by side. */
export const keyKindOf = ({ publicKey }: X509Certificate): string => publicKey.asymmetricKeyType ?? '';

/** Whether a server certificate is for a host, a DNS name or an IP address. The common name does not count (RFC 9110 section 4.3.4). */
export function isForHost(certificate: X509Certificate, host: string): boolean {
  const address = host.replace(/^\[|\]$/g, '');
  if (isIP(address) !== 0) return certificate.checkIP(address) !== undefined;
  return certificate.checkHost(host, { subject: 'never' }) !== undefined;
}
