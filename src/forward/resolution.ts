import { findAt } from '../lib/json-pointer.ts';
import type { CoreReply } from '../ports/core.ts';
import type { ResolveInputs } from '../ports/journal.ts';
import type { CoreAnswer } from '../protocol/messages.ts';
import type { Operation, ResolveRule } from '../protocol/operation.ts';
import type { FinalOutcome } from '../protocol/outcome.ts';
import { findDifference, matches, type ReadAnswer, readAnswer } from './answer.ts';

/** What asking the core about a claim found out. `notYet`: not found, but an assertion of the key may still be used. */
export type Resolution = {
  readonly outcome: FinalOutcome | 'pending' | 'notYet' | 'unknown';
  /** The original answer where the query holds it, else the query's own; absent when nothing could be read. */
  readonly answer?: CoreAnswer;
  /** True when `answer` is the original one. */
  readonly isOriginal?: true;
  /** True when `failed` means that the core never began and never will. */
  readonly notFound?: true;
  readonly reason?: string;
  readonly alarm?: string;
};

export type Question = {
  readonly rule: ResolveRule;
  /** The operation that was asked. */
  readonly query: Pick<Operation, 'checkAnswer'>;
  /** The operation the claim is about. */
  readonly original: Pick<Operation, 'id' | 'checkAnswer'>;
  readonly inputs: ResolveInputs;
  /** Whether the question was sent after every admission of the key had expired, clocks allowed for. */
  readonly sentAfterExpiry: boolean;
};

/** Where the answer of a query may hold the original answer, so that a merchant gets the very answer it missed. */
const ORIGINAL = { status: '/httpStatus', body: '/body' } as const;

/**
 * Reads a claim's outcome off the answer to the resolve query. "Not found" is a failure only when the question was sent
 * after expiry and the rule allows it; every doubt stays unknown.
 */
export function classifyResolution({ rule, query, original, inputs, sentAfterExpiry }: Question, reply: CoreReply): Resolution {
  const read = readAnswer(query, reply);
  if (read.kind === 'unreadable') return { outcome: 'unknown', reason: read.reason };
  const { answer, value } = read;
  if ((rule.notFoundRules ?? []).some((candidate) => matches(candidate, answer.status, value)))
    return notFound(rule, answer, sentAfterExpiry);
  const means = rule.rules.find((candidate) => matches(candidate, answer.status, value))?.means ?? 'unknown';
  if (means === 'unknown') return { outcome: 'unknown', reason: `no rule matches the core's answer ${answer.status} to the question` };
  const repeated = Object.entries(inputs.repeat).map(([pointer, expected]) => ({ pointer, value: expected }));
  const look = (pointer: string): unknown => findAt(value, pointer) ?? findAt(value, `${ORIGINAL.body}${pointer}`);
  const place = findDifference(repeated, means === 'succeeded', look);
  if (place !== undefined) {
    const alarm = `the core's answer about request ${inputs.requestId} of ${original.id} does not repeat at ${place} what was asked`;
    return { outcome: 'unknown', reason: alarm, alarm };
  }
  const held = means === 'pending' ? undefined : findOriginal(original, read);
  return held ? { outcome: means, answer: held, isOriginal: true } : { outcome: means, answer };
}

function notFound(rule: ResolveRule, answer: CoreAnswer, sentAfterExpiry: boolean): Resolution {
  if (rule.notFound === 'never') return { outcome: 'unknown', reason: 'the core does not know the request, which decides nothing' };
  return sentAfterExpiry ? { outcome: 'failed', answer, notFound: true } : { outcome: 'notYet', reason: 'not found, before expiry' };
}

/** The original answer when the query holds one that fits its own document. Strict JSON reads back as it was written. */
function findOriginal(original: Pick<Operation, 'checkAnswer'>, { value }: ReadAnswer): CoreAnswer | undefined {
  const status = findAt(value, ORIGINAL.status);
  const body = findAt(value, ORIGINAL.body);
  if (typeof status !== 'number' || body === undefined || original.checkAnswer(status, body).length > 0) return undefined;
  return { status, contentType: 'application/json', body: Buffer.from(JSON.stringify(body)) };
}
