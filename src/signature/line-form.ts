import { randomBytes } from 'node:crypto';
import { sha256 } from '../lib/bytes.ts';
import { contentDigestOf } from '../protocol/content-digest.ts';
import { Refusal } from '../protocol/errors.ts';
import { allHeaders } from '../protocol/headers.ts';
import type { Presented } from './presented.ts';
import type { AnswerSigner, SchemeAnswer } from './scheme.ts';

/** What the schemes share that sign lines: `Authorization: TYPE PARAMETERS` over some lines and then the body, each behind a line feed. */

const LINE_FEED = Buffer.from('\n');

/** The parameters of the one Authorization header. Throws SIGNATURE_INVALID for another type, or when it is sent twice. */
export function readAuthorization(rawHeaders: readonly string[], type: string): string {
  const [value, ...more] = allHeaders(rawHeaders, 'authorization');
  if (value === undefined || more.length > 0) throw new Refusal('SIGNATURE_INVALID', { detail: 'Authorization must be sent once.' });
  if (!value.startsWith(`${type} `))
    throw new Refusal('SIGNATURE_INVALID', { detail: `Of this scheme's signatures only ${type} is accepted.` });
  return value.slice(type.length + 1);
}

/** What was signed: lines (latin1, without line feeds) and then the body. Nothing follows the body, so that it has one reading. */
export function linesAndBody(
  lines: readonly (readonly [name: string, text: string])[],
  body: Buffer,
): Pick<Presented, 'signed' | 'record' | 'lines'> {
  const head = lines.map(([, text]) => `${text}\n`).join('');
  return {
    signed: Buffer.concat([Buffer.from(head, 'latin1'), body, LINE_FEED]),
    record: `${head}${contentDigestOf(sha256(body))}\n`,
    lines: () => [
      ...lines.map(([name, text]) => ({ name, bytes: Buffer.from(text, 'latin1') })),
      { name: 'body', bytes: body, isBody: true },
    ],
  };
}

/** An answer in the form both have: time, nonce and body. */
export type SignedLines = { readonly nonce: string; readonly signature: string; readonly by: AnswerSigner };

/**
 * Signs `timestamp\nnonce\nbody\n` with RSA: bound neither to the status nor to the request, which our own signature is. Undefined when no
 * RSA key is current: an answer about money that has only our signature is better than none.
 */
export async function signTimeNonceBody({ body, findSigner }: SchemeAnswer, timestamp: string): Promise<SignedLines | undefined> {
  const by = findSigner('rsa-v1_5-sha256');
  if (!by) return undefined;
  const nonce = randomBytes(16).toString('hex');
  const signature = await by.signer.sign(Buffer.concat([Buffer.from(`${timestamp}\n${nonce}\n`), body, LINE_FEED]));
  return { nonce, signature: signature.toString('base64'), by };
}
