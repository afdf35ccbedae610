import { findAt } from '../lib/json-pointer.ts';
import type { CoreReply } from '../ports/core.ts';
import type { CoreAnswer } from '../protocol/messages.ts';
import type { Operation } from '../protocol/operation.ts';
import type { OutcomeKind } from '../protocol/outcome.ts';
import { findDifference, matches, type Repeated, readAnswer } from './answer.ts';

/** What was asked, as far as an answer must repeat it. */
export type Asked = {
  readonly value: unknown;
  readonly pathParameters: Readonly<Record<string, string>>;
  readonly merchantNumber: string;
};

/** What an answer of the core means. */
export type Classified = {
  readonly outcome: OutcomeKind;
  /** Present unless the outcome is unknown. */
  readonly answer?: CoreAnswer;
  /** For our log: why the outcome is unknown. Repeats nothing of the answer but places and numbers. */
  readonly reason?: string;
  /** Somebody must look: the core contradicts what was asked. */
  readonly alarm?: string;
  /** False when the core answered something that cannot be understood; true for every other outcome. */
  readonly understood: boolean;
};

/**
 * Reads the outcome off a core's answer (contract.md section 6): the first rule that matches decides. No answer, 5xx,
 * anything that is not strict JSON of the documented schema, no matching rule, or a value that differs from what was
 * asked: unknown. An operation without a claim has nothing to settle: whatever fits its schema is passed on.
 */
export function classify(operation: Operation, asked: Asked, reply: Exclude<CoreReply, { kind: 'notSent' }>): Classified {
  const read = readAnswer(operation, reply);
  if (read.kind === 'unreadable') return { outcome: 'unknown', understood: !read.answered, reason: read.reason };
  const { answer, value } = read;
  const means = operation.outcome.rules.find((rule) => matches(rule, answer.status, value))?.means ?? 'unknown';
  const place = findDifference(repeatedOf(operation, asked), means === 'succeeded', (pointer) => findAt(value, pointer));
  if (place !== undefined) {
    const alarm = `the core's answer ${answer.status} to ${operation.id} does not repeat at ${place} what was asked`;
    return { outcome: 'unknown', understood: false, reason: alarm, alarm };
  }
  if (operation.idempotency === 'none') return { outcome: 'succeeded', understood: true, answer };
  if (means !== 'unknown') return { outcome: means, understood: true, answer };
  return { outcome: 'unknown', understood: false, reason: `no outcome rule matches the core's answer ${answer.status}` };
}

/** The values an answer must repeat. A body pointer that finds nothing asks for nothing. */
export function repeatedOf(operation: Operation, asked: Asked): Repeated[] {
  return operation.outcome.repeat.flatMap(({ request, answer }) => {
    const value = askedAt(request, asked);
    return value === undefined ? [] : [{ pointer: answer, value }];
  });
}

function askedAt(request: string, asked: Asked): unknown {
  if (request === 'merchantNumber') return asked.merchantNumber;
  if (request.startsWith('path:')) return asked.pathParameters[request.slice('path:'.length)];
  return findAt(asked.value, request);
}
