import { createHash } from 'node:crypto';
import type { CertificateFacts } from './read.ts';

/** Short names of attribute types as Alipay's SDKs print them; others have none there. */
const SHORT_NAMES: ReadonlyMap<string, string> = new Map([
  ['2.5.4.3', 'CN'],
  ['2.5.4.6', 'C'],
  ['2.5.4.7', 'L'],
  ['2.5.4.8', 'ST'],
  ['2.5.4.10', 'O'],
  ['2.5.4.11', 'OU'],
  ['1.2.840.113549.1.9.1', 'E'],
]);

/**
 * What Alipay calls a certificate (`app_cert_sn`, `alipay-sn`): MD5, lower-case hexadecimal, of the issuer's name, most specific
 * attribute first and nothing escaped, and the serial number in decimal. Only a name: two certificates may share one.
 */
export function alipaySerialOf({ issuer, serialNumber }: Pick<CertificateFacts, 'issuer' | 'serialNumber'>): string {
  const attributes = issuer.flat().toReversed();
  const name = attributes.map(({ oid, value }) => `${SHORT_NAMES.get(oid) ?? ''}=${value}`).join(',');
  return createHash('md5')
    .update(`${name}${BigInt(`0x${serialNumber}`)}`, 'utf8')
    .digest('hex');
}
