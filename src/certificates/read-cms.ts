import type { DistinguishedName } from '../protocol/distinguished-name.ts';
import { type CmsAttributes, readSignedAttributes } from './cms-attributes.ts';
import { type Element, expectTag, readChildren, readChildrenOf, readElement, readOid, readUnsigned, TAG } from './der.ts';
import { readDerSignature } from './ecdsa-signature.ts';
import { readName } from './name.ts';
import { CertificateProblem } from './problem.ts';

/** A detached signature of one signer, RFC 5652 section 5 (PKCS#7), read strictly. Nothing in it is proven. */
export type CmsSignature = {
  readonly algorithm: 'rsa-v1_5-sha256' | 'ecdsa-p256-sha256';
  /** Who says that it signed: issuer and serial number (upper-case hexadecimal, an even number of digits) of its certificate. */
  readonly issuer: DistinguishedName;
  readonly serialNumber: string;
  /** The certificates that came along as DER, the signer's first; empty when it is not among them. */
  readonly chain: readonly Uint8Array[];
  /** Undefined when the content itself was signed. */
  readonly attributes?: CmsAttributes;
  /** RSA as it is, ECDSA as r and s side by side. */
  readonly signature: Buffer;
};

/** Largest message that is read, bytes of DER. */
export const CMS_BYTES_MAX = 16_384;
const CERTIFICATES_MAX = 8;
/** The reason of a message that is not detached. */
export const BRINGS_CONTENT = 'it brings content of its own: it must be detached';

/** Object identifiers of RFC 5652 sections 4 and 5.1 and RFC 5754 section 2.2. */
export const CMS_OID = { data: '1.2.840.113549.1.7.1', signedData: '1.2.840.113549.1.7.2', sha256: '2.16.840.1.101.3.4.2.1' } as const;

type Kind = Pick<CmsSignature, 'algorithm'> & { readonly nullParameters: boolean };
/** RFC 3370 section 3.2 and RFC 5754 section 3: the name of RSA alone means PKCS #1 v1.5 with the hash that stands beside it. */
const SIGNATURES: Readonly<Record<string, Kind>> = {
  '1.2.840.113549.1.1.1': { algorithm: 'rsa-v1_5-sha256', nullParameters: true },
  '1.2.840.113549.1.1.11': { algorithm: 'rsa-v1_5-sha256', nullParameters: true },
  '1.2.840.10045.4.3.2': { algorithm: 'ecdsa-p256-sha256', nullParameters: false },
};
const P256_BYTES = 32;
const SIGNED_ATTRIBUTES = 0xa0;
const NULL = Buffer.from([0x05, 0x00]);

const refuse = (reason: string): never => {
  throw new CertificateProblem(reason);
};

/**
 * Reads a SignedData with exactly one signer, SHA-256, no content of its own, no revocation lists and nothing unsigned, in DER.
 * Throws CertificateProblem, and nothing else, for any bytes. That the signer's certificate may sign is for others to check.
 */
export function readCms(der: Uint8Array): CmsSignature {
  if (der.length > CMS_BYTES_MAX) refuse('it is too large');
  const [type, wrapped, ...rest] = readChildrenOf(readElement(der, TAG.sequence), TAG.sequence);
  if (readOid(type) !== CMS_OID.signedData || rest.length > 0) refuse('it is not a SignedData');
  const [signedData, ...more] = readChildrenOf(wrapped, TAG.context0);
  if (more.length > 0) refuse('it has more than one content');
  const [version, digests, content, ...optional] = readChildrenOf(signedData, TAG.sequence);
  readVersion(version, [1, 3]);
  checkDigests(expectTag(digests, TAG.set));
  checkContent(content);
  const certificates = optional[0]?.tag === TAG.context0 ? readChildren(optional.shift() as Element) : [];
  if (certificates.length > CERTIFICATES_MAX) refuse(`it has more than ${CERTIFICATES_MAX} certificates`);
  const [signer, ...others] = readChildrenOf(optional.shift(), TAG.set);
  if (others.length > 0) refuse('it has more than one signer');
  if (optional.length > 0) refuse('it has parts that are not known');
  return readSigner(
    expectTag(signer, TAG.sequence),
    certificates.map((certificate) => expectTag(certificate, TAG.sequence)),
  );
}

function readVersion(element: Element | undefined, allowed: readonly number[]): void {
  const [version, ...rest] = readUnsigned(element);
  if (rest.length > 0 || !allowed.includes(version as number)) refuse('it is of a version that is not known');
}

function checkDigests(set: Element): void {
  const [digest, ...others] = readChildren(set);
  checkDigest(digest);
  if (others.length > 0) refuse('it names more than one digest algorithm');
}

/** RFC 5754 section 2: parameters are absent; NULL is to be accepted. */
function checkDigest(element: Element | undefined): void {
  const [oid, parameters, ...rest] = readChildrenOf(element, TAG.sequence);
  const isPlain = (parameters === undefined || NULL.equals(parameters.whole)) && rest.length === 0;
  if (readOid(oid) !== CMS_OID.sha256 || !isPlain) refuse('its digest algorithm is not SHA-256');
}

function checkContent(element: Element | undefined): void {
  const [type, ...inside] = readChildrenOf(element, TAG.sequence);
  if (readOid(type) !== CMS_OID.data) refuse('its content is not plain data');
  if (inside.length > 0) refuse(BRINGS_CONTENT);
}

type Named = Pick<CmsSignature, 'issuer' | 'serialNumber'>;

function readSigner(signer: Element, certificates: readonly Element[]): CmsSignature {
  const [version, name, digest, ...parts] = readChildren(signer);
  readVersion(version, [1]);
  const identifier = expectTag(name, TAG.sequence);
  const named = readIdentifier(identifier);
  checkDigest(digest);
  const attributes = parts[0]?.tag === SIGNED_ATTRIBUTES ? parts.shift() : undefined;
  const [algorithm, signature, ...rest] = parts;
  if (rest.length > 0) refuse('it has attributes that are not signed');
  const kind = readAlgorithm(algorithm);
  const bytes = Buffer.from(expectTag(signature, TAG.octetString).content);
  const chain = signerFirst(identifier, certificates);
  return {
    ...named,
    algorithm: kind.algorithm,
    chain,
    ...(attributes && { attributes: readSignedAttributes(attributes, chain[0]) }),
    signature: kind.algorithm === 'ecdsa-p256-sha256' ? readDerSignature(bytes, P256_BYTES) : bytes,
  };
}

function readIdentifier(identifier: Element): Named {
  const [issuer, serial, ...rest] = readChildren(identifier);
  if (rest.length > 0) refuse('its signer is not named by issuer and serial number');
  return { issuer: readName(issuer), serialNumber: Buffer.from(readUnsigned(serial)).toString('hex').toUpperCase() };
}

function readAlgorithm(element: Element | undefined): Kind {
  const [oid, parameters, ...rest] = readChildrenOf(element, TAG.sequence);
  const kind = SIGNATURES[readOid(oid)];
  if (kind === undefined) return refuse('its signature algorithm is neither RSA (PKCS #1 v1.5) nor ECDSA, with SHA-256');
  const fits = parameters === undefined ? !kind.nullParameters : kind.nullParameters && NULL.equals(parameters.whole);
  return fits && rest.length === 0 ? kind : refuse('its signature algorithm has parameters that it must not have');
}

/** The certificate whose issuer and serial number are the signer's, byte for byte, before the others; none when there is none or two. */
function signerFirst(identifier: Element, certificates: readonly Element[]): Uint8Array[] {
  const isSigner = (certificate: Element) => issuerAndSerialOf(certificate)?.equals(identifier.content) ?? false;
  const signers = certificates.filter(isSigner);
  if (signers.length > 1) refuse('it has two certificates of one number');
  const others = certificates.filter((certificate) => !isSigner(certificate));
  return signers.length === 0 ? [] : [...signers, ...others].map(({ whole }) => whole);
}

/** Issuer and serial number of a certificate of version 3, as SignerInfo would write them. */
function issuerAndSerialOf(certificate: Element): Buffer | undefined {
  const [body] = readChildren(certificate);
  const [, serial, , issuer] = readChildrenOf(body, TAG.sequence);
  return serial && issuer && Buffer.concat([issuer.whole, serial.whole]);
}
