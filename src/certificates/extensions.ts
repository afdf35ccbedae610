import { type Element, readBoolean, readChildrenOf, readElement, readNamedBits, readOid, readUnsigned, TAG } from './der.ts';
import { CertificateProblem } from './problem.ts';

/** Key usages by bit, RFC 5280 section 4.2.1.3. */
const KEY_USAGES = [
  'digitalSignature',
  'nonRepudiation',
  'keyEncipherment',
  'dataEncipherment',
  'keyAgreement',
  'keyCertSign',
  'cRLSign',
  'encipherOnly',
  'decipherOnly',
] as const;
export type KeyUsage = (typeof KEY_USAGES)[number];

/** What the extensions of a certificate say. `undefined` means that the extension is absent. */
export type ExtensionFacts = {
  /** Object identifiers of the extended key usages. */
  readonly extendedKeyUsage: readonly string[] | undefined;
  readonly keyUsage: ReadonlySet<KeyUsage> | undefined;
  /** basicConstraints says CA. */
  readonly isAuthority: boolean;
  /** Where its authority answers by OCSP (authorityInfoAccess, RFC 5280 section 4.2.2.1): URLs as written, unchecked. */
  readonly responders: readonly string[];
};

const OID = { keyUsage: '2.5.29.15', basicConstraints: '2.5.29.19', extendedKeyUsage: '2.5.29.37' };
const AUTHORITY_INFORMATION = '1.3.6.1.5.5.7.1.1';
const OCSP_ACCESS = '1.3.6.1.5.5.7.48.1';

/**
 * Extensions that may be critical: the three that are read here, and those that OpenSSL enforces while it builds the chain
 * (subjectAltName, nameConstraints, certificatePolicies, policyConstraints). RFC 5280 section 4.2 refuses others.
 */
const MAY_BE_CRITICAL = new Set([...Object.values(OID), '2.5.29.17', '2.5.29.30', '2.5.29.32', '2.5.29.36']);

/** Reads the extensions of a certificate, RFC 5280 section 4.2. Throws CertificateProblem. */
export function readExtensions(element: Element): ExtensionFacts {
  const values = new Map<string, Uint8Array>();
  for (const extension of readChildrenOf(element, TAG.sequence)) {
    const { oid, value } = readExtension(extension);
    if (values.has(oid)) throw new CertificateProblem('the certificate has an extension twice');
    values.set(oid, value);
  }
  const extendedKeyUsage = values.get(OID.extendedKeyUsage);
  const keyUsage = values.get(OID.keyUsage);
  const basicConstraints = values.get(OID.basicConstraints);
  const information = values.get(AUTHORITY_INFORMATION);
  return {
    extendedKeyUsage: extendedKeyUsage && readChildrenOf(readElement(extendedKeyUsage, TAG.sequence), TAG.sequence).map(readOid),
    keyUsage: keyUsage && readKeyUsage(keyUsage),
    isAuthority: basicConstraints !== undefined && readIsAuthority(basicConstraints),
    responders: information ? readResponders(information) : [],
  };
}

function readExtension(element: Element): { oid: string; value: Uint8Array } {
  const parts = readChildrenOf(element, TAG.sequence);
  const oid = readOid(parts[0]);
  // An explicit FALSE is not DER (X.690 section 11.5), but common and without a second reading.
  const isCritical = parts.length === 3 && readBoolean(parts[1] as Element);
  const value = parts.at(-1) as Element;
  if (parts.length < 2 || parts.length > 3 || value.tag !== TAG.octetString)
    throw new CertificateProblem('an extension is not well-formed');
  if (isCritical && !MAY_BE_CRITICAL.has(oid)) throw new CertificateProblem('the certificate has a critical extension that is not known');
  return { oid, value: value.content };
}

function readKeyUsage(value: Uint8Array): ReadonlySet<KeyUsage> {
  const usages = new Set<KeyUsage>();
  for (const bit of readNamedBits(readElement(value, TAG.bitString))) {
    const usage = KEY_USAGES[bit];
    if (usage === undefined) throw new CertificateProblem('the key usage has an unknown bit');
    usages.add(usage);
  }
  return usages;
}

/** BasicConstraints: `SEQUENCE { cA BOOLEAN DEFAULT FALSE, pathLenConstraint INTEGER OPTIONAL }`, RFC 5280 section 4.2.1.9. */
function readIsAuthority(value: Uint8Array): boolean {
  const parts = readChildrenOf(readElement(value, TAG.sequence), TAG.sequence);
  const isAuthority = parts[0]?.tag === TAG.boolean && readBoolean(parts[0]);
  const rest = parts[0]?.tag === TAG.boolean ? parts.slice(1) : parts;
  if (rest.length > 1) throw new CertificateProblem('the basic constraints are not well-formed');
  if (rest.length === 1) readUnsigned(rest[0]);
  return isAuthority;
}

/** AuthorityInfoAccess: `SEQUENCE OF SEQUENCE { accessMethod OID, accessLocation GeneralName }`; names that are no URI say nothing here. */
function readResponders(value: Uint8Array): string[] {
  return readChildrenOf(readElement(value, TAG.sequence), TAG.sequence).flatMap((description) => {
    const [method, location] = readChildrenOf(description, TAG.sequence);
    return readOid(method) === OCSP_ACCESS && location?.tag === TAG.primitive6 ? [Buffer.from(location.content).toString('latin1')] : [];
  });
}
