import { sign } from 'node:crypto';
import * as asn1js from 'asn1js';
import { readChildren, readElement, TAG } from '../../src/certificates/der.ts';
import { readPem } from '../../src/certificates/pem.ts';
import type { Leaf } from './pki.ts';

export type CrlOptions = {
  /** Serial numbers in hexadecimal. */
  readonly revoked?: readonly string[];
  readonly thisUpdateMs?: number;
  /** Default: an hour after thisUpdate; null leaves it out. */
  readonly nextUpdateMs?: number | null;
  /** 1: version 2. */
  readonly version?: number;
  /** Object identifier of a critical extension. */
  readonly critical?: string;
  /** Signs instead of the authority. */
  readonly signer?: Leaf;
  readonly digest?: 'sha256' | 'sha1';
};

const HOUR_MS = 3_600_000;
const OID = { sha256: '1.2.840.10045.4.3.2', sha1: '1.2.840.10045.4.1' };

const sequence = (...value: asn1js.BaseBlock[]): asn1js.Sequence => new asn1js.Sequence({ value });
const time = (ms: number): asn1js.UTCTime => new asn1js.UTCTime({ valueDate: new Date(Math.floor(ms / 1000) * 1000) });
const integer = (hex: string): asn1js.Integer => new asn1js.Integer({ valueHex: Uint8Array.from(Buffer.from(hex, 'hex')).buffer });

/** The subject of an authority, byte for byte as its certificate has it. */
function subjectOf({ certificatePem, certificate }: Leaf): asn1js.BaseBlock {
  const [body] = readChildren(readElement(readPem(certificatePem, certificate)[0], TAG.sequence));
  const subject = readChildren(body as NonNullable<typeof body>)[5];
  return asn1js.fromBER(Uint8Array.from(subject?.whole ?? [])).result as asn1js.BaseBlock;
}

/** A CRL by a P-256 authority, DER. Made without the code under test, so that also lists that nobody should make can be made. */
export function makeCrl(authority: Leaf, options: CrlOptions = {}): Buffer {
  const { revoked = [], thisUpdateMs = Date.now(), version = 1, critical, signer = authority, digest = 'sha256' } = options;
  const nextUpdateMs = options.nextUpdateMs === undefined ? thisUpdateMs + HOUR_MS : options.nextUpdateMs;
  const algorithm = () => sequence(new asn1js.ObjectIdentifier({ value: OID[digest] }));
  const entries = revoked.map((serial) => sequence(integer(serial), time(thisUpdateMs)));
  const extension = critical && [
    new asn1js.Constructed({
      idBlock: { tagClass: 3, tagNumber: 0 },
      value: [
        sequence(
          sequence(
            new asn1js.ObjectIdentifier({ value: critical }),
            new asn1js.Boolean({ value: true }),
            new asn1js.OctetString({ valueHex: new ArrayBuffer(1) }),
          ),
        ),
      ],
    }),
  ];
  const body = sequence(
    new asn1js.Integer({ value: version }),
    algorithm(),
    subjectOf(authority),
    time(thisUpdateMs),
    ...(nextUpdateMs === null ? [] : [time(nextUpdateMs)]),
    ...(entries.length > 0 ? [sequence(...entries)] : []),
    ...(extension || []),
  );
  const signature = sign(digest, Buffer.from(body.toBER()), signer.privateKey);
  const whole = sequence(body, algorithm(), new asn1js.BitString({ valueHex: Uint8Array.from(signature).buffer }));
  return Buffer.from(whole.toBER());
}

/** The same in PEM. */
export const crlPem = (der: Buffer): string =>
  `-----BEGIN X509 CRL-----\n${(der.toString('base64').match(/.{1,64}/g) ?? []).join('\n')}\n-----END X509 CRL-----\n`;
