import { type KeyObject, sign } from 'node:crypto';
import { extension, name, oid, type RawName, sequence, tlv } from './hostile-certificate.ts';

/** Object identifiers of PKCS#9 attributes. */
const EXTENSION_REQUEST = '1.2.840.113549.1.9.14';

export type HostileRequest = {
  readonly publicKey: KeyObject;
  readonly signer: KeyObject;
  readonly subject?: RawName;
  readonly version?: number;
  /** Extensions asked for. */
  readonly extensions?: readonly Uint8Array[];
  /** Further attributes, whole. */
  readonly attributes?: readonly Uint8Array[];
  readonly withoutAttributes?: boolean;
  readonly spki?: Uint8Array;
  readonly algorithm?: Uint8Array;
  readonly digest?: string | null;
  readonly signature?: (good: Buffer) => Uint8Array;
  /** Stands behind the attributes. */
  readonly extra?: Uint8Array;
};

export const attribute = (id: string, ...values: Uint8Array[]): Buffer => sequence(oid(id), tlv(0x31, ...values));
export const askFor = (...extensions: Uint8Array[]): Buffer => attribute(EXTENSION_REQUEST, sequence(...extensions));
export const subjectAltName = (host: string): Buffer => extension('2.5.29.17', sequence(tlv(0x82, host)));
export const ECDSA_SHA256 = sequence(oid('1.2.840.10045.4.3.2'));

/** A request with every field the caller's, as DER. By default ECDSA with SHA-256. */
export function hostileRequest(options: HostileRequest): Buffer {
  const attributes = [...(options.extensions ? [askFor(...options.extensions)] : []), ...(options.attributes ?? [])];
  const info = sequence(
    tlv(0x02, Buffer.from([options.version ?? 0])),
    name(options.subject ?? [['CN', '800000000000003']]),
    options.spki ?? options.publicKey.export({ type: 'spki', format: 'der' }),
    options.withoutAttributes ? Buffer.alloc(0) : tlv(0xa0, ...attributes),
    options.extra ?? Buffer.alloc(0),
  );
  const good = sign(options.digest === undefined ? 'sha256' : options.digest, info, options.signer);
  return sequence(info, options.algorithm ?? ECDSA_SHA256, tlv(0x03, Buffer.from([0]), options.signature?.(good) ?? good));
}
