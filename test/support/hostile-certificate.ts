import { type KeyObject, randomBytes, sign } from 'node:crypto';
import { pemOf } from '../../src/certificates/pem.ts';

/** Writes certificates that no library lets one write: every field is the caller's. DER only where the caller wants it. */
export function tlv(tag: number, ...parts: (Uint8Array | string)[]): Buffer {
  const content = Buffer.concat(parts.map((part) => (typeof part === 'string' ? Buffer.from(part, 'utf8') : part)));
  const short = content.length < 256 ? [0x81, content.length] : [0x82, content.length >> 8, content.length & 255];
  const length = content.length < 128 ? [content.length] : short;
  return Buffer.concat([Buffer.from([tag, ...length]), content]);
}

export const sequence = (...parts: Uint8Array[]): Buffer => tlv(0x30, ...parts);

export function oid(dotted: string): Buffer {
  const [first = 0, second = 0, ...rest] = dotted.split('.').map(Number);
  const arcs = [first * 40 + second, ...rest].map((arc) => {
    const bytes = [arc & 0x7f];
    for (let left = Math.floor(arc / 128); left > 0; left = Math.floor(left / 128)) bytes.unshift((left & 0x7f) | 0x80);
    return Buffer.from(bytes);
  });
  return tlv(0x06, ...arcs);
}

const UTF8 = 0x0c;
const TYPES: Readonly<Record<string, string>> = { CN: '2.5.4.3', OU: '2.5.4.11', O: '2.5.4.10', C: '2.5.4.6' };

/** `['CN', 'text']` with an optional string tag. */
export type RawAttribute = readonly [type: string, value: string | Uint8Array, tag?: number];
/** A name from its relative names, each one attribute or a list. */
export type RawName = readonly (RawAttribute | readonly RawAttribute[])[];

export function name(relatives: RawName): Buffer {
  const isOne = (relative: RawAttribute | readonly RawAttribute[]): relative is RawAttribute => typeof relative[0] === 'string';
  const sets = relatives.map((relative) => {
    const attributes = isOne(relative) ? [relative] : relative;
    return tlv(0x31, ...attributes.map(([type, value, tag]) => sequence(oid(TYPES[type] ?? type), tlv(tag ?? UTF8, value))));
  });
  return sequence(...sets);
}

export function extension(id: string, value: Uint8Array, isCritical = false): Buffer {
  return sequence(oid(id), ...(isCritical ? [tlv(0x01, Buffer.from([0xff]))] : []), tlv(0x04, value));
}

export const extendedKeyUsage = (...ids: string[]): Buffer => extension('2.5.29.37', sequence(...ids.map(oid)));
export const basicConstraints = (isAuthority: boolean): Buffer =>
  extension('2.5.29.19', sequence(...(isAuthority ? [tlv(0x01, Buffer.from([0xff]))] : [])), true);

export const CLIENT_AUTH = '1.3.6.1.5.5.7.3.2';

const SIGNATURES = {
  'ecdsa-sha256': { id: '1.2.840.10045.4.3.2', digest: 'sha256', parameters: Buffer.alloc(0) },
  'ecdsa-sha1': { id: '1.2.840.10045.4.1', digest: 'sha1', parameters: Buffer.alloc(0) },
  'rsa-sha256': { id: '1.2.840.113549.1.1.11', digest: 'sha256', parameters: tlv(0x05) },
  'rsa-sha1': { id: '1.2.840.113549.1.1.5', digest: 'sha1', parameters: tlv(0x05) },
} as const;

export type HostileCertificate = {
  /** 1 leaves out version and extensions. */
  readonly version?: 1 | 2 | 3;
  readonly serial?: Uint8Array;
  readonly issuer: Uint8Array;
  readonly subject: Uint8Array;
  readonly publicKey: KeyObject;
  readonly signer: KeyObject;
  readonly signature?: keyof typeof SIGNATURES;
  /** The algorithm inside the signed part, when it shall differ. */
  readonly innerSignature?: keyof typeof SIGNATURES;
  readonly notBeforeMs?: number;
  readonly notAfterMs?: number;
  /** Default: clientAuth. */
  readonly extensions?: readonly Uint8Array[];
  /** The SubjectPublicKeyInfo, when it shall not be the usual encoding of `publicKey`. */
  readonly spki?: Uint8Array;
  /** Stands between key and extensions. */
  readonly extra?: Uint8Array;
};

const DAY_MS = 86_400_000;
const algorithm = (kind: keyof typeof SIGNATURES): Buffer => sequence(oid(SIGNATURES[kind].id), SIGNATURES[kind].parameters);
const time = (ms: number): Buffer =>
  tlv(
    0x18,
    new Date(ms)
      .toISOString()
      .replace(/\.\d+Z$/, 'Z')
      .replace(/[-:T]/g, ''),
  );

/** The certificate as DER. */
export function hostileCertificate(options: HostileCertificate): Buffer {
  const kind = options.signature ?? 'ecdsa-sha256';
  const version = options.version ?? 3;
  const body = sequence(
    version === 1 ? Buffer.alloc(0) : tlv(0xa0, tlv(0x02, Buffer.from([version - 1]))),
    tlv(0x02, options.serial ?? Buffer.concat([Buffer.from([0x41]), randomBytes(8)])),
    algorithm(options.innerSignature ?? kind),
    options.issuer,
    sequence(time(options.notBeforeMs ?? Date.now() - DAY_MS), time(options.notAfterMs ?? Date.now() + DAY_MS)),
    options.subject,
    options.spki ?? options.publicKey.export({ type: 'spki', format: 'der' }),
    options.extra ?? Buffer.alloc(0),
    version === 3 ? tlv(0xa3, sequence(...(options.extensions ?? [extendedKeyUsage(CLIENT_AUTH)]))) : Buffer.alloc(0),
  );
  const signature = sign(SIGNATURES[kind].digest, body, options.signer);
  return sequence(body, algorithm(kind), tlv(0x03, Buffer.from([0]), signature));
}

/** The same as PEM. */
export const hostilePem = (options: HostileCertificate): string => pemOf(hostileCertificate(options));
