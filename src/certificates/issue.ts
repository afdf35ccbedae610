import { type KeyObject, randomBytes } from 'node:crypto';
import { isIP } from 'node:net';
import * as asn1js from 'asn1js';
import * as pkijs from 'pkijs';
import { type DistinguishedName, sameName } from '../protocol/distinguished-name.ts';
import {
  arrayBuffer,
  authorityKeyExtension,
  encodeName,
  encodeTime,
  extension,
  keyIdentifier,
  seal,
  signatureAlgorithmOf,
  spkiOf,
} from './encode.ts';
import type { KeyUsage } from './extensions.ts';
import type { KeyPair } from './key-pair.ts';
import { pemOf } from './pem.ts';
import { USAGE } from './policy.ts';
import { readCertificate } from './read.ts';

/** Who signs: a name and its keys, RSA, P-256, P-384 or Ed25519. A root is its own issuer. */
export type Issuer = { readonly name: DistinguishedName; readonly keys: KeyPair };

export type CertificateRequest = {
  readonly subject: DistinguishedName;
  readonly publicKey: KeyObject;
  readonly issuer: Issuer;
  /** Whole seconds are written: the beginning rounded down, the end too. */
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
  /** What it is for; each has its key usages and extensions in the table below. */
  readonly profile: ProfileName;
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
  /** What merchants encrypt to: key transport for RSA, key agreement for elliptic curves; signs nothing. */
  encryption: { keyUsage: ['keyEncipherment', 'keyAgreement'] },
} as const satisfies Record<string, Profile>;
export type ProfileName = keyof typeof PROFILES;

const KEY_USAGE_BITS: readonly KeyUsage[] = [
  'digitalSignature',
  'nonRepudiation',
  'keyEncipherment',
  'dataEncipherment',
  'keyAgreement',
  'keyCertSign',
  'cRLSign',
];

/** Issues a version 3 certificate, signed as the issuer's key can (see encode.ts), and gives it as PEM. What was made is read back strictly. */
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
  certificate.signature = signatureAlgorithmOf(request.issuer.keys.privateKey);
  const der = seal(certificate.encodeTBS(), request.issuer.keys.privateKey);
  const { subject, issuer } = readCertificate(der);
  if (!sameName(subject, request.subject) || !sameName(issuer, request.issuer.name)) throw new Error('the names came out changed');
  return pemOf(der);
}

/** 128 random bits behind an octet that keeps it positive and of one length: 17 octets (RFC 5280 section 4.1.2.2). */
const createSerialNumber = (): Buffer => Buffer.concat([Buffer.from([1]), randomBytes(16)]);

/** A name that the library writes out as it stands: from attributes alone it would make one set of them all. */
function nameOf(name: DistinguishedName): pkijs.RelativeDistinguishedNames {
  return new pkijs.RelativeDistinguishedNames({ schema: asn1js.fromBER(encodeName(name).toBER()).result });
}

function createExtensions(request: CertificateRequest): pkijs.Extension[] {
  const profile: Profile = PROFILES[request.profile];
  const isAuthority = profile.pathLength !== undefined;
  const constraints = new pkijs.BasicConstraints(isAuthority ? { cA: true, pathLenConstraint: profile.pathLength } : {});
  const subjectKey = new asn1js.OctetString({ valueHex: keyIdentifier(request.publicKey) });
  return [
    extension('2.5.29.19', true, constraints.toSchema()),
    extension('2.5.29.15', true, encodeKeyUsage(profile.keyUsage)),
    ...(profile.extendedKeyUsage
      ? [extension('2.5.29.37', false, new pkijs.ExtKeyUsage({ keyPurposes: [profile.extendedKeyUsage] }).toSchema())]
      : []),
    extension('2.5.29.14', false, subjectKey),
    authorityKeyExtension(request.issuer.keys.publicKey),
    ...(request.hosts ? [extension('2.5.29.17', false, encodeHosts(request.hosts))] : []),
  ];
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
