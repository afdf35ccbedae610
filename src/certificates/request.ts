import { createPublicKey, type KeyObject, verify } from 'node:crypto';
import { type DistinguishedName, findNameProblem } from '../protocol/distinguished-name.ts';
import { type Element, expectTag, readChildrenOf, readElement, readOid, readUnsigned, TAG } from './der.ts';
import { readName } from './name.ts';
import { checkKeyPolicy } from './policy.ts';
import { CertificateProblem } from './problem.ts';
import { readSignatureAlgorithm } from './read.ts';

/** What a request (PKCS#10, RFC 2986) says. Only the key is ever taken over; the rest is for the operator to look at. */
export type RequestFacts = {
  readonly publicKey: KeyObject;
  readonly signatureAlgorithm: string;
  /** Undefined when it is empty or no name that we would issue: requests need none. */
  readonly subject: DistinguishedName | undefined;
  /** Object identifiers of the extensions and attributes that it asks for, and does not get. */
  readonly asked: readonly string[];
};

/** Largest request that is read, bytes of DER: an RSA key of 4096 bits, a long name and its signature take 2 KB. */
export const REQUEST_BYTES_MAX = 16_384;
/** Longest RSA key that is certified. */
const RSA_BITS_MAX = 4096;
const EXTENSION_REQUEST = '1.2.840.113549.1.9.14';

type Proof = { readonly keyType: string; readonly digest: string | null };

/** How possession can be proved: the same algorithms as on certificates. */
const PROOFS: Readonly<Record<string, Proof>> = {
  sha256WithRSAEncryption: { keyType: 'rsa', digest: 'sha256' },
  sha384WithRSAEncryption: { keyType: 'rsa', digest: 'sha384' },
  sha512WithRSAEncryption: { keyType: 'rsa', digest: 'sha512' },
  'ecdsa-with-SHA256': { keyType: 'ec', digest: 'sha256' },
  'ecdsa-with-SHA384': { keyType: 'ec', digest: 'sha384' },
  'ecdsa-with-SHA512': { keyType: 'ec', digest: 'sha512' },
  ed25519: { keyType: 'ed25519', digest: null },
};

/**
 * Reads a request of at most 16 KB, and checks its key by our policy and that its sender holds the key (RFC 2986 section 3:
 * the request is signed with it). Throws CertificateProblem, and nothing else, for any bytes.
 */
export function readRequest(der: Uint8Array): RequestFacts {
  try {
    return read(der);
  } catch (error) {
    if (!(error instanceof CertificateProblem)) throw error;
    // The reader of DER and the policy speak of certificates.
    throw new CertificateProblem(error.reason.replace('the certificate', 'the request'), { cause: error });
  }
}

function read(der: Uint8Array): RequestFacts {
  if (der.length > REQUEST_BYTES_MAX) throw new CertificateProblem('the request is too large');
  const [info, algorithm, signature, ...rest] = readChildrenOf(readElement(der, TAG.sequence), TAG.sequence);
  const [version, subject, spki, attributes, ...more] = readChildrenOf(info, TAG.sequence);
  if (rest.length > 0 || more.length > 0) throw new CertificateProblem('the request has fields that are not known');
  if (!Buffer.from(readUnsigned(version)).equals(Buffer.from([0]))) throw new CertificateProblem('the request is not of version 1');
  const publicKey = readKey(expectTag(spki, TAG.sequence).whole);
  const signatureAlgorithm = readSignatureAlgorithm(expectTag(algorithm, TAG.sequence));
  checkKeyPolicy({ publicKey, signatureAlgorithm });
  if ((publicKey.asymmetricKeyDetails?.modulusLength ?? 0) > RSA_BITS_MAX)
    throw new CertificateProblem(`the RSA key is longer than ${RSA_BITS_MAX} bits`);
  checkPossession(expectTag(info, TAG.sequence).whole, publicKey, signatureAlgorithm, expectTag(signature, TAG.bitString).content);
  return { publicKey, signatureAlgorithm, subject: readSubject(subject), asked: readAsked(attributes) };
}

/** The key as OpenSSL reads it, and that it is written in DER, so that the certificate carries the very same bytes. */
function readKey(spki: Uint8Array): KeyObject {
  let publicKey: KeyObject;
  try {
    publicKey = createPublicKey({ key: Buffer.from(spki), format: 'der', type: 'spki' });
  } catch (cause) {
    throw new CertificateProblem('the public key of the request cannot be read', { cause });
  }
  if (!publicKey.export({ type: 'spki', format: 'der' }).equals(spki))
    throw new CertificateProblem('the public key of the request is not in DER');
  return publicKey;
}

function checkPossession(signed: Uint8Array, publicKey: KeyObject, algorithm: string, bits: Uint8Array): void {
  const proof = PROOFS[algorithm];
  const fits = proof !== undefined && proof.keyType === publicKey.asymmetricKeyType && bits[0] === 0;
  if (!fits || !verifies(proof, signed, publicKey, bits.subarray(1)))
    throw new CertificateProblem('the signature of the request does not verify under its own key: its sender may not hold the key');
}

function verifies({ digest }: Proof, signed: Uint8Array, publicKey: KeyObject, signature: Uint8Array): boolean {
  try {
    return verify(digest, signed, publicKey, signature);
  } catch {
    // Nothing that can be compared, such as a point that is not on the curve.
    return false;
  }
}

/** Names are only shown and compared, so an odd one is no reason to refuse; but what is not DER at all is. */
function readSubject(element: Element | undefined): DistinguishedName | undefined {
  expectTag(element, TAG.sequence);
  try {
    const name = readName(element);
    return findNameProblem(name) === undefined ? name : undefined;
  } catch (error) {
    if (error instanceof CertificateProblem) return undefined;
    throw error;
  }
}

function readAsked(attributes: Element | undefined): string[] {
  // Some tools leave an empty set out, against RFC 2986 section 4.1.
  if (attributes === undefined) return [];
  const asked = readChildrenOf(attributes, TAG.context0).flatMap((attribute) => {
    const [type, values, ...rest] = readChildrenOf(attribute, TAG.sequence);
    const [value] = readChildrenOf(values, TAG.set);
    if (rest.length > 0) throw new CertificateProblem('an attribute of the request is not a pair');
    const oid = readOid(type);
    if (oid !== EXTENSION_REQUEST) return [oid];
    return readChildrenOf(value, TAG.sequence).map((extension) => readOid(readChildrenOf(extension, TAG.sequence)[0]));
  });
  if (new Set(asked).size !== asked.length) throw new CertificateProblem('the request asks for one thing twice');
  return asked;
}
