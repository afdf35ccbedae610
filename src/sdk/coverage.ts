import { allHeaders, COVERED_WHEN_SENT, HEADER, isCoveredAnswerHeader, SIGNATURE_LABEL } from '../protocol/headers.ts';
import {
  type Component,
  findFieldValue,
  findMember,
  findRequestValue,
  identityOf,
  type RequestFacts,
  serialiseComponent,
} from '../protocol/signature-base.ts';
import type { ReceivedAnswer, WireRequest } from './answer.ts';

const plain = (name: string): Component => ({ name, params: {} });
const ofRequest = (name: string): Component => ({ name, params: { req: true } });
const ourMember = (name: string): Component => ({ name, params: { req: true, key: SIGNATURE_LABEL } });

const namesOf = (rawHeaders: readonly string[]): string[] => [
  ...new Set(rawHeaders.filter((_, i) => i % 2 === 0).map((name) => name.toLowerCase())),
];

/** Headers that every answer of the gateway carries (contract.md section 4). */
export const ALWAYS_IN_ANSWERS: readonly string[] = [
  HEADER.contentDigest,
  HEADER.hufuRequestId,
  HEADER.hufuCertificate,
  HEADER.hufuVerified,
];

/** Whether a request carries a signature of ours that an answer must be bound to. */
export function isSigned(request: RequestFacts): boolean {
  return findMember(request.rawHeaders, HEADER.signatureInput, SIGNATURE_LABEL) !== undefined;
}

/** What the signature of an answer must cover: computed from the answer and from our own request, never from what it says itself. */
export function requiredOfAnswer(answer: ReceivedAnswer, request: RequestFacts): Component[] {
  const present = namesOf(answer.rawHeaders).filter((name) => isCoveredAnswerHeader(name) && !ALWAYS_IN_ANSWERS.includes(name));
  const digest = allHeaders(request.rawHeaders, HEADER.contentDigest).length > 0 ? [ofRequest(HEADER.contentDigest)] : [];
  const binding = isSigned(request) ? [ourMember(HEADER.signature), ourMember(HEADER.signatureInput)] : [];
  return [
    ...[plain('@status'), ...[...ALWAYS_IN_ANSWERS, ...present].map(plain)],
    ...[ofRequest('@method'), ofRequest('@target-uri'), ...digest, ...binding],
  ];
}

/** What the signature of a request must cover (contract.md section 3). */
export function requiredOfRequest(request: WireRequest): Component[] {
  const withBody = request.body.length > 0 ? [HEADER.contentDigest, HEADER.contentType] : [];
  const sent = COVERED_WHEN_SENT.filter((name) => allHeaders(request.rawHeaders, name).length > 0);
  return ['@method', '@target-uri', ...withBody, ...sent].map(plain);
}

/** Identifiers that are required and not covered. */
export function missingFrom(covered: readonly Component[], required: readonly Component[]): string[] {
  const identifiers = new Set(covered.map(serialiseComponent));
  return required.map(serialiseComponent).filter((identifier) => !identifiers.has(identifier));
}

/** Identifiers that are covered twice, which RFC 9421 section 2.5 forbids. */
export function repeatedIn(covered: readonly Component[]): string[] {
  const identities = covered.map(identityOf);
  return covered.filter((_, i) => identities.indexOf(identities[i] as string) !== i).map(serialiseComponent);
}

/** The value of a component that an answer's signature covers; undefined when it is absent or of a kind we do not know. */
export function findAnswerValue(component: Component, answer: ReceivedAnswer, request: RequestFacts): string | undefined {
  const { name, params } = component;
  // The gateway uses no other parameter, and one that is not understood must not be passed over.
  if (params.sf || params.bs || params.tr || params.name !== undefined) return undefined;
  if (params.req) return params.key === undefined ? findRequestValue(request, name) : findMember(request.rawHeaders, name, params.key);
  if (name === '@status') return String(answer.status);
  return params.key === undefined ? findFieldValue(answer.rawHeaders, name) : findMember(answer.rawHeaders, name, params.key);
}
