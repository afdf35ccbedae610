import { type KeyObject, sign } from 'node:crypto';
import * as asn1js from 'asn1js';
import * as pkijs from 'pkijs';
import { sha256 } from '../lib/bytes.ts';
import type { DistinguishedName, NameAttribute } from '../protocol/distinguished-name.ts';

/** The pieces of DER that certificates and revocation lists have in common. */

export const arrayBuffer = (bytes: Uint8Array): ArrayBuffer => Uint8Array.from(bytes).buffer;
export const spkiOf = (key: KeyObject): Buffer => key.export({ type: 'spki', format: 'der' });

/** RFC 7093 section 2 method 1: the leftmost 160 bits of SHA-256 over the key. */
export const keyIdentifier = (key: KeyObject): ArrayBuffer => arrayBuffer(sha256(spkiOf(key)).subarray(0, 20));

/** UTCTime until 2049, GeneralizedTime from then on (RFC 5280 section 4.1.2.5); whole seconds, rounded down. */
export function encodeTime(ms: number): pkijs.Time {
  const value = new Date(Math.floor(ms / 1000) * 1000);
  return new pkijs.Time({ type: value.getUTCFullYear() < 2050 ? 0 : 1, value });
}

export function encodeName(name: DistinguishedName): asn1js.Sequence {
  const sets = name.map((relative) => {
    const attributes = relative.map(encodeAttribute).sort((a, b) => Buffer.compare(Buffer.from(a.toBER()), Buffer.from(b.toBER())));
    return new asn1js.Set({ value: attributes });
  });
  return new asn1js.Sequence({ value: sets });
}

/** countryName and serialNumber are PrintableStrings, domainComponent and emailAddress IA5Strings (RFC 5280 appendix A.1). */
const STRING_TYPES: Readonly<Record<string, typeof asn1js.PrintableString | typeof asn1js.IA5String>> = {
  '2.5.4.5': asn1js.PrintableString,
  '2.5.4.6': asn1js.PrintableString,
  '0.9.2342.19200300.100.1.25': asn1js.IA5String,
  '1.2.840.113549.1.9.1': asn1js.IA5String,
};

function encodeAttribute({ oid, value }: NameAttribute): asn1js.Sequence {
  const StringType = STRING_TYPES[oid] ?? asn1js.Utf8String;
  return new asn1js.Sequence({ value: [new asn1js.ObjectIdentifier({ value: oid }), new StringType({ value })] });
}

export function extension(extnID: string, critical: boolean, value: asn1js.BaseBlock): pkijs.Extension {
  return new pkijs.Extension({ extnID, critical, extnValue: value.toBER() });
}

/** Which key signed it, RFC 5280 section 4.2.1.1. */
export function authorityKeyExtension(key: KeyObject): pkijs.Extension {
  const identifier = new pkijs.AuthorityKeyIdentifier({ keyIdentifier: new asn1js.OctetString({ valueHex: keyIdentifier(key) }) });
  return extension('2.5.29.35', false, identifier.toSchema());
}

type Signature = { readonly id: string; readonly digest: 'sha256' | 'sha384' | null; readonly isRsa?: true };

/** How a key of ours signs what it issues, by key type or curve (RFC 4055 section 5, RFC 5758 section 3.2, RFC 8410 section 3). */
const SIGNATURES: Readonly<Record<string, Signature>> = {
  rsa: { id: '1.2.840.113549.1.1.11', digest: 'sha256', isRsa: true },
  prime256v1: { id: '1.2.840.10045.4.3.2', digest: 'sha256' },
  secp384r1: { id: '1.2.840.10045.4.3.3', digest: 'sha384' },
  ed25519: { id: '1.3.101.112', digest: null },
};

function signatureOf(key: KeyObject): Signature {
  const found = SIGNATURES[key.asymmetricKeyDetails?.namedCurve ?? key.asymmetricKeyType ?? ''];
  if (found === undefined) throw new TypeError(`nothing is issued with a key of type ${key.asymmetricKeyType}`);
  return found;
}

/** The algorithm that `seal` uses with a key, as it also stands inside what is signed. */
export function signatureAlgorithmOf(key: KeyObject): pkijs.AlgorithmIdentifier {
  const { id, isRsa } = signatureOf(key);
  // RSA has NULL parameters, the others none at all.
  return new pkijs.AlgorithmIdentifier({ algorithmId: id, ...(isRsa && { algorithmParams: new asn1js.Null() }) });
}

/** Body, algorithm and signature as one DER (RFC 5280 sections 4.1 and 5.1). */
export function seal(body: asn1js.Sequence, key: KeyObject): Buffer {
  const signature = sign(signatureOf(key).digest, Buffer.from(body.toBER()), key);
  const parts = [body, signatureAlgorithmOf(key).toSchema(), new asn1js.BitString({ valueHex: arrayBuffer(signature) })];
  return Buffer.from(new asn1js.Sequence({ value: parts }).toBER());
}
