import { UserError } from '../lib/user-error.ts';
import type { CallRequest, WireRequest } from './answer.ts';
import { OWN_HEADERS } from './sign-request.ts';

const METHOD = /^[A-Z]{1,16}$/;
/** Visible ASCII without "#": what the target of a request can hold (RFC 9112 section 3.2.1). */
const PATH = /^\/[!"$-~]*$/;
const HEADER_NAME = /^[a-z0-9-]{1,64}$/i;
const HEADER_VALUE = /^[\x20-\x7e]*$/;
const IDEMPOTENCY_KEY = /^[A-Za-z0-9._:-]{1,255}$/;
const MERCHANT_NUMBER = /^[A-Za-z0-9]{1,32}$/;

function check(holds: boolean, sentence: string): void {
  if (!holds) throw new UserError(sentence);
}

/** Whether a value is text of this form; `test` alone would take a number for its digits. */
const fits = (form: RegExp, value: unknown): boolean => typeof value === 'string' && form.test(value);

/** Bytes and text as they are; any other value as JSON, once: what is signed is what is sent. */
function serialiseBody(body: unknown): Buffer {
  if (body === undefined) return Buffer.alloc(0);
  if (typeof body === 'string') return Buffer.from(body, 'utf8');
  if (body instanceof Uint8Array) return Buffer.from(body);
  const text = findJson(body);
  if (text === undefined) throw new UserError('the body is neither bytes, text nor a value that JSON can hold');
  return Buffer.from(text, 'utf8');
}

function findJson(value: unknown): string | undefined {
  try {
    return JSON.stringify(value);
  } catch {
    return undefined; // a bigint, or a value that holds itself
  }
}

/** The Host header of an `https:` origin: lower case, the port only when it is not 443. */
export function readHost(url: string): string {
  check(URL.canParse(url), `not an address: ${url}`);
  const { protocol, host, pathname, search, hash, username } = new URL(url);
  check(protocol === 'https:', `not an https address: ${url}`);
  check(pathname === '/' && `${search}${hash}${username}` === '', `the address must be only https://host:port, without a path: ${url}`);
  return host;
}

function extraHeaders(headers: Readonly<Record<string, string>>): string[] {
  for (const [name, value] of Object.entries(headers)) {
    check(HEADER_NAME.test(name) && fits(HEADER_VALUE, value), `not a header that can be sent: ${JSON.stringify(name)}`);
    check(!OWN_HEADERS.includes(name.toLowerCase()), `${name} is written by the SDK and cannot be given`);
  }
  return Object.entries(headers).flat();
}

/** Makes the bytes and headers of a request, still without signature. Throws a UserError for what could not be signed faithfully. */
export function createRequestBuilder(url: string, merchantNumber: string | undefined): (request: CallRequest) => WireRequest {
  const host = readHost(url);
  check(merchantNumber === undefined || fits(MERCHANT_NUMBER, merchantNumber), 'merchantNumber is not a merchant number');
  return (request) => {
    check(typeof request === 'object' && request !== null, 'a call needs a request: { method, path, body, idempotencyKey }');
    const { method, path, body: given, idempotencyKey, headers = {} } = request;
    check(fits(METHOD, method), `not a method in capital letters: ${JSON.stringify(method)}`);
    check(fits(PATH, path), 'the path must begin with "/" and hold only visible ASCII without "#"; encode other characters first');
    check(idempotencyKey === undefined || fits(IDEMPOTENCY_KEY, idempotencyKey), 'idempotencyKey: 1 to 255 of A-Z a-z 0-9 . _ : -');
    const body = serialiseBody(given);
    check(body.length === 0 || method !== 'GET', 'a GET has no body');
    const names = Object.keys(headers).map((name) => name.toLowerCase());
    const ours = (name: string, value: string) => (names.includes(name.toLowerCase()) ? [] : [name, value]);
    const rawHeaders = [
      ...['Host', host, ...ours('Accept', 'application/json')],
      ...(body.length > 0 ? ours('Content-Type', 'application/json') : []),
      ...(body.length > 0 || method !== 'GET' ? ['Content-Length', String(body.length)] : []),
      ...(merchantNumber === undefined ? [] : ['Merchant-Number', merchantNumber]),
      ...(idempotencyKey === undefined ? [] : ['Idempotency-Key', idempotencyKey]),
      ...extraHeaders(headers),
    ];
    return { method, target: path, rawHeaders, body };
  };
}
