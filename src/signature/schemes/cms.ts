import { CertificateProblem } from '../../certificates/problem.ts';
import { BRINGS_CONTENT, type CmsSignature, readCms } from '../../certificates/read-cms.ts';
import { signCms } from '../../certificates/write-cms.ts';
import { readBase64, sameBytes, sha256 } from '../../lib/bytes.ts';
import { contentDigestOf } from '../../protocol/content-digest.ts';
import { Refusal } from '../../protocol/errors.ts';
import { allHeaders, findHeader, HEADER } from '../../protocol/headers.ts';
import { ATTACHED_CONTENT } from '../../protocol/mistakes/of-content.ts';
import { findRequestValue } from '../../protocol/signature-base.ts';
import { checkHost } from '../coverage.ts';
import { nonceOf } from '../nonce.ts';
import type { Presented, SignedLine } from '../presented.ts';
import type { Scheme, SchemeAnswer, SchemeRequest } from '../scheme.ts';

/**
 * Detached PKCS#7 / CMS (RFC 5652), as banks know it: "sign the original, send the P7". The original is a block of lines that names
 * everything that decides, an empty line, and the body (docs/decisions/0017-what-a-cms-signs.md). The certificate comes in the
 * message and is checked like one that connects: path, name, validity, revocation.
 */
const FIELD = { signature: 'x-cms-signature', created: 'x-cms-created', nonce: 'x-cms-nonce' } as const;
/** First lines, so that nothing signed for one purpose passes for another. */
const FIRST = { request: 'hufu-cms-request-1', answer: 'hufu-cms-answer-1' } as const;
/** In the block whenever they are sent, in this order. */
const HEADERS: readonly string[] = [HEADER.contentType, HEADER.idempotencyKey, 'range'];

/** Room for milliseconds, which are told to be a mistake. */
const CREATED = /^[1-9][0-9]{0,14}$/;
const NONCE = /^[A-Za-z0-9_-]{22,64}$/;
/** What stands on a line has no line end and one reading. */
const PRINTABLE = /^[\t\x20-\x7e]*$/;

const invalid = (detail: string): Refusal => new Refusal('SIGNATURE_INVALID', { detail });

type Line = readonly [name: string, value: string];

const blockOf = (first: string, lines: readonly Line[]): string =>
  `${first}\n${lines.map(([name, value]) => `${name}: ${value}\n`).join('')}\n`;

function readOnce({ rawHeaders }: SchemeRequest, name: string): string {
  const [value = '', ...more] = allHeaders(rawHeaders, name);
  if (more.length > 0) throw invalid(`${name} must be sent once.`);
  return value;
}

/** The block that must have been signed: from the request as it arrived, nothing is read out of the message. */
function linesOfRequest(request: SchemeRequest, created: string, nonce: string): Line[] {
  const lines: Line[] = [
    ['method', request.method],
    ['target-uri', findRequestValue(request, '@target-uri') as string],
    ['merchant-number', request.merchant.number],
    ['created', created],
    ['nonce', nonce],
  ];
  for (const name of HEADERS) {
    const value = findHeader(request.rawHeaders, name);
    if (value !== undefined) lines.push([name, value]);
  }
  if (lines.some(([, value]) => !PRINTABLE.test(value))) throw invalid('A signed header is not printable ASCII.');
  return lines;
}

function readMessage(text: string): CmsSignature {
  const bytes = readBase64(text);
  if (!bytes || bytes.length === 0) throw invalid(`${FIELD.signature} is not canonical base64.`);
  try {
    return readCms(bytes);
  } catch (error) {
    if (!(error instanceof CertificateProblem)) throw error;
    throw new Refusal('SIGNATURE_INVALID', {
      detail: `The detached signature cannot be read: ${error.reason}.`,
      ...(error.reason === BRINGS_CONTENT && { members: { mistake: ATTACHED_CONTENT.id, hint: ATTACHED_CONTENT.hint } }),
    });
  }
}

/** What the signature is over: the content, or attributes that hold its digest and are refused when it is another one. */
function signedBytes({ attributes }: CmsSignature, content: Buffer): Pick<Presented, 'signed' | 'text' | 'signedFor' | 'contradiction'> {
  if (!attributes) return { signed: content };
  const { signed, messageDigest } = attributes;
  const digest = sha256(content);
  const contradiction = {
    detail: 'What was signed is not the header block and the body of this request.',
    members: { signed: { length: content.length, sha256: digest.toString('base64') } },
  };
  return {
    signed,
    text: content,
    signedFor: (text) => (sameBytes(messageDigest, sha256(text)) ? signed : undefined),
    ...(!sameBytes(messageDigest, digest) && { contradiction }),
  };
}

function present(request: SchemeRequest, hosts: ReadonlySet<string>): Presented {
  checkHost(request, hosts);
  const message = readMessage(readOnce(request, FIELD.signature));
  const [created, nonce] = [readOnce(request, FIELD.created), readOnce(request, FIELD.nonce)];
  if (!CREATED.test(created)) throw invalid(`${FIELD.created} is not whole seconds.`);
  if (!NONCE.test(nonce)) throw invalid(`${FIELD.nonce} is not 22 to 64 characters of base64url.`);
  if (message.chain.length === 0)
    throw new Refusal('KEY_UNKNOWN', { detail: "The detached signature must bring the signer's certificate (openssl: without -nocerts)." });
  const lines = linesOfRequest(request, created, nonce);
  const block = blockOf(FIRST.request, lines);
  const { body } = request;
  const { attributes, algorithm, chain, signature } = message;
  const digest = contentDigestOf(sha256(body));
  return {
    key: { by: 'certificate', chain },
    algorithm,
    createdAtSeconds: Number(created),
    nonce,
    ...signedBytes(message, Buffer.concat([Buffer.from(block, 'latin1'), body])),
    record: `${block}${digest}${attributes ? `\nsigned-attributes: ${attributes.signed.toString('base64')}` : ''}`,
    lines: (): SignedLine[] => [
      ...lines.map(([name, value]) => ({ name, bytes: Buffer.from(`${name}: ${value}`, 'latin1') })),
      { name: 'body', bytes: body, isBody: true },
    ],
    signature,
  };
}

/** A detached signature over status, nonce and id of the request, type and body: bound to the request like our own. */
async function signAnswer({
  status,
  contentType,
  body,
  nowMs,
  answerAlgorithm,
  requestId,
  nonce,
  findSigner,
}: SchemeAnswer): Promise<string[]> {
  const found = (answerAlgorithm.startsWith('rsa-') && findSigner('rsa-v1_5-sha256')) || findSigner('ecdsa-p256-sha256');
  // Better only our own signature, which is on every answer, than no answer.
  if (!found) return [];
  const created = String(Math.floor(nowMs / 1000));
  const block = blockOf(FIRST.answer, [
    ['status', String(status)],
    ['request-id', requestId],
    ['request-nonce', nonce.slice(nonceOf('cms', '').length)],
    ['created', created],
    ['content-type', contentType],
  ]);
  const message = await signCms(Buffer.concat([Buffer.from(block, 'latin1'), body]), found.der, found.signer, nowMs);
  return ['X-CMS-Created', created, 'X-CMS-Signature', message.toString('base64')];
}

export const CMS: Scheme = {
  name: 'cms',
  algorithms: ['rsa-v1_5-sha256', 'ecdsa-p256-sha256'],
  coversHeaders: true,
  coversMerchant: true,
  bound: { header: FIELD.signature },
  isPresent: ({ rawHeaders }) => findHeader(rawHeaders, FIELD.signature) !== undefined,
  present,
  signAnswer,
};
