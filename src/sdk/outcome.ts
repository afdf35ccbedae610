import { HEADER } from '../protocol/headers.ts';
import { findFieldValue } from '../protocol/signature-base.ts';
import { type Answer, type CallOutcome, RETRIES, type ReceivedAnswer, type Retry } from './answer.ts';
import type { OpenedValue } from './open-answer.ts';
import type { Verdict } from './verify-answer.ts';

/** The members of a problem document or of a core's business failure that decide what to do. All untyped: they come from outside. */
type Told = { readonly code?: unknown; readonly outcome?: unknown; readonly retry?: unknown };

/** What a verified and accepted answer means. */
type Meaning = { readonly outcome: CallOutcome; readonly retry?: Retry };

const NOT_ACCEPTED = 'the gateway did not accept our signature (Hufu-Verified: ?0): this is never a business result';

function parseJson(contentType: string, body: Buffer): unknown {
  if (!/^application\/([a-z.-]+\+)?json\s*(;|$)/i.test(contentType)) return undefined;
  try {
    return JSON.parse(body.toString('utf8'));
  } catch {
    return undefined;
  }
}

const readRetry = (value: unknown): Retry | undefined => RETRIES.find((retry) => retry === value);

/** A refusal of the gateway says itself what became of the key; 5xx is unknown whatever it says. */
function meaningOfProblem(status: number, told: Told): Meaning {
  const retry = readRetry(told.retry);
  const isFinal = status < 500 && (told.outcome === 'failed' || told.outcome === 'not_executed');
  return { outcome: isFinal ? 'failed' : 'unknown', ...(retry && { retry }) };
}

/**
 * 202 and everything outside 2xx and 4xx is not final. A 4xx that is no problem document is a business failure of the core, which the
 * gateway passes on only when it is definite for its key: a new key is allowed.
 */
function meaningOfResult(status: number, hasKey: boolean): Meaning {
  if (status >= 200 && status < 300 && status !== 202) return { outcome: 'succeeded' };
  if (status >= 400 && status < 500) return { outcome: 'failed', ...(hasKey && { retry: 'new_key' }) };
  return { outcome: 'unknown', retry: 'query_first' };
}

/** What the gateway says became of the key (decision 0007): a status cannot tell what is still under way from what is done. */
const TOLD: Readonly<Record<string, Meaning>> = {
  succeeded: { outcome: 'succeeded' },
  failed: { outcome: 'failed', retry: 'new_key' },
  pending: { outcome: 'unknown', retry: 'query_first' },
};

/** A word that is not in the contract is not final. */
const meaningOfTold = (told: string): Meaning => (Object.hasOwn(TOLD, told) ? TOLD[told] : TOLD.pending) as Meaning;

function headersOf(rawHeaders: readonly string[]): Record<string, string> {
  const names = rawHeaders.filter((_, i) => i % 2 === 0).map((name) => name.toLowerCase());
  return Object.fromEntries(names.map((name) => [name, findFieldValue(rawHeaders, name) as string]));
}

/** Opens what is encrypted in the body of a verified and accepted answer. */
export type OpenBody = (body: Buffer, isJose: boolean) => OpenedValue;

/** Makes an Answer of what came and what was proved. Nothing inside an unverified answer is believed: its outcome is unknown. */
export function answerOf(received: ReceivedAnswer, verdict: Verdict, hasKey: boolean, open?: OpenBody): Answer {
  const { status, rawHeaders, body } = received;
  const common = { status, headers: headersOf(rawHeaders), body, sent: true };
  if (!verdict.verified) {
    const { why } = verdict;
    return { ...common, verified: false, accepted: false, why, outcome: 'unknown', retry: 'query_first', value: undefined };
  }
  const contentType = findFieldValue(rawHeaders, HEADER.contentType) ?? '';
  const isJose = /^application\/jose\s*(;|$)/i.test(contentType);
  const opened = verdict.accepted ? open?.(body, isJose) : undefined;
  const value = opened && opened.value !== undefined ? opened.value : parseJson(contentType, body);
  const told = (typeof value === 'object' && value !== null ? value : {}) as Told;
  const requestId = findFieldValue(rawHeaders, HEADER.hufuRequestId);
  const facts = {
    ...common,
    verified: true,
    value,
    ...(opened && opened.closed.length > 0 && { closed: opened.closed }),
    ...(requestId && { requestId }),
    ...(typeof told.code === 'string' && { code: told.code }),
  };
  if (!verdict.accepted) return { ...facts, accepted: false, why: NOT_ACCEPTED, outcome: 'unknown', ...retryWithoutNewKey(told) };
  const isProblem = /^application\/problem\+json\s*(;|$)/i.test(contentType);
  const ofKey = findFieldValue(rawHeaders, HEADER.hufuOutcome);
  if (ofKey !== undefined) return { ...facts, accepted: true, ...meaningOfTold(ofKey) };
  return { ...facts, accepted: true, ...(isProblem ? meaningOfProblem(status, told) : meaningOfResult(status, hasKey)) };
}

/** An answer to a request whose signature the gateway did not verify can never free the key. */
function retryWithoutNewKey(told: Told): { readonly retry?: Retry } {
  const retry = readRetry(told.retry);
  return retry && retry !== 'new_key' ? { retry } : {};
}

/** No answer came. The request may have arrived whenever it may have been sent. */
export function answerOfSilence(why: string, sent: boolean): Answer {
  const body = Buffer.alloc(0);
  return {
    status: 0,
    verified: false,
    accepted: false,
    why,
    outcome: 'unknown',
    retry: 'same_key_later',
    sent,
    headers: {},
    body,
    value: undefined,
  };
}
