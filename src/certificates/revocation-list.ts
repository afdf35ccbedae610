import * as asn1js from 'asn1js';
import { arrayBuffer, authorityKeyExtension, encodeName, encodeTime, extension, seal, signatureAlgorithmOf } from './encode.ts';
import type { Issuer } from './issue.ts';

/** Reasons for a revocation by number, RFC 5280 section 5.3.1. removeFromCRL ends a certificateHold and is never written into a full list. */
export const REVOCATION_REASONS = {
  unspecified: 0,
  keyCompromise: 1,
  cACompromise: 2,
  affiliationChanged: 3,
  superseded: 4,
  cessationOfOperation: 5,
  certificateHold: 6,
  removeFromCRL: 8,
  privilegeWithdrawn: 9,
  aACompromise: 10,
} as const;
export type RevocationReason = keyof typeof REVOCATION_REASONS;
export const REVOCATION_REASON_NAMES = Object.keys(REVOCATION_REASONS) as RevocationReason[];

export type RevokedCertificate = {
  /** Hexadecimal, as readCertificate gives it. */
  readonly serialNumber: string;
  readonly revokedAtMs: number;
  readonly reason: RevocationReason;
};

export type RevocationListRequest = {
  readonly issuer: Issuer;
  /** Greater than that of every list before it (RFC 5280 section 5.2.3). */
  readonly number: number;
  readonly thisUpdateMs: number;
  readonly nextUpdateMs: number;
  readonly revoked: readonly RevokedCertificate[];
};

/** A signed full list of version 2 (RFC 5280 section 5) as DER. */
export function createRevocationList(request: RevocationListRequest): Buffer {
  const { privateKey, publicKey } = request.issuer.keys;
  const number = extension('2.5.29.20', false, integerOf(hexOf(request.number)));
  const extensions = [authorityKeyExtension(publicKey), number].map((one) => one.toSchema());
  const body = new asn1js.Sequence({
    value: [
      new asn1js.Integer({ value: 1 }),
      signatureAlgorithmOf(privateKey).toSchema(),
      encodeName(request.issuer.name),
      encodeTime(request.thisUpdateMs).toSchema(),
      encodeTime(request.nextUpdateMs).toSchema(),
      // RFC 5280 section 5.1.2.6: absent, not empty, when nothing is revoked.
      ...(request.revoked.length > 0 ? [new asn1js.Sequence({ value: request.revoked.map(encodeRevoked) })] : []),
      new asn1js.Constructed({ idBlock: { tagClass: 3, tagNumber: 0 }, value: [new asn1js.Sequence({ value: extensions })] }),
    ],
  });
  return seal(body, privateKey);
}

function encodeRevoked({ serialNumber, revokedAtMs, reason }: RevokedCertificate): asn1js.Sequence {
  const code = new asn1js.Enumerated({ value: REVOCATION_REASONS[reason] });
  // RFC 5280 section 5.3.1: left out rather than unspecified.
  const extensions = reason === 'unspecified' ? [] : [new asn1js.Sequence({ value: [extension('2.5.29.21', false, code).toSchema()] })];
  return new asn1js.Sequence({ value: [integerOf(serialNumber), encodeTime(revokedAtMs).toSchema(), ...extensions] });
}

const hexOf = (number: number): string => number.toString(16).padStart(2 * Math.ceil(number.toString(16).length / 2), '0');

/** A positive INTEGER from hexadecimal: an octet of zeros in front where the first bit would make it negative. */
function integerOf(hex: string): asn1js.Integer {
  const bytes = Buffer.from(hex, 'hex');
  const valueHex = (bytes[0] as number) >= 0x80 ? Buffer.concat([Buffer.alloc(1), bytes]) : bytes;
  return new asn1js.Integer({ valueHex: arrayBuffer(valueHex) });
}
