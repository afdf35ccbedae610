import { constants, verify } from 'node:crypto';
import { sha256 } from '../lib/bytes.ts';
import { verifyBytes } from '../protocol/algorithms.ts';
import { compareDigests, type Digest } from '../protocol/content-digest.ts';
import type { MerchantKey } from '../protocol/merchant.ts';
import type { Presented } from './presented.ts';

/**
 * Tells a merchant why a signature does not verify: public members of the problem document.
 * It says what we computed from the merchant's own request, and a hint only where the mistake is proven. It never tells a signature or
 * digest that would have been accepted for another body. Each hint costs at most one more hash or one more verification.
 */
type Members = Readonly<Record<string, unknown>>;

const LINE_FEED = Buffer.from('\n');

/** How much of the signature base is shown, bytes. */
const BASE_SHOWN_BYTES_MAX = 1024;

function describeBase({ signed, record }: Presented): Members {
  return {
    signatureBase: { length: signed.length, sha256: sha256(signed).toString('base64'), text: record.slice(0, BASE_SHOWN_BYTES_MAX) },
  };
}

const withHint = (members: Members, hint: string | undefined): Members => (hint === undefined ? members : { ...members, hint });

type SignatureMistake = { readonly hint: string; readonly made: (presented: Presented, key: MerchantKey) => boolean };

const SIGNATURE_MISTAKES: readonly SignatureMistake[] = [
  {
    hint: 'The signature is DER-encoded. ECDSA signatures here are r and s, each padded to the length of the curve (RFC 9421 section 3.3.4).',
    made: ({ signature }, key) => key.algorithm.startsWith('ecdsa-') && isDerSignature(signature),
  },
  {
    hint: 'The signature was written in hexadecimal before it was put between the colons. It must be the raw bytes in base64.',
    made: ({ signature }) => isHexText(signature) || isHexText(Buffer.from(signature.toString('base64'))),
  },
  {
    hint: 'The signature verifies over the signature base with a line feed at its end. There is none after the last line (RFC 9421 section 2.5).',
    made: ({ signed, signature }, key) => verifyBytes(key.algorithm, key.publicKey, Buffer.concat([signed, LINE_FEED]), signature),
  },
  {
    hint: 'The RSA-PSS salt has another length than 64 bytes (RFC 9421 section 3.3.1); with openssl: -sigopt rsa_pss_saltlen:64.',
    made: ({ signed, signature }, key) => key.algorithm === 'rsa-pss-sha512' && verifiesWithAnySalt(signed, signature, key),
  },
];

/** Members for SIGNATURE_MISMATCH over a body that is as signed. */
export function explainSignature(presented: Presented, key: MerchantKey): Members {
  const mistake = SIGNATURE_MISTAKES.find(({ made }) => made(presented, key));
  return withHint(describeBase(presented), mistake?.hint);
}

/** SEQUENCE of two INTEGERs that fills the bytes (RFC 3279 section 2.2.3); P-256 and P-384 stay within short lengths. */
function isDerSignature(bytes: Buffer): boolean {
  const rLength = bytes[3] ?? 0;
  const sAt = 4 + rLength;
  const fills = bytes[1] === bytes.length - 2 && sAt + 2 + (bytes[sAt + 1] ?? 0) === bytes.length;
  return bytes[0] === 0x30 && bytes[2] === 0x02 && bytes[sAt] === 0x02 && fills;
}

const isHexText = (bytes: Buffer): boolean => bytes.length >= 64 && /^(?:[0-9a-f]+|[0-9A-F]+)$/.test(bytes.toString('latin1'));

function verifiesWithAnySalt(signed: Buffer, signature: Buffer, key: MerchantKey): boolean {
  const pss = { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: constants.RSA_PSS_SALTLEN_AUTO };
  return verify('sha512', signed, { key: key.publicKey, ...pss }, signature);
}

type DigestMistake = { readonly hint: string; readonly made: (digests: readonly Digest[], body: Buffer) => boolean };

const endsWith = (body: Buffer, end: string): boolean => body.toString('latin1', Math.max(0, body.length - end.length)) === end;
const fits = (digests: readonly Digest[], body: Buffer): boolean => compareDigests(digests, body) === 'same';

const DIGEST_MISTAKES: readonly DigestMistake[] = [
  {
    hint: 'The digest was written in hexadecimal before it was put between the colons. It must be the raw bytes in base64.',
    made: (digests) =>
      digests.some(({ value }) => isHexText(Buffer.from(value)) || isHexText(Buffer.from(Buffer.from(value).toString('base64')))),
  },
  {
    hint: 'The digest is that of no bytes: it was computed before the body was there.',
    made: (digests) => fits(digests, Buffer.alloc(0)),
  },
  {
    hint: 'The digest is that of the body with a line feed at its end, which was not sent.',
    made: (digests, body) => fits(digests, Buffer.concat([body, LINE_FEED])),
  },
  {
    hint: 'The body was sent with CR LF at its end, which the digest does not include.',
    made: (digests, body) => endsWith(body, '\r\n') && fits(digests, body.subarray(0, -2)),
  },
  {
    hint: 'The body was sent with a line feed at its end, which the digest does not include.',
    made: (digests, body) => endsWith(body, '\n') && fits(digests, body.subarray(0, -1)),
  },
];

/** Members for a body that is not the one Content-Digest was computed over. */
export function explainDigest(presented: Presented, digests: readonly Digest[], body: Buffer): Members {
  const mistake = DIGEST_MISTAKES.find(({ made }) => made(digests, body));
  const received = { length: body.length, sha256: sha256(body).toString('base64') };
  return withHint({ ...describeBase(presented), body: received }, mistake?.hint);
}

/** Members for TIMESTAMP_SKEW: our clock, and whether `created` would be in time if it were milliseconds. */
export function explainTime(createdAtSeconds: number, nowSeconds: number): Members {
  const isMilliseconds = Math.abs(createdAtSeconds / 1000 - nowSeconds) < DAY_SECONDS;
  return withHint({ now: nowSeconds }, isMilliseconds ? 'created is in milliseconds. It must be whole seconds.' : undefined);
}

const DAY_SECONDS = 86_400;
