import { parseStrictJson } from '../lib/json.ts';
import { findAt } from '../lib/json-pointer.ts';
import type { CoreReply } from '../ports/core.ts';
import type { CoreAnswer } from '../protocol/messages.ts';
import type { Operation, OutcomeRule } from '../protocol/operation.ts';

/** A complete answer of the core, read and checked against the operation's document. */
export type ReadAnswer = { readonly kind: 'read'; readonly answer: CoreAnswer; readonly value: unknown };

/** Why an answer says nothing about the outcome. `answered`: the core spoke, but not in a way that can be understood. */
export type Unreadable = { readonly kind: 'unreadable'; readonly reason: string; readonly answered: boolean };

const JSON_TYPE = /^application\/(?:json|[a-z0-9.+-]+\+json)(?:[ \t]*;[ \t]*charset="?utf-8"?)?$/i;

/** Reads an answer as far as any outcome can be read off it: a status below 300 or 4xx, strict JSON, the schema of its status. */
export function readAnswer(operation: Pick<Operation, 'checkAnswer'>, reply: CoreReply): ReadAnswer | Unreadable {
  if (reply.kind !== 'answered') return { kind: 'unreadable', reason: reply.reason, answered: false };
  const { answer } = reply;
  const { status, body } = answer;
  if (status >= 500) return { kind: 'unreadable', reason: `the core answered ${status}`, answered: false };
  const bad = (reason: string): Unreadable => ({ kind: 'unreadable', reason: `the core's answer ${status} ${reason}`, answered: true });
  if (status >= 300 && status < 400) return bad('is a redirect');
  if (body.length > 0 && !JSON_TYPE.test(answer.contentType)) return bad('is not JSON by its media type');
  let value: unknown;
  try {
    value = body.length > 0 ? parseStrictJson(body) : undefined;
  } catch (error) {
    return bad(`is not strict JSON: ${(error as Error).message}`);
  }
  const [problem] = operation.checkAnswer(status, value);
  if (problem) return bad(`does not fit its schema: ${problem.pointer} ${problem.message}`);
  return { kind: 'read', answer, value };
}

/** Whether a rule speaks of this answer: its status, and where it names a place, one of its values (any value when it names none). */
export function matches(rule: Omit<OutcomeRule, 'means'>, status: number, value: unknown): boolean {
  if (!rule.status.includes(status)) return false;
  if (rule.pointer === undefined) return true;
  const found = findAt(value, rule.pointer);
  return rule.values === undefined ? found !== undefined : rule.values.some((candidate) => candidate === found);
}

/** A value that an answer must repeat, by pointer into the answer. */
export type Repeated = { readonly pointer: string; readonly value: unknown };

/**
 * Names the first place where an answer contradicts what was asked; undefined when it does not. A success must repeat
 * every value; any other answer must not show another one, since then it is the answer to something else.
 * `look` finds a place in the answer.
 */
export function findDifference(repeated: readonly Repeated[], isSuccess: boolean, look: (pointer: string) => unknown): string | undefined {
  return repeated.find(({ pointer, value }) => {
    const found = look(pointer);
    return found === undefined ? isSuccess : found !== value;
  })?.pointer;
}
