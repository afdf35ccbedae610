import { createHash, X509Certificate } from 'node:crypto';
import { derOf, hex, integer, NULL, node, ONE, octets, sequence, setOf } from './der.ts';
import { certificatePem, type KeyName, type VectorAlgorithm } from './keys.ts';
import { type Draft, type Form, GET, type HeaderPair, latin1, MERCHANT, NOW_SECONDS, POST, type Signed } from './message.ts';

/** Detached CMS (RFC 5652) over a block of lines and the body, as plain bytes after docs/signatures.md. */

const oid = (text: string): Buffer => node(0x06, hex(text));
const OID = {
  data: oid('2a864886f70d010701'),
  signedData: oid('2a864886f70d010702'),
  contentType: oid('2a864886f70d010903'),
  messageDigest: oid('2a864886f70d010904'),
  signingTime: oid('2a864886f70d010905'),
};
const SHA256 = sequence(oid('608648016503040201'));
const SIGNATURES: Readonly<Partial<Record<VectorAlgorithm, Buffer>>> = {
  'rsa-v1_5-sha256': sequence(oid('2a864886f70d01010b'), NULL),
  'ecdsa-p256-sha256': sequence(oid('2a8648ce3d040302')),
};
const attribute = (type: Buffer, value: Buffer): Buffer => sequence(type, setOf(value));
const utcTime = (seconds: number): Buffer =>
  node(0x17, latin1(`${new Date(seconds * 1000).toISOString().replace(/\D/g, '').slice(2, 14)}Z`));

/** Issuer and serial number of our own certificates of the vectors: the subject is the issuer. */
function namesOf(der: Buffer): Buffer {
  const { serialNumber } = new X509Certificate(der);
  const serial = integer(hex(serialNumber));
  const after = der.indexOf(serial) + serial.length;
  // Behind the serial number stand the algorithm and then the issuer, each a SEQUENCE with a short length.
  const issuerAt = after + 2 + (der[after + 1] as number);
  return sequence(der.subarray(issuerAt, issuerAt + 2 + (der[issuerAt + 1] as number)), serial);
}

/** What a CMS is made over, and how. */
export type CmsParts = {
  readonly content: Buffer;
  readonly certificate: Buffer;
  readonly algorithm: VectorAlgorithm;
  readonly hasAttributes: boolean;
  /** Puts the content into the message: then it is not detached. */
  readonly isAttached?: boolean;
};

/** Writes a SignedData with one signer; gives what was signed, too. */
export function writeCms(parts: CmsParts, sign: (base: Buffer) => Buffer): { message: Buffer; base: Buffer; signature: Buffer } {
  const { content, certificate, algorithm, hasAttributes, isAttached } = parts;
  const digest = createHash('sha256').update(content).digest();
  const attributes = setOf(
    attribute(OID.contentType, OID.data),
    attribute(OID.signingTime, utcTime(NOW_SECONDS)),
    attribute(OID.messageDigest, octets(digest)),
  );
  const base = hasAttributes ? attributes : content;
  const signature = sign(base);
  const inMessage = Buffer.from(attributes);
  inMessage[0] = 0xa0;
  const signer = sequence(
    ONE,
    namesOf(certificate),
    SHA256,
    ...(hasAttributes ? [inMessage] : []),
    SIGNATURES[algorithm] as Buffer,
    octets(algorithm.startsWith('ecdsa') ? derOf(signature) : signature),
  );
  const data = isAttached ? sequence(OID.data, node(0xa0, octets(content))) : sequence(OID.data);
  const signedData = sequence(ONE, setOf(SHA256), data, node(0xa0, certificate), setOf(signer));
  return { message: sequence(OID.signedData, node(0xa0, signedData)), base, signature };
}

/** The block, an empty line and the body. */
export const blockOf = (first: string, lines: readonly (readonly [string, string])[], body: string): Buffer =>
  latin1(`${first}\n${lines.map(([name, value]) => `${name}: ${value}\n`).join('')}\n${body}`);

type Kind = Pick<CmsParts, 'algorithm' | 'hasAttributes' | 'certificate'>;

/** Writes and signs a request. */
export function makeCms({ algorithm, hasAttributes, certificate }: Kind, draft: Draft, sign: (base: Buffer) => Buffer): Signed {
  const { method, target, host, body, createdAtSeconds, nonce } = draft;
  const sent: readonly HeaderPair[] =
    body === ''
      ? []
      : [
          ['Content-Type', 'application/json'],
          ['Idempotency-Key', 'order-A-1'],
        ];
  const lines = [
    ['method', method],
    ['target-uri', `https://${host}${target}`],
    ['merchant-number', MERCHANT],
    ['created', String(createdAtSeconds)],
    ['nonce', nonce],
    ...sent.map(([name, value]) => [name.toLowerCase(), value] as const),
  ] as const;
  const content = blockOf('hufu-cms-request-1', lines, body);
  const { message, base, signature } = writeCms({ content, certificate, algorithm, hasAttributes }, sign);
  const headers: readonly HeaderPair[] = [
    ['Host', host],
    ...sent,
    ['X-CMS-Created', String(createdAtSeconds)],
    ['X-CMS-Nonce', nonce],
    ['X-CMS-Signature', message.toString('base64')],
  ];
  return { message: { method, target, headers, body }, base, signature, content };
}

const KEYS: Readonly<Partial<Record<VectorAlgorithm, KeyName>>> = { 'rsa-v1_5-sha256': 'rsa', 'ecdsa-p256-sha256': 'p256' };
function formOf(name: string, algorithm: VectorAlgorithm, draft: Draft, hasAttributes: boolean, about: string): Form {
  const key = KEYS[algorithm] as KeyName;
  const kind = { algorithm, hasAttributes, certificate: new X509Certificate(certificatePem(key)).raw };
  return { scheme: 'cms', name, about, algorithm, key, draft, make: (each, sign) => makeCms(kind, each, sign) };
}

const ABOUT = 'A detached CMS over a block of lines and the body; what is signed are attributes that hold the digest of both.';
export const CMS_FORMS: readonly Form[] = [
  formOf('post-rsa', 'rsa-v1_5-sha256', POST, true, ABOUT),
  formOf('post-p256', 'ecdsa-p256-sha256', POST, true, ABOUT),
  formOf('post-rsa-noattr', 'rsa-v1_5-sha256', POST, false, 'The same without signed attributes: block and body themselves are signed.'),
  formOf('get-p256', 'ecdsa-p256-sha256', GET, true, 'A query: the block without headers, and no body.'),
];
