import { X509Certificate } from 'node:crypto';
import type { CertificateId } from './ocsp-request.ts';
import { checkKeyPolicy, isWithinValidity, USAGE } from './policy.ts';
import { CertificateProblem } from './problem.ts';
import { type CertificateFacts, readCertificate } from './read.ts';
import { type OcspFacts, type OcspStatement, readOcspResponse } from './read-ocsp.ts';

export type OcspQuestion = {
  readonly id: CertificateId;
  /** Who issued the certificate that was asked about. */
  readonly issuer: X509Certificate;
  readonly nowMs: number;
  /** Whether a certificate of the same authority, that of a responder, is revoked as far as is known without asking the responder itself. */
  readonly isRevoked: (serialNumber: string) => boolean;
};

/** An answer that may be relied on. */
export type OcspAnswer = Pick<OcspStatement, 'status' | 'thisUpdateMs'> & {
  /** Until when. */
  readonly endMs: number;
};

/** An answer from further ahead was made by a clock that cannot be trusted. */
const AHEAD_MS_MAX = 300_000;
/** How long an answer counts that names no next one: its responder promises to know more at any time (RFC 6960 section 4.2.2.1). */
const WITHOUT_NEXT_MS = 300_000;

/**
 * Reads an answer and holds it against its question: signed by the issuer's key or by a responder that this very key appointed,
 * about this certificate, and current (RFC 6960 section 3.2). Throws CertificateProblem, and nothing else, for any bytes.
 */
export function readOcspAnswer(bytes: Uint8Array, question: OcspQuestion): OcspAnswer {
  const facts = readOcspResponse(bytes);
  checkSigner(facts, question);
  const { id, nowMs } = question;
  const statement = facts.statements.find((one) => one.id !== undefined && isSameId(one.id, id));
  if (!statement) throw new CertificateProblem('the answer is about other certificates');
  const { status, thisUpdateMs, nextUpdateMs } = statement;
  const endMs = nextUpdateMs ?? thisUpdateMs + WITHOUT_NEXT_MS;
  if (Math.max(thisUpdateMs, facts.producedAtMs) > nowMs + AHEAD_MS_MAX) throw new CertificateProblem('the answer is from the future');
  if (nowMs > endMs || thisUpdateMs > endMs) throw new CertificateProblem('the answer is out of date');
  return { status, thisUpdateMs, endMs };
}

const isSameId = (one: CertificateId, other: CertificateId): boolean =>
  one.serialNumber === other.serialNumber && one.nameHash.equals(other.nameHash) && one.keyHash.equals(other.keyHash);

function checkSigner(facts: OcspFacts, question: OcspQuestion): void {
  if (facts.isSignedBy(question.issuer.publicKey)) return;
  // One that cannot be read, as an old root sent along, keeps none of the others from counting.
  const problems = facts.certificates.map((der) => reasonOf(() => findResponderProblem(der, facts, question)));
  if (problems.includes(undefined)) return;
  throw new CertificateProblem(problems[0] ?? 'the authority has not signed the answer');
}

/** Why a certificate that came with the answer does not make it one of the authority; undefined when it does (RFC 6960 section 4.2.2.2). */
function findResponderProblem(der: Uint8Array, facts: OcspFacts, { issuer, nowMs, isRevoked }: OcspQuestion): string | undefined {
  const responder = readCertificate(der);
  // First of all: with a key that our authority did not vouch for nothing is computed, since its size is the sender's choice.
  if (!isIssuedBy(der, issuer)) return "the responder's certificate is not of the same authority";
  if (!mayAnswer(responder)) return "the responder's certificate is not for signing OCSP answers";
  if (!isWithinValidity(responder, nowMs)) return "the responder's certificate is outside its validity";
  if (isRevoked(responder.serialNumber)) return "the responder's certificate is revoked";
  checkKeyPolicy(responder);
  if (!facts.isSignedBy(responder.publicKey)) return 'neither the authority nor the responder it comes with has signed the answer';
  return undefined;
}

function reasonOf(find: () => string | undefined): string | undefined {
  try {
    return find();
  } catch (error) {
    if (error instanceof CertificateProblem) return error.reason;
    throw error;
  }
}

/** anyExtendedKeyUsage does not count: every other certificate of the authority could answer for all. */
const mayAnswer = ({ extendedKeyUsage, keyUsage }: CertificateFacts): boolean =>
  (extendedKeyUsage?.includes(USAGE.ocspSigning) ?? false) && (keyUsage?.has('digitalSignature') ?? true);

function isIssuedBy(der: Uint8Array, issuer: X509Certificate): boolean {
  try {
    const certificate = new X509Certificate(der);
    return certificate.checkIssued(issuer) && certificate.verify(issuer.publicKey);
  } catch {
    return false;
  }
}
