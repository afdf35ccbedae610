import { type FindDecryptionKey, type OpenedBody, openBody, type SealedRequest } from '../encryption/open-request.ts';
import { checkAnswerKey } from '../encryption/seal-answer.ts';
import { JsonProblem } from '../lib/json.ts';
import { findAt } from '../lib/json-pointer.ts';
import { Refusal } from '../protocol/errors.ts';
import { allHeaders, HEADER } from '../protocol/headers.ts';
import type { Opened, Verified } from '../protocol/messages.ts';
import type { Problem } from '../protocol/operation.ts';
import { schemeOf } from '../signature/schemes.ts';
import { decideAccess } from './access.ts';
import { signedIdempotencyKey } from './signed-key.ts';

/** At most this many problems are told at once. */
const PROBLEMS_MAX = 10;
/** RFC 9110 section 8.3.1: parameters are case-insensitive; JSON is UTF-8 (RFC 8259 section 8.1). */
const JSON_TYPE = /^application\/json(?:[ \t]*;[ \t]*charset="?utf-8"?)?$/i;
/** RFC 7515 section 9.2.1: a JWE in compact serialisation. */
const JOSE_TYPE = /^application\/jose$/i;
/** The grammar of contract.md section 5. */
const IDEMPOTENCY_KEY = /^[A-Za-z0-9._:-]{1,255}$/;

function checkSchema(problems: readonly Problem[]): void {
  if (problems.length > 0) throw new Refusal('SCHEMA_INVALID', { members: { problems: problems.slice(0, PROBLEMS_MAX) } });
}

async function readBody(request: SealedRequest & Verified, findKey: FindDecryptionKey): Promise<OpenedBody> {
  const { rawHeaders, content } = request;
  const types = allHeaders(rawHeaders, HEADER.contentType);
  const isJose = content === undefined && types.length === 1 && JOSE_TYPE.test(types[0] as string);
  // A signed form was read by its scheme already.
  if (content === undefined && !isJose && (types.length !== 1 || !JSON_TYPE.test(types[0] as string)))
    throw new Refusal('MEDIA_TYPE_UNSUPPORTED');
  if (allHeaders(rawHeaders, 'content-encoding').length > 0) throw new Refusal('MEDIA_TYPE_UNSUPPORTED');
  try {
    return await openBody(content ? { ...request, body: content } : request, isJose, findKey);
  } catch (error) {
    if (!(error instanceof JsonProblem)) throw error;
    throw new Refusal('BODY_INVALID', { detail: `${error.reason} at byte ${error.offset}.` });
  }
}

/** Query parameters as name and value. Percent-encoding is decoded once; what does not decode is refused. */
function readQuery(target: string): [string, string][] {
  const mark = target.indexOf('?');
  if (mark === -1) return [];
  return target
    .slice(mark + 1)
    .split('&')
    .map((pair): [string, string] => {
      const [name = '', ...value] = pair.split('=');
      try {
        return [decodeURIComponent(name), decodeURIComponent(value.join('='))];
      } catch {
        throw new Refusal('SCHEMA_INVALID', { detail: 'A query parameter is not well-formed percent-encoding.' });
      }
    });
}

function readIdempotencyKey({ operation, scheme, rawHeaders }: Verified): string | undefined {
  const keys = allHeaders(rawHeaders, HEADER.idempotencyKey);
  if (operation.idempotency === 'none' || !schemeOf(scheme).coversHeaders) return undefined;
  if (keys.length !== 1 || !IDEMPOTENCY_KEY.test(keys[0] as string)) throw new Refusal('IDEMPOTENCY_KEY_REQUIRED');
  return keys[0];
}

/** Certificate, signing key, header and every configured field of the body name one merchant. */
function checkMerchantFields({ operation, merchant }: Verified, value: unknown): void {
  for (const pointer of operation.merchant) {
    const named = findAt(value, pointer);
    if (named !== undefined && named !== merchant.number) {
      throw new Refusal('MERCHANT_MISMATCH', { detail: `The body names another merchant at ${pointer}.` });
    }
  }
}

export type OpenOptions = { readonly findKey: FindDecryptionKey; readonly nowMs: () => number };

const NOTHING: OpenedBody = { body: Buffer.alloc(0), value: undefined };

/**
 * Reads a verified body in its only possible way: what is encrypted is opened first, and everything after it sees the opened value.
 * Clear bytes go on as they were signed (of a form its JSON), not as they were parsed.
 */
export function createOpen({ findKey, nowMs }: OpenOptions): (verified: Verified) => Promise<Opened> {
  return async (verified) => {
    const { operation, target, pathParameters } = verified;
    const sentKey = readIdempotencyKey(verified);
    const mark = sentKey ?? verified.nonce;
    const read = operation.hasBody ? await readBody({ ...verified, mark }, findKey) : NOTHING;
    const { value } = read;
    checkSchema([
      ...operation.checkParameters(pathParameters, readQuery(target)),
      ...(operation.hasBody ? operation.checkBody(value) : []),
    ]);
    checkMerchantFields(verified, value);
    const idempotencyKey = sentKey ?? signedIdempotencyKey(verified, value);
    const amountFen = operation.amount === undefined ? undefined : findAt(value, operation.amount);
    const currency = operation.currency === undefined ? undefined : findAt(value, operation.currency);
    const opened = {
      ...verified,
      ...read,
      mark,
      ...(typeof amountFen === 'number' ? { amountFen } : {}),
      ...(typeof currency === 'string' ? { currency } : {}),
      ...(idempotencyKey === undefined ? {} : { idempotencyKey }),
    };
    checkAnswerKey(opened, nowMs());
    return { ...opened, access: decideAccess(opened) };
  };
}
