import { sha256 } from '../lib/bytes.ts';
import type { Signer } from '../ports/signer.ts';
import { ATTRIBUTE_OID } from './cms-attributes.ts';
import { readChildren, readChildrenOf, readElement, TAG } from './der.ts';
import { writeDerSignature } from './ecdsa-signature.ts';
import { CMS_OID } from './read-cms.ts';
import { der, derInteger, derOid } from './write-der.ts';

const NULL = der(0x05);
const SHA256 = der(TAG.sequence, derOid(CMS_OID.sha256));
const ONE = derInteger(Uint8Array.of(1));
const SIGNED_ATTRIBUTES = 0xa0;

/** The algorithms a detached signature of ours may have, as SignerInfo names them. */
const ALGORITHMS = new Map<string, Buffer>([
  ['rsa-v1_5-sha256', der(TAG.sequence, derOid('1.2.840.113549.1.1.11'), NULL)],
  ['ecdsa-p256-sha256', der(TAG.sequence, derOid('1.2.840.10045.4.3.2'))],
]);

/**
 * Signs content detached, RFC 5652 section 5: one signer with its certificate, SHA-256, signed attributes for type, time and digest.
 * The signer's algorithm is rsa-v1_5-sha256 or ecdsa-p256-sha256; another is a mistake of the caller and throws a TypeError.
 * @param certificate the signer's, DER
 */
export async function signCms(content: Uint8Array, certificate: Uint8Array, signer: Signer, nowMs: number): Promise<Buffer> {
  const algorithm = ALGORITHMS.get(signer.algorithm);
  if (!algorithm) throw new TypeError(`no detached signature is made with ${signer.algorithm}`);
  const attributes = attributesOf(content, nowMs);
  const raw = await signer.sign(der(TAG.set, ...attributes));
  const signature = signer.algorithm === 'ecdsa-p256-sha256' ? writeDerSignature(raw) : raw;
  const parts = [SHA256, der(SIGNED_ATTRIBUTES, ...attributes), algorithm, der(TAG.octetString, signature)];
  const signerInfo = der(TAG.sequence, ONE, issuerAndSerialOf(certificate), ...parts);
  const data = der(TAG.sequence, derOid(CMS_OID.data));
  const signedData = der(TAG.sequence, ONE, der(TAG.set, SHA256), data, der(TAG.context0, certificate), der(TAG.set, signerInfo));
  return der(TAG.sequence, derOid(CMS_OID.signedData), der(TAG.context0, signedData));
}

const attribute = (oid: string, value: Buffer): Buffer => der(TAG.sequence, derOid(oid), der(TAG.set, value));

/** In the order of DER. */
function attributesOf(content: Uint8Array, nowMs: number): Buffer[] {
  return [
    attribute(ATTRIBUTE_OID.contentType, derOid(CMS_OID.data)),
    attribute(ATTRIBUTE_OID.signingTime, timeOf(nowMs)),
    attribute(ATTRIBUTE_OID.messageDigest, der(TAG.octetString, sha256(content))),
  ].sort(Buffer.compare);
}

/** UTCTime until 2049, GeneralizedTime from then on (RFC 5652 section 11.3). */
function timeOf(ms: number): Buffer {
  const text = `${new Date(ms).toISOString().replace(/\D/g, '').slice(0, 14)}Z`;
  return text < '2050' ? der(TAG.utcTime, Buffer.from(text.slice(2))) : der(TAG.generalizedTime, Buffer.from(text));
}

function issuerAndSerialOf(certificate: Uint8Array): Buffer {
  const [body] = readChildren(readElement(certificate, TAG.sequence));
  const [, serial, , issuer] = readChildrenOf(body, TAG.sequence);
  if (!serial || !issuer) throw new TypeError('the certificate is not of version 3');
  return der(TAG.sequence, issuer.whole, serial.whole);
}
