import type { KeyObject } from 'node:crypto';
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
import { type CertificateId, ID_HASH } from './ocsp-request.ts';
import { CertificateProblem } from './problem.ts';
import { isSigned } from './signed.ts';

/** What a responder says about one certificate (SingleResponse, RFC 6960 section 4.2.1). */
export type OcspStatement = {
  /** Undefined when it names the issuer by another hash than we asked with. */
  readonly id: CertificateId | undefined;
  readonly status: 'good' | 'revoked' | 'unknown';
  readonly thisUpdateMs: number;
  /** Undefined: newer information is there at any time. */
  readonly nextUpdateMs: number | undefined;
};

/** A whole answer of a responder, read strictly; who signed it is another question. */
export type OcspFacts = {
  readonly statements: readonly OcspStatement[];
  readonly producedAtMs: number;
  /** DER of the certificates that came with it. */
  readonly certificates: readonly Uint8Array[];
  readonly isSignedBy: (key: KeyObject) => boolean;
};

/** RFC 6960 section 4.2.1; 4 is not used. */
const FAILURES: Readonly<Record<number, string>> = {
  1: 'the responder could not read the question',
  2: 'the responder has a fault',
  3: 'the responder says: try later',
  5: 'the responder wants signed questions',
  6: 'the responder does not answer us',
};
const BASIC = '1.3.6.1.5.5.7.48.1.1';
/** One responder certificate is usual; each costs a signature to look at. */
const CERTIFICATES_MAX = 4;
const STATUS: Readonly<Record<number, OcspStatement['status']>> = {
  [TAG.primitive0]: 'good',
  [TAG.context1]: 'revoked',
  [TAG.primitive2]: 'unknown',
};

const refuse = (reason: string): never => {
  throw new CertificateProblem(reason);
};

/** Reads an OCSPResponse with a basic response (RFC 6960 section 4.2.1). Throws CertificateProblem, and nothing else, for any bytes. */
export function readOcspResponse(bytes: Uint8Array): OcspFacts {
  const [status, wrapped, ...more] = readChildrenOf(readElement(bytes, TAG.sequence), TAG.sequence);
  const code = expectTag(status, TAG.enumerated).content;
  if (code.length !== 1 || code[0] !== 0) refuse(FAILURES[code[0] as number] ?? 'the responder says neither success nor a known failure');
  const [type, response, ...rest] = readChildrenOf(onlyChild(expectTag(wrapped, TAG.context0)), TAG.sequence);
  if (more.length > 0 || rest.length > 0 || readOid(type) !== BASIC) refuse('the answer is not a basic OCSP response');
  return readBasic(expectTag(response, TAG.octetString).content);
}

function readBasic(bytes: Uint8Array): OcspFacts {
  const [body, algorithm, signature, certificates, ...rest] = readChildrenOf(readElement(bytes, TAG.sequence), TAG.sequence);
  if (rest.length > 0) refuse('the answer has parts that are not known');
  const outer = expectTag(algorithm, TAG.sequence);
  const bits = expectTag(signature, TAG.bitString).content;
  const chain = certificates ? readChildrenOf(onlyChild(expectTag(certificates, TAG.context0)), TAG.sequence) : [];
  if (chain.length > CERTIFICATES_MAX) refuse(`the answer comes with more than ${CERTIFICATES_MAX} certificates`);
  return {
    ...readBody(expectTag(body, TAG.sequence)),
    certificates: chain.map(({ whole }) => whole),
    isSignedBy: (key) => bits[0] === 0 && isSigned((body as Element).whole, outer, key, bits.subarray(1)),
  };
}

function readBody(body: Element): Pick<OcspFacts, 'statements' | 'producedAtMs'> {
  const fields = readChildren(body);
  if (fields[0]?.tag === TAG.context0 && !isVersion1(fields.shift() as Element)) refuse('the answer is not of version 1');
  const [responder, producedAt, statements, extensions, ...rest] = fields;
  // Who signed is found by trying the keys that may; the name they give themselves decides nothing.
  if (responder?.tag !== TAG.context1 && responder?.tag !== TAG.context2) refuse('the answer does not say who gave it');
  if (rest.length > 0) refuse('the answer has fields that are not known');
  if (extensions) checkExtensions(expectTag(extensions, TAG.context1));
  return { producedAtMs: readTime(producedAt), statements: readChildrenOf(statements, TAG.sequence).map(readStatement) };
}

const isVersion1 = (element: Element): boolean => Buffer.from(readUnsigned(onlyChild(element))).equals(Buffer.from([0]));

function readStatement(element: Element): OcspStatement {
  const [id, status, thisUpdate, ...optional] = readChildrenOf(element, TAG.sequence);
  const nextUpdate = optional[0]?.tag === TAG.context0 ? optional.shift() : undefined;
  const extensions = optional[0]?.tag === TAG.context1 ? optional.shift() : undefined;
  if (optional.length > 0) refuse('a statement of the answer has fields that are not known');
  if (extensions) checkExtensions(extensions);
  const said = status === undefined ? undefined : STATUS[status.tag];
  return {
    id: readId(id),
    status: said ?? refuse('a statement of the answer says neither good, revoked nor unknown'),
    thisUpdateMs: readTime(thisUpdate),
    nextUpdateMs: nextUpdate && readTime(onlyChild(nextUpdate)),
  };
}

function readId(element: Element | undefined): CertificateId | undefined {
  const [algorithm, name, key, serial, ...rest] = readChildrenOf(element, TAG.sequence);
  if (rest.length > 0) refuse('a statement of the answer names no certificate');
  const [nameHash, keyHash] = [name, key].map((hash) => Buffer.from(expectTag(hash, TAG.octetString).content)) as [Buffer, Buffer];
  const serialNumber = Buffer.from(readUnsigned(serial)).toString('hex').toUpperCase();
  return readOid(readChildrenOf(algorithm, TAG.sequence)[0]) === ID_HASH.oid ? { nameHash, keyHash, serialNumber } : undefined;
}

function onlyChild(element: Element): Element {
  const [child, ...rest] = readChildren(element);
  return child === undefined || rest.length > 0 ? refuse('the answer is not well-formed') : child;
}

/** A critical extension that is not understood may turn what is said into its opposite. */
function checkExtensions(element: Element): void {
  for (const extension of readChildrenOf(onlyChild(element), TAG.sequence)) {
    const parts = readChildrenOf(extension, TAG.sequence);
    readOid(parts[0]);
    if (parts.length === 3 && readBoolean(parts[1] as Element)) refuse('the answer has a critical extension that is not known');
  }
}
