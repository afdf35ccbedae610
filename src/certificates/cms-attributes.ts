import { sameBytes, sha256 } from '../lib/bytes.ts';
import { type Element, expectTag, readChildren, readChildrenOf, readOid, readTime, TAG } from './der.ts';
import { CertificateProblem } from './problem.ts';

/** What a signer signs beside the content, RFC 5652 section 5.4. */
export type CmsAttributes = {
  /** The bytes that were signed. */
  readonly signed: Buffer;
  /** SHA-256 of the content, as the signer says. */
  readonly messageDigest: Uint8Array;
};

const DATA = '1.2.840.113549.1.7.1';

/** Object identifiers of RFC 5652 section 11, RFC 8551 section 2.5.2 and RFC 5035 section 3. */
export const ATTRIBUTE_OID = {
  contentType: '1.2.840.113549.1.9.3',
  messageDigest: '1.2.840.113549.1.9.4',
  signingTime: '1.2.840.113549.1.9.5',
  smimeCapabilities: '1.2.840.113549.1.9.15',
  signingCertificateV2: '1.2.840.113549.1.9.16.2.47',
} as const;
const OID = ATTRIBUTE_OID;

const refuse = (reason: string): never => {
  throw new CertificateProblem(reason);
};

/**
 * Reads the signed attributes of a SignerInfo, each type once and in the order of DER, so that verifiers that sort them see the same
 * bytes. Throws CertificateProblem.
 * @param signer the signer's certificate, DER, when it is there
 */
export function readSignedAttributes(attributes: Element, signer: Uint8Array | undefined): CmsAttributes {
  const values = new Map<string, Element>();
  let before: Element | undefined;
  for (const attribute of readChildren(attributes)) {
    if (before && Buffer.compare(before.whole, attribute.whole) >= 0) refuse('its signed attributes are not in the order of DER');
    before = attribute;
    const [type, set, ...rest] = readChildrenOf(attribute, TAG.sequence);
    const [value, ...others] = readChildrenOf(set, TAG.set);
    const oid = readOid(type);
    if (value === undefined || others.length > 0 || rest.length > 0 || values.has(oid)) refuse('a signed attribute has not one value');
    values.set(oid, value as Element);
  }
  checkAttributes(values, signer);
  const signed = Buffer.from(attributes.whole);
  // RFC 5652 section 5.4: what is signed is the SET itself, not its place in the message.
  signed[0] = TAG.set;
  return { signed, messageDigest: expectTag(values.get(OID.messageDigest), TAG.octetString).content };
}

/** What signed attributes may say; one that is not known could narrow what was signed. */
const ATTRIBUTES: Readonly<Record<string, (value: Element, signer: Uint8Array | undefined) => void>> = {
  [OID.contentType]: (value) => {
    if (readOid(value) !== DATA) refuse('its signed content type is not plain data');
  },
  [OID.messageDigest]: (value) => void expectTag(value, TAG.octetString),
  [OID.signingTime]: (value) => void readTime(value),
  [OID.smimeCapabilities]: (value) => void expectTag(value, TAG.sequence),
  [OID.signingCertificateV2]: checkSigningCertificate,
};

function checkAttributes(values: ReadonlyMap<string, Element>, signer: Uint8Array | undefined): void {
  // RFC 5652 section 11: both are there whenever there are signed attributes.
  for (const oid of [OID.contentType, OID.messageDigest]) if (!values.has(oid)) refuse('its signed attributes lack content type or digest');
  for (const [oid, value] of values) {
    const check = Object.hasOwn(ATTRIBUTES, oid) ? ATTRIBUTES[oid] : undefined;
    if (check === undefined) refuse('it has a signed attribute that is not known');
    else check(value, signer);
  }
}

/** RFC 5035 section 4: the first certificate that is named, by its SHA-256, is the signer's. */
function checkSigningCertificate(value: Element, signer: Uint8Array | undefined): void {
  const [certificates] = readChildrenOf(value, TAG.sequence);
  const [first] = readChildrenOf(certificates, TAG.sequence);
  const [hash] = readChildrenOf(first, TAG.sequence);
  const isSigner = signer !== undefined && sameBytes(sha256(signer), expectTag(hash, TAG.octetString).content);
  if (!isSigner) refuse('its attribute for the signing certificate names another one');
}
