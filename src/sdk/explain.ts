import { generateKeyPairSync } from 'node:crypto';
import { verifyBytes } from '../protocol/algorithms.ts';
import { contentDigest, fitsContentDigest, readContentDigest } from '../protocol/content-digest.ts';
import { HEADER, SIGNATURE_LABEL, TAG } from '../protocol/headers.ts';

import { alteredBase } from '../protocol/mistakes/altered-base.ts';
import { countAttempts } from '../protocol/mistakes/attempts.ts';
import { findSignatureMistake } from '../protocol/mistakes/find.ts';
import { findDigestMistake } from '../protocol/mistakes/of-digest.ts';
import { findTimeMistake } from '../protocol/mistakes/of-time.ts';
import type { OtherKey, Suspect } from '../protocol/mistakes/suspect.ts';
import type { Mistake } from '../protocol/mistakes/table.ts';
import { findRequestComponent } from '../protocol/request-component.ts';

import {
  baseLines,
  findFieldValue,
  findMember,
  readByteSequence,
  readSignatureInput,
  type SignatureInput,
  serialiseComponent,
  signatureBase,
} from '../protocol/signature-base.ts';
import type { ReceivedAnswer, WireRequest } from './answer.ts';
import { findChangedLines } from './changed-lines.ts';
import { missingFrom, repeatedIn, requiredOfRequest } from './coverage.ts';
import type { TrustedKey } from './trust.ts';
import { ANSWER_CHECKS, type AnswerExpectations, readAnswer, WINDOW_SECONDS } from './verify-answer.ts';

/** What a signature says, what we computed, and everything that is wrong. No problems: it verifies. */
export type Explanation = {
  /** The exact text whose bytes (latin1) must have been signed; absent when the signature fields cannot be read. */
  readonly base?: string;
  /** Covered components in order; no value: not in the message. */
  readonly components: readonly { readonly identifier: string; readonly value?: string }[];
  readonly digest: { readonly claimed?: string; readonly computed: string; readonly bodyBytes: number };
  readonly problems: readonly string[];
  /** Of a verified refusal: the lines of our request that arrived otherwise than we sent them. Absent: none that it tells of. */
  readonly changedLines?: readonly string[];
  /** The problems that have a name, as the gateway tells them in `mistake`; see docs/signature-doctor.md. */
  readonly mistakes: readonly Mistake[];
};

type Lines = readonly (readonly [identifier: string, value: string | undefined])[];

const componentsOf = (lines: Lines): Explanation['components'] =>
  lines.map(([identifier, value]) => (value === undefined ? { identifier } : { identifier, value }));

function digestOf(rawHeaders: readonly string[], body: Buffer): Explanation['digest'] {
  const claimed = findFieldValue(rawHeaders, HEADER.contentDigest);
  return { ...(claimed !== undefined && { claimed }), computed: contentDigest(body), bodyBytes: body.length };
}

/** Adds a mistake's sentence to what it explains. */
const because = (problem: string, mistake: Mistake | undefined): string => (mistake ? `${problem}: ${mistake.hint}` : problem);

type Finding = { readonly problem: string; readonly mistake?: Mistake };
const finding = (problem: string, mistake: Mistake | undefined): Finding => ({
  problem: because(problem, mistake),
  ...(mistake && { mistake }),
});

const DIFFERENT_BODY = 'Content-Digest does not match the body';

function findDigestProblem({ claimed, bodyBytes }: Explanation['digest'], suspect: Suspect): Finding | undefined {
  if (claimed === undefined) return bodyBytes > 0 ? { problem: 'there is a body but no Content-Digest' } : undefined;
  if (fitsContentDigest(claimed, suspect.request.body)) return undefined;
  const digests = readContentDigest(claimed);
  return finding(DIFFERENT_BODY, digests && findDigestMistake(suspect, digests));
}

function findSignatureProblem(suspect: Suspect): Finding | undefined {
  const { algorithm, publicKey, base, signature } = suspect;
  if (verifyBytes(algorithm, publicKey, Buffer.from(base, 'latin1'), signature)) return undefined;
  return finding(`the signature does not verify with this key (${algorithm})`, findSignatureMistake(suspect));
}

function findTimeProblem({ created, expires }: SignatureInput['params'], nowMs: number): Finding | undefined {
  const nowSeconds = Math.floor(nowMs / 1000);
  if (created === undefined) return { problem: 'the parameter created is missing' };
  const distance = Math.abs(created - nowSeconds);
  if (distance <= WINDOW_SECONDS && (expires === undefined || expires > nowSeconds)) return undefined;
  const mistake = findTimeMistake({ createdAtSeconds: created, nowSeconds, windowSeconds: WINDOW_SECONDS });
  return finding(`created is ${distance} s from now, at most ${WINDOW_SECONDS} are allowed`, mistake);
}

/** What contract.md section 3 asks of the parameters and the coverage, beside digest, time and signature. */
function* requestProblems(request: WireRequest, { components, params }: SignatureInput, lines: Lines): Generator<string> {
  if (params.tag !== TAG.request) yield `the parameter tag must be "${TAG.request}"`;
  if (params.keyid === undefined) yield 'the parameter keyid is missing';
  if (!/^[A-Za-z0-9_-]{22,64}$/.test(params.nonce ?? '')) yield 'the parameter nonce must be 22 to 64 characters of base64url';
  const missing = missingFrom(components, requiredOfRequest(request));
  if (missing.length > 0) yield `the signature does not cover ${missing.join(' ')}`;
  const repeated = repeatedIn(components);
  if (repeated.length > 0) yield `the signature covers twice: ${repeated.join(' ')}`;
  const absent = lines.filter(([, value]) => value === undefined).map(([identifier]) => identifier);
  if (absent.length > 0) yield `the signature covers what is not in the request: ${absent.join(' ')}`;
}

const NOT_READABLE = `there is not exactly one readable signature with the label ${SIGNATURE_LABEL}`;

/** What a request is judged with beside itself. Without a key the signature is not checked. */
export type RequestExpectations = {
  readonly key?: TrustedKey;
  /** Further keys of the merchant, which may have signed instead. */
  readonly otherKeys?: readonly OtherKey[];
  /** Names of the gateway, without port, that may have been signed instead. */
  readonly hosts?: readonly string[];
  readonly nowMs: number;
};

/** Explains a signed request as the gateway would judge it, by the same table of mistakes. Pure. */
export function explainRequest(request: WireRequest, expected: RequestExpectations): Explanation {
  const { key, nowMs } = expected;
  const digest = digestOf(request.rawHeaders, request.body);
  const inputText = findMember(request.rawHeaders, HEADER.signatureInput, SIGNATURE_LABEL) ?? '';
  const input = readSignatureInput(inputText);
  const signature = readByteSequence(findMember(request.rawHeaders, HEADER.signature, SIGNATURE_LABEL) ?? '');
  if (!input || !signature) return { components: [], digest, problems: [NOT_READABLE], mistakes: [] };
  const lines = input.components.map((component) => [serialiseComponent(component), findRequestComponent(request, component)] as const);
  const base = signatureBase(
    lines.map(([identifier, value]) => [identifier, value ?? '']),
    inputText,
  );
  const suspect = suspectOf(request, { base, signature }, expected);
  const digestFinding = findDigestProblem(digest, suspect);
  const findings = [
    ...[...requestProblems(request, input, lines)].map((problem): Finding => ({ problem })),
    ...[findTimeProblem(input.params, nowMs), digestFinding],
    // With another body than the signed one the signature itself may be right, and is looked at as part of that.
    key && (digestFinding ? holds(suspect) : findSignatureProblem(suspect)),
  ].filter((found) => found !== undefined);
  return { base, components: componentsOf(lines), digest, ...listed(findings) };
}

const listed = (findings: readonly Finding[]): Pick<Explanation, 'problems' | 'mistakes'> => ({
  problems: findings.map(({ problem }) => problem),
  mistakes: findings.flatMap(({ mistake }) => (mistake ? [mistake] : [])),
});

const holds = ({ algorithm, publicKey, base, signature }: Suspect): Finding | undefined =>
  verifyBytes(algorithm, publicKey, Buffer.from(base, 'latin1'), signature)
    ? undefined
    : { problem: `the signature does not verify with this key (${algorithm})` };

/** A key that made no signature: it stands for a missing one, so that a body can be looked at all the same. */
const NO_KEY = generateKeyPairSync('ed25519').publicKey;

function suspectOf(request: WireRequest, signed: Pick<Suspect, 'base' | 'signature'>, expected: RequestExpectations): Suspect {
  const { key = { algorithm: 'ed25519', publicKey: NO_KEY } as const, otherKeys = [], hosts = [] } = expected;
  const { algorithm, publicKey } = key;
  const lines = baseLines(signed.base);
  const baseOf = alteredBase('rfc9421', { base: signed.base, lines }, request);
  return { scheme: 'rfc9421', request, ...signed, lines, algorithm, publicKey, baseOf, otherKeys, hosts, ...countAttempts() };
}

/** Explains an answer: every check of verifyAnswer, not only the first that fails. Pure. */
export function explainAnswer(answer: ReceivedAnswer, expected: AnswerExpectations): Explanation {
  const digest = digestOf(answer.rawHeaders, answer.body);
  const reading = readAnswer(answer, expected);
  if (typeof reading === 'string') return { components: [], digest, problems: [reading], mistakes: [] };
  const { base, signature, key } = reading;
  const problems = ANSWER_CHECKS.map((findProblem) => findProblem(reading)).filter((problem) => problem !== undefined);
  // Only the body can be explained: what an answer covers beside it is bound to our own request.
  const received = { ...expected.request, body: answer.body };
  const suspect = suspectOf(received, { base, signature }, { ...(key && { key }), nowMs: expected.nowMs });
  const mistake = digest.claimed === undefined ? undefined : findDigestProblem(digest, suspect)?.mistake;
  if (mistake) problems.push(because('what happened to its body', mistake));
  // Only what is proven to come from the gateway says how our request arrived.
  const changed = problems.length === 0 ? findChangedLines(expected.request, answer.body) : [];
  return {
    ...{ base, components: componentsOf(reading.lines), digest, problems, mistakes: mistake ? [mistake] : [] },
    ...(changed.length > 0 && { changedLines: changed }),
  };
}
