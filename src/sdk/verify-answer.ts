import { sameBytes } from '../lib/bytes.ts';
import { verifyBytes } from '../protocol/algorithms.ts';
import { fitsContentDigest } from '../protocol/content-digest.ts';
import { allHeaders, HEADER, SIGNATURE_LABEL, TAG } from '../protocol/headers.ts';
import {
  findFieldValue,
  findMember,
  type RequestFacts,
  readByteSequence,
  readSignatureInput,
  type SignatureInput,
  serialiseComponent,
  signatureBase,
} from '../protocol/signature-base.ts';
import type { ReceivedAnswer } from './answer.ts';
import { ALWAYS_IN_ANSWERS, findAnswerValue, isSigned, missingFrom, repeatedIn, requiredOfAnswer } from './coverage.ts';
import type { TrustedKey } from './trust.ts';

/** How far `created` may be from our clock, both ways, seconds; inclusive. */
export const WINDOW_SECONDS = 300;

/** What an answer must fit. */
export type AnswerExpectations = {
  /** Our request exactly as it was sent, with its signature. */
  readonly request: RequestFacts;
  /** Finds a trusted key; whatever it returns is believed. */
  readonly findKey: (keyid: string) => TrustedKey | undefined;
  /** x5t#S256 of the client certificate we connected with. */
  readonly thumbprint: string;
  readonly nowMs: number;
};

/** `accepted`: the gateway had verified our request's signature. Without it an answer is genuine, but no business result. */
export type Verdict = { readonly verified: true; readonly accepted: boolean } | { readonly verified: false; readonly why: string };

/** Everything that is known of an answer's signature before anything is believed. */
export type AnswerReading = AnswerExpectations & {
  readonly answer: ReceivedAnswer;
  readonly input: SignatureInput;
  readonly signature: Buffer;
  /** Identifier and value of each covered component, in order; undefined: absent. */
  readonly lines: readonly (readonly [identifier: string, value: string | undefined])[];
  readonly base: string;
  readonly key: TrustedKey | undefined;
};

/** Reads the one signature with our label; a sentence when there is none or it is not spelled canonically. */
export function readAnswer(answer: ReceivedAnswer, expected: AnswerExpectations): AnswerReading | string {
  const inputText = findMember(answer.rawHeaders, HEADER.signatureInput, SIGNATURE_LABEL);
  const signatureText = findMember(answer.rawHeaders, HEADER.signature, SIGNATURE_LABEL);
  if (inputText === undefined || signatureText === undefined) return 'the answer does not carry exactly one signature with the label hufu';
  const input = readSignatureInput(inputText);
  const signature = readByteSequence(signatureText);
  if (!input || !signature) return 'the signature fields of the answer cannot be read';
  const lines = input.components.map(
    (component) => [serialiseComponent(component), findAnswerValue(component, answer, expected.request)] as const,
  );
  const base = signatureBase(
    lines.map(([identifier, value]) => [identifier, value ?? '']),
    inputText,
  );
  const key = input.params.keyid === undefined ? undefined : expected.findKey(input.params.keyid);
  return { ...expected, answer, input, signature, lines, base, key };
}

const list = (identifiers: readonly string[]): string => identifiers.join(' ');

function findCoverageProblem({ answer, request, input, lines }: AnswerReading): string | undefined {
  const repeated = repeatedIn(input.components);
  if (repeated.length > 0) return `the signature covers twice: ${list(repeated)}`;
  const missing = missingFrom(input.components, requiredOfAnswer(answer, request));
  if (missing.length > 0) return `the signature does not cover ${list(missing)}`;
  const absent = lines.filter(([, value]) => value === undefined).map(([identifier]) => identifier);
  return absent.length > 0 ? `the signature covers what is not there: ${list(absent)}` : undefined;
}

function findTagProblem({ input, request }: AnswerReading): string | undefined {
  const { tag } = input.params;
  if (tag === TAG.response && isSigned(request)) return undefined;
  if (tag === TAG.refusal && !isSigned(request)) return undefined;
  if (tag === TAG.refusal) return 'the answer is not bound to our signature (tag hufu-refusal), although we had signed';
  return 'the signature has another tag than hufu-response';
}

function findTimeProblem({ input, nowMs }: AnswerReading): string | undefined {
  const { created, expires } = input.params;
  if (created === undefined) return 'the signature has no created time';
  // Whole seconds on both sides, as `created` has no fractions.
  const nowSeconds = Math.floor(nowMs / 1000);
  if (Math.abs(created - nowSeconds) > WINDOW_SECONDS) return `the answer was created more than ${WINDOW_SECONDS} s from our clock`;
  return expires !== undefined && expires <= nowSeconds ? 'the signature has expired' : undefined;
}

function findKeyProblem({ input, key, nowMs }: AnswerReading): string | undefined {
  if (!key) return `the key of the answer is not trusted: ${input.params.keyid ?? 'it names none'}`;
  if (input.params.alg !== undefined && input.params.alg !== key.algorithm) return `the key of the answer is one for ${key.algorithm}`;
  const isCurrent = (key.notBeforeMs ?? 0) <= nowMs && nowMs <= (key.notAfterMs ?? Number.POSITIVE_INFINITY);
  return isCurrent ? undefined : `the certificate of the answer's key ${input.params.keyid} is outside its validity`;
}

function findHeaderProblem({ answer }: AnswerReading): string | undefined {
  const wrong = ALWAYS_IN_ANSWERS.filter((name) => allHeaders(answer.rawHeaders, name).length !== 1);
  return wrong.length > 0 ? `the answer does not carry exactly one of each: ${list(wrong)}` : undefined;
}

function findDigestProblem({ answer }: AnswerReading): string | undefined {
  const digest = findFieldValue(answer.rawHeaders, HEADER.contentDigest) ?? '';
  return fitsContentDigest(digest, answer.body) ? undefined : 'Content-Digest does not match the body of the answer';
}

function findSignatureProblem({ key, base, signature }: AnswerReading): string | undefined {
  if (key && verifyBytes(key.algorithm, key.publicKey, Buffer.from(base, 'latin1'), signature)) return undefined;
  return 'the signature of the answer does not verify over this answer and our request';
}

function findCertificateProblem({ answer, thumbprint }: AnswerReading): string | undefined {
  const seen = findFieldValue(answer.rawHeaders, HEADER.hufuCertificate) ?? '';
  if (sameBytes(Buffer.from(seen, 'latin1'), Buffer.from(thumbprint, 'latin1'))) return undefined;
  return 'the answer was given to another certificate than ours';
}

function findVerifiedProblem({ answer }: AnswerReading): string | undefined {
  const value = findFieldValue(answer.rawHeaders, HEADER.hufuVerified) ?? '';
  return ['?0', '?1'].includes(value) ? undefined : 'Hufu-Verified is neither ?1 nor ?0';
}

/** Every check of an answer, in order; the first that finds something is the reason. All of them must find nothing. */
export const ANSWER_CHECKS: readonly ((reading: AnswerReading) => string | undefined)[] = [
  findTagProblem,
  findHeaderProblem,
  findCoverageProblem,
  findTimeProblem,
  findKeyProblem,
  findDigestProblem,
  findSignatureProblem,
  findCertificateProblem,
  findVerifiedProblem,
];

/** Verifies an answer (contract.md section 4). Pure: time is an argument. Never throws for what an answer contains. */
export function verifyAnswer(answer: ReceivedAnswer, expected: AnswerExpectations): Verdict {
  const reading = readAnswer(answer, expected);
  if (typeof reading === 'string') return { verified: false, why: reading };
  for (const findProblem of ANSWER_CHECKS) {
    const why = findProblem(reading);
    if (why !== undefined) return { verified: false, why };
  }
  return { verified: true, accepted: findFieldValue(answer.rawHeaders, HEADER.hufuVerified) === '?1' };
}
