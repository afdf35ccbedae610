import type { Clock } from '../lib/clock.ts';
import type { Core } from '../ports/core.ts';
import type { ResolveInputs } from '../ports/journal.ts';
import { Refusal } from '../protocol/errors.ts';
import type { CoreAnswer, Forwarded, Journalled } from '../protocol/messages.ts';
import type { Operation } from '../protocol/operation.ts';
import { ASSERTION_MS_MAX, type AssertionKey, expiryOf } from './assertion.ts';
import { classify } from './outcome.ts';
import { forwardCall, questionCall } from './requests.ts';
import { classifyResolution, type Resolution } from './resolution.ts';

/** Operations that the gateway answers itself, by id. */
export type LocalOperations = Readonly<Record<string, (journalled: Journalled) => CoreAnswer>>;

export type ForwardOptions = {
  readonly core: Core;
  readonly assertionKey: AssertionKey;
  readonly clock: Clock;
  readonly local: LocalOperations;
  /** From the present snapshot; internal operations too. */
  readonly findOperation: (id: string) => Operation | undefined;
};

export type Forward = {
  /**
   * Sends an admitted request once and reads its outcome. Throws a Refusal CORE_UNAVAILABLE only when it is proven that
   * no byte was sent; everything else that goes wrong is an unknown outcome.
   */
  readonly forward: (journalled: Journalled) => Promise<Forwarded>;
  /**
   * Asks the core what became of a claim. `sentAfterExpiry`: the caller found, before it asked, that every admission of the
   * key had expired, the clocks' difference allowed for. Never rejects for anything the core does.
   */
  readonly ask: (inputs: ResolveInputs, merchantNumber: string, sentAfterExpiry: boolean) => Promise<Resolution>;
};

export function createForward(options: ForwardOptions): Forward {
  const { core, clock, assertionKey, findOperation } = options;

  const forward = async (journalled: Journalled): Promise<Forwarded> => {
    const { operation } = journalled;
    if (operation.answeredBy === 'gateway')
      return { ...journalled, outcome: 'succeeded', understood: true, answer: answerHere(options.local, journalled) };
    const nowMs = clock.nowMs();
    const expiresAtMs = journalled.claim?.expiresAtMs ?? nowMs + ASSERTION_MS_MAX;
    // The core would refuse it, so sending could only turn "not executed" into "unknown".
    if (expiryOf(expiresAtMs) <= nowMs) throw unavailable('the admission expired before it could be sent');
    const reply = await core.call(forwardCall(assertionKey, journalled, nowMs, expiresAtMs));
    if (reply.kind === 'notSent') throw unavailable(reply.reason);
    const { value, pathParameters, merchant } = journalled;
    return { ...journalled, ...classify(operation, { value, pathParameters, merchantNumber: merchant.number }, reply) };
  };

  const ask: Forward['ask'] = async (inputs, merchantNumber, sentAfterExpiry) => {
    const original = findOperation(inputs.operationId);
    const rule = original?.resolve;
    const query = rule && findOperation(rule.operationId);
    if (!original || !rule || !query)
      return { outcome: 'unknown', reason: `${inputs.operationId}: the configuration no longer says how to ask about it` };
    const call = questionCall(assertionKey, query, inputs, merchantNumber, clock.nowMs());
    if (!call) return { outcome: 'unknown', reason: `${query.path}: the claim does not hold its parameters` };
    return classifyResolution({ rule, query, original, inputs, sentAfterExpiry }, await core.call(call));
  };

  return { forward, ask };
}

const unavailable = (cause: string): Refusal => new Refusal('CORE_UNAVAILABLE', { cause, retryAfterSeconds: 1 });

function answerHere(local: LocalOperations, journalled: Journalled): CoreAnswer {
  const { id } = journalled.operation;
  const answer = Object.hasOwn(local, id) ? local[id] : undefined;
  if (!answer) throw new TypeError(`no local operation ${id}`);
  return answer(journalled);
}
