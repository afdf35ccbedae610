import { createHash } from 'node:crypto';
import * as asn1js from 'asn1js';
import { readChildrenOf, readElement, TAG } from './der.ts';
import { arrayBuffer } from './encode.ts';

/** Which certificate is meant: its issuer by hashes of name and key, and its serial number (CertID, RFC 6960 section 4.1.1). */
export type CertificateId = {
  readonly nameHash: Buffer;
  readonly keyHash: Buffer;
  /** Upper-case hexadecimal, an even number of digits. */
  readonly serialNumber: string;
};

/** SHA-1 only names the issuer here and proves nothing; it is the one hash that every responder knows (RFC 5019 section 2.1.1). */
export const ID_HASH = { name: 'sha1', oid: '1.3.14.3.2.26' } as const;

const hashOf = (bytes: Uint8Array): Buffer => createHash(ID_HASH.name).update(bytes).digest();

/** The id of certificates that an issuer signed, all but the serial number. `issuer`: DER of a certificate of version 3 that was read before. */
export function issuerIdOf(issuer: Uint8Array): Omit<CertificateId, 'serialNumber'> {
  const [body] = readChildrenOf(readElement(issuer, TAG.sequence), TAG.sequence);
  const [, , , , , subject, spki] = readChildrenOf(body, TAG.sequence);
  const [, key] = readChildrenOf(spki, TAG.sequence);
  // The hash is of the key's bits, without the octet that counts unused ones.
  return { nameHash: hashOf(subject?.whole ?? new Uint8Array()), keyHash: hashOf(key?.content.subarray(1) ?? new Uint8Array()) };
}

/** An unsigned question about one certificate (RFC 6960 section 4.1) as DER, without a nonce, so that responders may answer what they made before. */
export function createOcspRequest({ nameHash, keyHash, serialNumber }: CertificateId): Buffer {
  const sequence = (...value: asn1js.BaseBlock[]): asn1js.Sequence => new asn1js.Sequence({ value });
  const octets = (bytes: Uint8Array): asn1js.OctetString => new asn1js.OctetString({ valueHex: arrayBuffer(bytes) });
  const serial = Buffer.from(serialNumber, 'hex');
  // An octet of zeros in front where the first bit would make it negative.
  const positive = (serial[0] as number) >= 0x80 ? Buffer.concat([Buffer.alloc(1), serial]) : serial;
  const id = sequence(
    sequence(new asn1js.ObjectIdentifier({ value: ID_HASH.oid }), new asn1js.Null()),
    octets(nameHash),
    octets(keyHash),
    new asn1js.Integer({ valueHex: arrayBuffer(positive) }),
  );
  return Buffer.from(sequence(sequence(sequence(sequence(id)))).toBER());
}
