import type { KeyObject } from 'node:crypto';
import type { DistinguishedName } from '../protocol/distinguished-name.ts';
import {
  type Element,
  expectTag,
  readBoolean,
  readChildren,
  readChildrenOf,
  readElement,
  readOid,
  readTime,
  readUnsigned,
  TAG,
} from './der.ts';
import { readName } from './name.ts';
import { CertificateProblem } from './problem.ts';
import { isSigned } from './signed.ts';

/** A whole certificate revocation list, read strictly; whether it is signed by whom it names is another question: see isSignedBy. */
export type CrlFacts = {
  readonly issuer: DistinguishedName;
  readonly thisUpdateMs: number;
  readonly nextUpdateMs: number;
  /** Serial numbers, upper-case hexadecimal with an even number of digits, for whatever reason they are revoked or on hold. */
  readonly revoked: ReadonlySet<string>;
  /** Whether this key signed it. */
  readonly isSignedBy: (key: KeyObject) => boolean;
};

const PEM = /-----BEGIN X509 CRL-----\r?\n([A-Za-z0-9+/=\r\n]+?)-----END X509 CRL-----/;

const refuse = (reason: string): never => {
  throw new CertificateProblem(reason);
};

/**
 * Reads a CRL of version 2 (RFC 5280 section 5.1) in DER or PEM. Lists that speak of some certificates or changes only say so by
 * a critical extension (sections 5.2.4, 5.2.5, 5.3.3), and are refused. Throws CertificateProblem, and nothing else, for any bytes.
 */
export function readCrl(bytes: Uint8Array): CrlFacts {
  const [body, algorithm, signature, ...rest] = readChildrenOf(readElement(derOf(bytes), TAG.sequence), TAG.sequence);
  if (rest.length > 0) refuse('the list has more than three parts');
  const fields = readChildrenOf(body, TAG.sequence);
  const [version, innerAlgorithm, issuer, thisUpdate, nextUpdate, ...optional] = fields;
  if (!Buffer.from(readUnsigned(version)).equals(Buffer.from([1]))) refuse('the list is not of version 2');
  const outer = expectTag(algorithm, TAG.sequence);
  if (Buffer.compare(outer.whole, expectTag(innerAlgorithm, TAG.sequence).whole) !== 0) refuse('the list names two signature algorithms');
  if (nextUpdate?.tag !== TAG.utcTime && nextUpdate?.tag !== TAG.generalizedTime) refuse('the list does not say when the next one comes');
  const entries = optional[0]?.tag === TAG.sequence ? readChildren(optional.shift() as Element) : [];
  const extensions = optional[0]?.tag === TAG.context0 ? optional.shift() : undefined;
  if (optional.length > 0) refuse('the list has fields that are not known');
  if (extensions) for (const inner of readChildren(extensions)) checkExtensions(inner);
  const bits = expectTag(signature, TAG.bitString).content;
  return {
    issuer: readName(issuer),
    thisUpdateMs: readTime(thisUpdate),
    nextUpdateMs: readTime(nextUpdate),
    revoked: new Set(entries.map(readEntry)),
    isSignedBy: (key) => bits[0] === 0 && isSigned((body as Element).whole, outer, key, bits.subarray(1)),
  };
}

function derOf(bytes: Uint8Array): Uint8Array {
  if (bytes[0] === TAG.sequence) return bytes;
  const base64 = PEM.exec(Buffer.from(bytes).toString('latin1'))?.[1];
  return base64 === undefined ? refuse('this is no CRL in DER or PEM') : Buffer.from(base64, 'base64');
}

function readEntry(entry: Element): string {
  const [serial, date, extensions, ...rest] = readChildrenOf(entry, TAG.sequence);
  readTime(date);
  if (rest.length > 0) refuse('an entry of the list has fields that are not known');
  if (extensions) checkExtensions(extensions);
  return Buffer.from(readUnsigned(serial)).toString('hex').toUpperCase();
}

/** RFC 5280 section 5.2: a list with a critical extension that is not understood says nothing that may be relied on. */
function checkExtensions(extensions: Element): void {
  for (const extension of readChildrenOf(extensions, TAG.sequence)) {
    const parts = readChildrenOf(extension, TAG.sequence);
    readOid(parts[0]);
    if (parts.length === 3 && readBoolean(parts[1] as Element)) refuse('the list has a critical extension: only whole lists are read');
  }
}
