import { type KeyObject, X509Certificate } from 'node:crypto';
import { sha256 } from '../lib/bytes.ts';
import type { DistinguishedName } from '../protocol/distinguished-name.ts';
import { type Element, expectTag, readChildrenOf, readElement, readOid, readTime, readUnsigned, TAG } from './der.ts';
import { type ExtensionFacts, readExtensions } from './extensions.ts';
import { readName } from './name.ts';
import { CertificateProblem } from './problem.ts';

/** What a certificate says, read once and strictly. Version 1 and 2 certificates are refused: their fields stand elsewhere. */
export type CertificateFacts = ExtensionFacts & {
  readonly version: 3;
  /** Upper-case hexadecimal, an even number of digits, as OpenSSL prints it. */
  readonly serialNumber: string;
  readonly issuer: DistinguishedName;
  readonly subject: DistinguishedName;
  /** Valid while notBeforeMs <= now <= notAfterMs (RFC 5280 section 4.1.2.5: both ends belong to it). */
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
  readonly publicKey: KeyObject;
  /** SHA-256 of the DER, base64url: `x5t#S256` of RFC 8705 section 3.1. */
  readonly thumbprint: string;
  /** A name of the table in read.ts, or the object identifier of an algorithm that is not in it. */
  readonly signatureAlgorithm: string;
};

/** Largest certificate that is read, bytes of DER. */
export const CERTIFICATE_BYTES_MAX = 16_384;

const SIGNATURE_ALGORITHMS: Readonly<Record<string, string>> = {
  '1.2.840.113549.1.1.4': 'md5WithRSAEncryption',
  '1.2.840.113549.1.1.5': 'sha1WithRSAEncryption',
  '1.2.840.113549.1.1.11': 'sha256WithRSAEncryption',
  '1.2.840.113549.1.1.12': 'sha384WithRSAEncryption',
  '1.2.840.113549.1.1.13': 'sha512WithRSAEncryption',
  '1.2.840.10045.4.1': 'ecdsa-with-SHA1',
  '1.2.840.10045.4.3.2': 'ecdsa-with-SHA256',
  '1.2.840.10045.4.3.3': 'ecdsa-with-SHA384',
  '1.2.840.10045.4.3.4': 'ecdsa-with-SHA512',
  '1.3.101.112': 'ed25519',
};

/** Reads a certificate (RFC 5280 section 4.1) of at most 16 KB. Throws CertificateProblem, and nothing else, for any bytes. */
export function readCertificate(der: Uint8Array): CertificateFacts {
  if (der.length > CERTIFICATE_BYTES_MAX) throw new CertificateProblem('the certificate is too large');
  const [body, algorithm, signature, ...rest] = readChildrenOf(readElement(der, TAG.sequence), TAG.sequence);
  if (rest.length > 0) throw new CertificateProblem('the certificate has more than three parts');
  expectTag(signature, TAG.bitString);
  const parts = readChildrenOf(body, TAG.sequence);
  checkVersion(parts[0]);
  const [, serial, innerAlgorithm, issuer, validity, subject, spki, extensions, ...more] = parts;
  // Between key and extensions only the identifiers of version 2 could stand, which nobody may issue.
  if (more.length > 0) throw new CertificateProblem('the certificate has fields that are not known');
  const outer = expectTag(algorithm, TAG.sequence).whole;
  // RFC 5280 section 4.1.1.2: the signed algorithm and the one beside the signature are the same.
  if (Buffer.compare(outer, expectTag(innerAlgorithm, TAG.sequence).whole) !== 0)
    throw new CertificateProblem('the certificate names two signature algorithms');
  return {
    version: 3,
    serialNumber: readSerialNumber(serial),
    issuer: readName(issuer),
    subject: readName(subject),
    ...readValidity(validity),
    publicKey: readPublicKey(der, spki),
    thumbprint: sha256(der).toString('base64url'),
    signatureAlgorithm: readSignatureAlgorithm(expectTag(algorithm, TAG.sequence)),
    ...readExtensions(onlyChild(extensions, TAG.context3)),
  };
}

function onlyChild(element: Element | undefined, tag: number): Element {
  const [child, ...rest] = readChildrenOf(element, tag);
  if (child === undefined || rest.length > 0) throw new CertificateProblem('the certificate is not well-formed DER');
  return child;
}

/** Version 1 has no version field at all, so that every later field would be taken for its neighbour. */
function checkVersion(element: Element | undefined): void {
  const isThree = element?.tag === TAG.context0 && Buffer.from(readUnsigned(onlyChild(element, TAG.context0))).equals(Buffer.from([2]));
  if (!isThree) throw new CertificateProblem('the certificate is not of version 3', { kind: 'version' });
}

function readSerialNumber(element: Element | undefined): string {
  const bytes = Buffer.from(readUnsigned(element));
  // RFC 5280 section 4.1.2.2: positive, at most 20 octets.
  if (bytes.length > 20 || bytes.every((byte) => byte === 0)) throw new CertificateProblem('the serial number is not usable');
  return bytes.toString('hex').toUpperCase();
}

function readValidity(element: Element | undefined): { notBeforeMs: number; notAfterMs: number } {
  const [from, until, ...rest] = readChildrenOf(element, TAG.sequence);
  const validity = { notBeforeMs: readTime(from), notAfterMs: readTime(until) };
  if (rest.length > 0 || validity.notBeforeMs > validity.notAfterMs) throw new CertificateProblem('the validity ends before it begins');
  return validity;
}

/** The signature algorithm of an AlgorithmIdentifier: a name of the table above, or its object identifier. */
export function readSignatureAlgorithm(element: Element): string {
  const oid = readOid(readChildrenOf(element, TAG.sequence)[0]);
  return SIGNATURE_ALGORITHMS[oid] ?? oid;
}

/** The key as OpenSSL reads it; that it is the key our reader saw is compared, so that two parsers cannot disagree. */
function readPublicKey(der: Uint8Array, spki: Element | undefined): KeyObject {
  const expected = expectTag(spki, TAG.sequence).whole;
  let publicKey: KeyObject;
  try {
    publicKey = new X509Certificate(der).publicKey;
  } catch (cause) {
    throw new CertificateProblem('the public key of the certificate cannot be read', { kind: 'key', cause });
  }
  if (!publicKey.export({ type: 'spki', format: 'der' }).equals(expected))
    throw new CertificateProblem('the public key of the certificate is not in DER', { kind: 'key' });
  return publicKey;
}
