import type { IncomingMessage } from 'node:http';
import { Refusal } from '../protocol/errors.ts';
import { allHeaders, HEADER } from '../protocol/headers.ts';

/** Headers that may stand once: gateway and core must never choose different ones (RFC 9112 section 11.2). */
const SINGLE = [
  'host',
  'content-length',
  'transfer-encoding',
  'content-encoding',
  'expect',
  'authorization',
  'range',
  HEADER.contentType,
  HEADER.contentDigest,
  HEADER.merchantNumber,
  HEADER.idempotencyKey,
  HEADER.traceparent,
];
const METHODS = new Set(['GET', 'POST', 'PUT', 'PATCH', 'DELETE']);
/** Origin form (RFC 9112 section 3.2.1) of visible ASCII without fragment, backslash, quotes or spaces. */
const ORIGIN_FORM = /^\/[!$%&()*+,\-./0-9:;=?@A-Z_a-z~[\]']*$/;
/** reg-name, IPv4 or bracketed IPv6, with an optional port; no userinfo, no list (RFC 9110 section 7.2). */
const HOST = /^(?:[A-Za-z0-9](?:[A-Za-z0-9.-]{0,252})|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?$/;
const TARGET_BYTES_MAX = 2_048;
/** Fields, not bytes: looking one up costs their number. */
const HEADERS_MAX = 100;

const refuse = (detail: string): never => {
  throw new Refusal('HTTP_INVALID', { detail, closes: true });
};

/** Refuses what has more than one reading (Node's parser alone lets it through), and bodies that are too large before they are read. */
export function checkBounds(request: IncomingMessage, bodyBytesMax: number): void {
  const { rawHeaders, method = '', url = '', httpVersion } = request;
  if (httpVersion !== '1.1') refuse('Only HTTP/1.1 is spoken here.');
  if (!METHODS.has(method)) refuse('This method is not supported.');
  if (url.length > TARGET_BYTES_MAX || !ORIGIN_FORM.test(url)) refuse('The target must be an absolute path with an optional query.');
  if (rawHeaders.length > 2 * HEADERS_MAX) refuse(`More than ${HEADERS_MAX} header fields are not accepted.`);
  for (const name of SINGLE) if (allHeaders(rawHeaders, name).length > 1) refuse(`The header ${name} may be sent once.`);
  checkNames(rawHeaders);
  const host = allHeaders(rawHeaders, 'host');
  if (host.length !== 1 || !HOST.test(host[0] as string)) refuse('Exactly one Host with a plain name is required.');
  checkFraming(rawHeaders, bodyBytesMax);
  if (allHeaders(rawHeaders, 'upgrade').length > 0) refuse('No other protocol is spoken here.');
  const [expected] = allHeaders(rawHeaders, 'expect');
  if (expected !== undefined && expected.toLowerCase() !== CONTINUE) refuse('The only expectation that is met is 100-continue.');
}

const CONTINUE = '100-continue';

/** Whether the sender waits for our word before it sends the body (RFC 9110 section 10.1.1). */
export const mayContinue = ({ rawHeaders }: IncomingMessage): boolean => allHeaders(rawHeaders, 'expect').length > 0;

/** Fields behind a chunked body would be headers that no signature and no check has seen. */
export function checkTrailers({ rawTrailers }: IncomingMessage): void {
  if (rawTrailers.length > 0) refuse('Trailers are not accepted.');
}

/** An underscore twin of one of our headers is another header to us and the same to many a server behind us. */
function checkNames(rawHeaders: readonly string[]): void {
  for (let i = 0; i < rawHeaders.length; i += 2) {
    if ((rawHeaders[i] as string).includes('_')) refuse('Header names with an underscore are not accepted.');
  }
}

function checkFraming(rawHeaders: readonly string[], bodyBytesMax: number): void {
  const [coding] = allHeaders(rawHeaders, 'transfer-encoding');
  const [length] = allHeaders(rawHeaders, 'content-length');
  if (coding !== undefined && coding.toLowerCase() !== 'chunked') refuse('The only transfer coding is chunked.');
  if (coding !== undefined && length !== undefined) refuse('Content-Length and Transfer-Encoding exclude each other.');
  if (allHeaders(rawHeaders, 'trailer').length > 0) refuse('Trailers are not accepted.');
  if (length !== undefined && Number(length) > bodyBytesMax) throw tooLarge(bodyBytesMax);
}

/** The rest of the body is not read, so the connection cannot be used again. */
export const tooLarge = (bodyBytesMax: number): Refusal => new Refusal('BODY_TOO_LARGE', { members: { bodyBytesMax }, closes: true });
