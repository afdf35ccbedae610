import { type KeyObject, randomBytes } from 'node:crypto';
import { isIP } from 'node:net';
import * as asn1js from 'asn1js';
import * as pkijs from 'pkijs';
import { sha256 } from '../lib/bytes.ts';
import { type DistinguishedName, type NameAttribute, sameName } from '../protocol/distinguished-name.ts';
import type { KeyUsage } from './extensions.ts';
import type { KeyPair } from './key-pair.ts';
import { pemOf } from './pem.ts';
import { USAGE } from './policy.ts';
import { readCertificate } from './read.ts';

/** Who signs: a name and its P-256 keys. A root is its own issuer. */
export type Issuer = { readonly name: DistinguishedName; readonly keys: KeyPair };

export type CertificateRequest = {
  readonly subject: DistinguishedName;
  readonly publicKey: KeyObject;
  readonly issuer: Issuer;
  /** Whole seconds are written: the beginning rounded down, the end too. */
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
  /** What it is for; each has its key usages and extensions in the table below. */
  readonly profile: keyof typeof PROFILES;
  /** DNS names and IP addresses, for servers. */
  readonly hosts?: readonly string[];
};

type Profile = { readonly keyUsage: readonly KeyUsage[]; readonly extendedKeyUsage?: string; readonly pathLength?: number };

/** RFC 5280 section 4.2.1: what each kind of certificate of ours may be used for. */
const PROFILES = {
  root: { keyUsage: ['keyCertSign', 'cRLSign'], pathLength: 1 },
  authority: { keyUsage: ['keyCertSign', 'cRLSign'], pathLength: 0 },
  server: { keyUsage: ['digitalSignature'], extendedKeyUsage: USAGE.serverAuth },
  merchant: { keyUsage: ['digitalSignature'], extendedKeyUsage: USAGE.clientAuth },
  /** Signs answers; of no use in TLS. */
  signing: { keyUsage: ['digitalSignature', 'nonRepudiation'] },
} as const satisfies Record<string, Profile>;

const KEY_USAGE_BITS: readonly KeyUsage[] = [
  'digitalSignature',
  'nonRepudiation',
  'keyEncipherment',
  'dataEncipherment',
  'keyAgreement',
  'keyCertSign',
  'cRLSign',
];

/** Issues a version 3 certificate with a P-256 issuer key, ECDSA and SHA-256, and gives it as PEM. What was made is read back strictly. */
export async function issueCertificate(request: CertificateRequest): Promise<string> {
  const certificate = new pkijs.Certificate();
  certificate.version = 2;
  certificate.serialNumber = new asn1js.Integer({ valueHex: arrayBuffer(createSerialNumber()) });
  certificate.issuer = nameOf(request.issuer.name);
  certificate.subject = nameOf(request.subject);
  certificate.notBefore = encodeTime(request.notBeforeMs);
  certificate.notAfter = encodeTime(request.notAfterMs);
  certificate.subjectPublicKeyInfo = pkijs.PublicKeyInfo.fromBER(arrayBuffer(spkiOf(request.publicKey)));
  certificate.extensions = createExtensions(request);
  const key = request.issuer.keys.privateKey.toCryptoKey({ name: 'ECDSA', namedCurve: 'P-256' }, true, ['sign']);
  await certificate.sign(key, 'SHA-256');
  const der = Buffer.from(certificate.toSchema(true).toBER());
  const { subject, issuer } = readCertificate(der);
  if (!sameName(subject, request.subject) || !sameName(issuer, request.issuer.name)) throw new Error('the names came out changed');
  return pemOf(der);
}

const arrayBuffer = (bytes: Uint8Array): ArrayBuffer => Uint8Array.from(bytes).buffer;
const spkiOf = (key: KeyObject): Buffer => key.export({ type: 'spki', format: 'der' });
const keyIdentifier = (key: KeyObject): ArrayBuffer => arrayBuffer(sha256(spkiOf(key)).subarray(0, 20));

/** 126 random bits, positive, always 16 octets (RFC 5280 section 4.1.2.2). */
function createSerialNumber(): Buffer {
  const bytes = randomBytes(16);
  bytes[0] = ((bytes[0] as number) & 0x3f) | 0x40;
  return bytes;
}

/** UTCTime until 2049, GeneralizedTime from then on (RFC 5280 section 4.1.2.5). */
function encodeTime(ms: number): pkijs.Time {
  const value = new Date(Math.floor(ms / 1000) * 1000);
  return new pkijs.Time({ type: value.getUTCFullYear() < 2050 ? 0 : 1, value });
}

/** A name that the library writes out as it stands: from attributes alone it would make one set of them all. */
function nameOf(name: DistinguishedName): pkijs.RelativeDistinguishedNames {
  return new pkijs.RelativeDistinguishedNames({ schema: asn1js.fromBER(encodeName(name).toBER()).result });
}

function encodeName(name: DistinguishedName): asn1js.Sequence {
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

function createExtensions(request: CertificateRequest): pkijs.Extension[] {
  const profile: Profile = PROFILES[request.profile];
  const isAuthority = profile.pathLength !== undefined;
  const constraints = new pkijs.BasicConstraints(isAuthority ? { cA: true, pathLenConstraint: profile.pathLength } : {});
  const authorityKey = new pkijs.AuthorityKeyIdentifier({
    keyIdentifier: new asn1js.OctetString({ valueHex: keyIdentifier(request.issuer.keys.publicKey) }),
  });
  const subjectKey = new asn1js.OctetString({ valueHex: keyIdentifier(request.publicKey) });
  return [
    extension('2.5.29.19', true, constraints.toSchema()),
    extension('2.5.29.15', true, encodeKeyUsage(profile.keyUsage)),
    ...(profile.extendedKeyUsage
      ? [extension('2.5.29.37', false, new pkijs.ExtKeyUsage({ keyPurposes: [profile.extendedKeyUsage] }).toSchema())]
      : []),
    extension('2.5.29.14', false, subjectKey),
    extension('2.5.29.35', false, authorityKey.toSchema()),
    ...(request.hosts ? [extension('2.5.29.17', false, encodeHosts(request.hosts))] : []),
  ];
}

function extension(extnID: string, critical: boolean, value: asn1js.BaseBlock): pkijs.Extension {
  return new pkijs.Extension({ extnID, critical, extnValue: value.toBER() });
}

function encodeKeyUsage(usages: readonly KeyUsage[]): asn1js.BitString {
  const bits = KEY_USAGE_BITS.map((usage) => (usages.includes(usage) ? 1 : 0));
  const byte = bits.reduce<number>((sum, bit, index) => sum | (bit << (7 - index)), 0);
  return new asn1js.BitString({ valueHex: arrayBuffer(Uint8Array.of(byte)), unusedBits: 7 - bits.lastIndexOf(1) });
}

function encodeHosts(hosts: readonly string[]): asn1js.BaseBlock {
  const altNames = hosts.map((host) =>
    isIP(host) === 0
      ? new pkijs.GeneralName({ type: 2, value: host })
      : new pkijs.GeneralName({ type: 7, value: new asn1js.OctetString({ valueHex: arrayBuffer(addressBytes(host)) }) }),
  );
  return new pkijs.GeneralNames({ names: altNames }).toSchema();
}

/** The 4 or 16 octets of an address; URL writes every spelling of an IPv6 address in its shortest form. */
function addressBytes(host: string): Uint8Array {
  if (isIP(host) === 4) return Uint8Array.from(host.split('.').map(Number));
  const halves = new URL(`http://[${host}]`).hostname.slice(1, -1).split('::');
  const [head = [], tail = []] = halves.map((half) => half.split(':').filter((group) => group !== ''));
  const zeros = Array.from({ length: 8 - head.length - tail.length }, () => '0');
  return Buffer.from([...head, ...zeros, ...tail].map((group) => group.padStart(4, '0')).join(''), 'hex');
}
