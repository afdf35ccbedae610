import { sha256 } from '../lib/bytes.ts';
import { verifyBytes } from '../protocol/algorithms.ts';
import { contentDigest, fitsContentDigest } from '../protocol/content-digest.ts';
import { HEADER, SIGNATURE_LABEL, TAG } from '../protocol/headers.ts';
import { findRequestComponent } from '../protocol/request-component.ts';
import {
  findFieldValue,
  findMember,
  readByteSequence,
  readSignatureInput,
  type SignatureInput,
  serialiseComponent,
  signatureBase,
} from '../protocol/signature-base.ts';
import type { ReceivedAnswer, WireRequest } from './answer.ts';
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
};

type Lines = readonly (readonly [identifier: string, value: string | undefined])[];

const componentsOf = (lines: Lines): Explanation['components'] =>
  lines.map(([identifier, value]) => (value === undefined ? { identifier } : { identifier, value }));

function digestOf(rawHeaders: readonly string[], body: Buffer): Explanation['digest'] {
  const claimed = findFieldValue(rawHeaders, HEADER.contentDigest);
  return { ...(claimed !== undefined && { claimed }), computed: contentDigest(body), bodyBytes: body.length };
}

/** Bodies a sender may have hashed instead of the one that was sent. */
const OTHER_BODIES: readonly { readonly hint: string; readonly of: (text: string) => string }[] = [
  { hint: 'the body without the line end it was sent with', of: (text) => text.replace(/\r?\n$/, '') },
  { hint: 'the body with a line feed at its end, which was not sent', of: (text) => `${text}\n` },
  { hint: 'the body with LF instead of CR LF', of: (text) => text.replaceAll('\r\n', '\n') },
  { hint: 'the body with CR LF instead of LF', of: (text) => text.replaceAll('\n', '\r\n') },
  { hint: 'the body serialised anew as JSON: something re-serialised it after or before signing', of: reserialised },
  { hint: 'no bytes at all: it was computed before the body was there', of: () => '' },
];

function reserialised(text: string): string {
  try {
    return JSON.stringify(JSON.parse(text));
  } catch {
    return text;
  }
}

/** Names the body that a wrong digest belongs to, when it is one of the usual mistakes. */
function findDigestHint(claimed: string, body: Buffer): string | undefined {
  const text = body.toString('latin1');
  return OTHER_BODIES.find(({ of }) => fitsContentDigest(claimed, Buffer.from(of(text), 'latin1')))?.hint;
}

function findDigestProblem({ claimed, bodyBytes }: Explanation['digest'], body: Buffer): string | undefined {
  if (claimed === undefined) return bodyBytes > 0 ? 'there is a body but no Content-Digest' : undefined;
  if (fitsContentDigest(claimed, body)) return undefined;
  const hint = findDigestHint(claimed, body);
  return `Content-Digest does not match the body${hint === undefined ? '' : `; it is that of ${hint}`}`;
}

const findHint = (hints: readonly (readonly [made: boolean, hint: string])[]): string => {
  const hint = hints.find(([made]) => made)?.[1];
  return hint === undefined ? '' : `: ${hint}`;
};

function findSignatureProblem(base: string, signature: Buffer, key: TrustedKey): string | undefined {
  const verifies = (text: string): boolean => verifyBytes(key.algorithm, key.publicKey, Buffer.from(text, 'latin1'), signature);
  if (verifies(base)) return undefined;
  const hint = findHint([
    [verifies(`${base}\n`), 'it does with a line feed at the end of the signature base; there is none (RFC 9421 section 2.5)'],
    [key.algorithm.startsWith('ecdsa') && signature[0] === 0x30 && signature[2] === 0x02, 'it is DER-encoded; r and s go side by side'],
    [/^[0-9a-f]{64,}$/i.test(signature.toString('latin1')), 'it is hexadecimal text; the raw bytes go between the colons'],
  ]);
  return `the signature does not verify with this key (${key.algorithm})${hint}`;
}

function findTimeProblem({ created, expires }: SignatureInput['params'], nowMs: number): string | undefined {
  const nowSeconds = Math.floor(nowMs / 1000);
  if (created === undefined) return 'the parameter created is missing';
  const isMilliseconds = Math.abs(created - nowMs) < 86_400_000;
  if (isMilliseconds) return 'created is in milliseconds; it must be whole seconds';
  const distance = Math.abs(created - nowSeconds);
  if (distance > WINDOW_SECONDS) return `created is ${distance} s from now, at most ${WINDOW_SECONDS} are allowed`;
  return expires !== undefined && expires <= nowSeconds ? 'expires has passed' : undefined;
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

/** Explains a signed request as the gateway would judge it. Without a key the signature itself is not checked. Pure. */
export function explainRequest(request: WireRequest, { key, nowMs }: { readonly key?: TrustedKey; readonly nowMs: number }): Explanation {
  const digest = digestOf(request.rawHeaders, request.body);
  const inputText = findMember(request.rawHeaders, HEADER.signatureInput, SIGNATURE_LABEL) ?? '';
  const input = readSignatureInput(inputText);
  const signature = readByteSequence(findMember(request.rawHeaders, HEADER.signature, SIGNATURE_LABEL) ?? '');
  if (!input || !signature) return { components: [], digest, problems: [NOT_READABLE] };
  const lines = input.components.map((component) => [serialiseComponent(component), findRequestComponent(request, component)] as const);
  const base = signatureBase(
    lines.map(([identifier, value]) => [identifier, value ?? '']),
    inputText,
  );
  const problems = [
    ...requestProblems(request, input, lines),
    findTimeProblem(input.params, nowMs),
    findDigestProblem(digest, request.body),
    key && findSignatureProblem(base, signature, key),
  ].filter((problem) => problem !== undefined);
  return { base, components: componentsOf(lines), digest, problems };
}

/** Explains an answer: every check of verifyAnswer, not only the first that fails. Pure. */
export function explainAnswer(answer: ReceivedAnswer, expected: AnswerExpectations): Explanation {
  const digest = digestOf(answer.rawHeaders, answer.body);
  const reading = readAnswer(answer, expected);
  if (typeof reading === 'string') return { components: [], digest, problems: [reading] };
  const hint = digest.claimed === undefined ? undefined : findDigestHint(digest.claimed, answer.body);
  const problems = ANSWER_CHECKS.map((findProblem) => findProblem(reading)).filter((problem) => problem !== undefined);
  if (hint !== undefined && !fitsContentDigest(digest.claimed ?? '', answer.body)) problems.push(`the digest is that of ${hint}`);
  return { base: reading.base, components: componentsOf(reading.lines), digest, problems };
}

/** Length and SHA-256 of a signature base, to compare two of them without showing either. */
export function describeBase(base: string): { readonly bytes: number; readonly sha256: string } {
  const bytes = Buffer.from(base, 'latin1');
  return { bytes: bytes.length, sha256: sha256(bytes).toString('hex') };
}
