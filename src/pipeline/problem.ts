import { errorRow, Refusal } from '../protocol/errors.ts';
import { HEADER } from '../protocol/headers.ts';
import type { Reply } from '../protocol/messages.ts';

const CONTENT_TYPE = 'application/problem+json';

/** Anything that was thrown as a Refusal: what is not one is a fault of ours, told as INTERNAL and nothing more. */
export function refusalFrom(error: unknown): Refusal {
  return error instanceof Refusal ? error : new Refusal('INTERNAL', { cause: error });
}

/** The problem document (RFC 9457) of a refusal. Public text comes from the table of errors and from the refusal's public members only. */
export function problemReply(refusal: Refusal, requestId: string): Reply {
  const row = errorRow(refusal.code);
  const { detail, members, outcome, retry, retryAfterSeconds, headers, closes } = refusal.options;
  const document = {
    type: `urn:hufu:problem:${refusal.code}`,
    title: row.title,
    status: row.status,
    code: refusal.code,
    detail: detail ?? row.detail,
    outcome: outcome ?? row.outcome,
    retry: retry ?? row.retry,
    requestId,
    ...members,
  };
  return {
    status: row.status,
    contentType: CONTENT_TYPE,
    body: Buffer.from(JSON.stringify(document)),
    headers: [...(headers ?? []), ...(retryAfterSeconds === undefined ? [] : [HEADER.retryAfter, String(retryAfterSeconds)])],
    connection: closes ? 'close' : 'keep',
  };
}
