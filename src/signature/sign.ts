import type { Signer } from '../ports/signer.ts';
import { contentDigest } from '../protocol/content-digest.ts';
import { HEADER, isCoveredAnswerHeader, SIGNATURE_LABEL, TAG } from '../protocol/headers.ts';
import {
  findFieldValue,
  findMember,
  findRequestValue,
  type RequestFacts,
  readByteSequence,
  readSignatureInput,
  serialiseByteSequence,
  serialiseString,
} from '../protocol/signature-base.ts';
import type { Bound } from './scheme.ts';

export type AnswerToSign = {
  /** The request as it arrived, signed or not. */
  readonly request: RequestFacts;
  /** What of the request only its sender can have sent; for a scheme other than RFC 9421 only when the request verified. */
  readonly bound?: Bound;
  readonly status: number;
  /** Flat name, value list of all headers but those that signAnswer adds. */
  readonly headers: readonly string[];
  readonly body: Buffer;
  readonly signer: Signer;
  readonly createdAtSeconds: number;
  /** Told the signature base: evidence for the journal. */
  readonly onBase?: (base: string) => void;
};

/** Components and base lines grow together: both are plain text, since nothing in them needs escaping. */
type Cover = { components: string; lines: string };

/**
 * Signs an answer bound to its request (contract.md section 4): Content-Digest, Signature-Input and Signature as a flat name, value list.
 *
 * The tag is `hufu-response` only if the request brought exactly one well-formed signature with our label, which the answer then covers,
 * or verified under another scheme, whose signature it covers; else it is `hufu-refusal`, which nobody who signed takes for a result. Returns at once for a key in memory.
 */
export function signAnswer(answer: AnswerToSign): string[] | Promise<string[]> {
  const { request, signer, createdAtSeconds } = answer;
  const digest = contentDigest(answer.body);
  const cover: Cover = { components: '"@status" "content-digest"', lines: `"@status": ${answer.status}\n"content-digest": ${digest}\n` };
  addHeaders(cover, answer.headers);
  addRequest(cover, request);
  const tag = bindTo(cover, answer) ? TAG.response : TAG.refusal;
  const params = `(${cover.components});created=${createdAtSeconds};keyid=${serialiseString(signer.keyid)};tag="${tag}"`;
  const base = `${cover.lines}"@signature-params": ${params}`;
  answer.onBase?.(base);
  const signature = signer.sign(Buffer.from(base, 'latin1'));
  return signature instanceof Promise
    ? signature.then((bytes) => signatureHeaders(digest, params, bytes))
    : signatureHeaders(digest, params, signature);
}

function signatureHeaders(digest: string, params: string, signature: Buffer): string[] {
  const value = `${SIGNATURE_LABEL}=${serialiseByteSequence(signature)}`;
  return ['Content-Digest', digest, 'Signature-Input', `${SIGNATURE_LABEL}=${params}`, 'Signature', value];
}

function add(cover: Cover, component: string, value: string): void {
  cover.components += ` ${component}`;
  cover.lines += `${component}: ${value}\n`;
}

/** Every header of the contract, each once in the order of its first line, several lines of one name joined. */
function addHeaders(cover: Cover, headers: readonly string[]): void {
  const values = new Map<string, string>();
  for (let i = 0; i + 1 < headers.length; i += 2) {
    const name = (headers[i] as string).toLowerCase();
    if (!isCoveredAnswerHeader(name)) continue;
    const before = values.get(name);
    const value = headers[i + 1] as string;
    values.set(name, before === undefined ? value : `${before}, ${value}`);
  }
  for (const [name, value] of values) add(cover, `"${name}"`, value);
}

function addRequest(cover: Cover, request: RequestFacts): void {
  add(cover, '"@method";req', request.method);
  add(cover, '"@target-uri";req', findRequestValue(request, '@target-uri') as string);
  const digest = findFieldValue(request.rawHeaders, HEADER.contentDigest);
  if (digest !== undefined) add(cover, '"content-digest";req', digest);
}

/** Binds the answer to the request's signature; false when there is none to bind to. Form fields are bound by Hufu-Request-Digest. */
function bindTo(cover: Cover, { request, bound = 'member' }: AnswerToSign): boolean {
  if (bound === 'member') return addRequestSignature(cover, request);
  if (bound !== 'body') add(cover, `"${bound.header}";req`, findFieldValue(request.rawHeaders, bound.header) as string);
  return true;
}

/** Covers the request's own signature, the only value in it that nobody else can have sent; false when there is none to cover. */
function addRequestSignature(cover: Cover, { rawHeaders }: RequestFacts): boolean {
  const signature = findMember(rawHeaders, HEADER.signature, SIGNATURE_LABEL);
  const input = findMember(rawHeaders, HEADER.signatureInput, SIGNATURE_LABEL);
  if (signature === undefined || input === undefined || !readByteSequence(signature) || !readSignatureInput(input)) return false;
  add(cover, `"signature";req;key="${SIGNATURE_LABEL}"`, signature);
  add(cover, `"signature-input";req;key="${SIGNATURE_LABEL}"`, input);
  return true;
}
