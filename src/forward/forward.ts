import type { Clock } from '../lib/clock.ts';
import type { Core } from '../ports/core.ts';
import type { ResolveInputs } from '../ports/journal.ts';
import { Refusal } from '../protocol/errors.ts';
import type { CoreAnswer, Forwarded, Journalled, Known, Opened } from '../protocol/messages.ts';
import type { Operation } from '../protocol/operation.ts';
import { ASSERTION_MS_MAX, type AssertionKey, expiryOf } from './assertion.ts';
import { type Asked, type Classified, classify } from './outcome.ts';
import { forwardCall, questionCall } from './requests.ts';
import { classifyResolution, type Resolution } from './resolution.ts';

/** Operations that the gateway answers itself, by id. */
export type LocalOperations = Readonly<Record<string, (journalled: Journalled) => CoreAnswer | Promise<CoreAnswer>>>;

export type ForwardOptions = {
  readonly core: Core;
  /** The key that signs assertions at a moment, ms since 1970. */
  readonly assertionKeyAt: (nowMs: number) => AssertionKey;
  readonly clock: Clock;
  readonly local: LocalOperations;
  /** From the present snapshot; internal operations too. */
  readonly findOperation: (id: string) => Operation | undefined;
};

/**
 * What sending a key once more led to. `replayed`: the core gave its answer again. `refused`: it gave no answer, or one that
 * cannot be the first one's repetition; `alarm` when somebody must look.
 */
export type Repeated =
  | { readonly kind: 'notSent' }
  | { readonly kind: 'replayed'; readonly answer: CoreAnswer }
  | { readonly kind: 'refused'; readonly alarm?: string };

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
  /**
   * Sends a retry's bytes once more under the derived key of a claim whose execution is proven and settled, with an assertion of
   * its own, to get the answer that was lost. Never rejects for anything the core does.
   */
  readonly repeat: (known: Known, derivedKey: string) => Promise<Repeated>;
};

export function createForward(options: ForwardOptions): Forward {
  const { core, clock, assertionKeyAt, findOperation } = options;

  const forward = async (journalled: Journalled): Promise<Forwarded> => {
    const { operation } = journalled;
    if (operation.answeredBy === 'gateway')
      return { ...journalled, outcome: 'succeeded', understood: true, answer: await answerHere(options.local, journalled) };
    const nowMs = clock.nowMs();
    const expiresAtMs = journalled.claim?.expiresAtMs ?? nowMs + ASSERTION_MS_MAX;
    // The core would refuse it, so sending could only turn "not executed" into "unknown".
    if (expiryOf(expiresAtMs) <= nowMs) throw unavailable('the admission expired before it could be sent');
    const { claim } = journalled;
    const permission = { issuedAtMs: nowMs, expiresAtMs, ...(claim && { derivedKey: claim.derivedKey, claim: claim.keyHash }) };
    const reply = await core.call(forwardCall(assertionKeyAt(nowMs), journalled, permission));
    if (reply.kind === 'notSent') throw unavailable(reply.reason);
    return { ...journalled, ...classify(operation, askedOf(journalled), reply) };
  };

  const ask: Forward['ask'] = async (inputs, merchantNumber, sentAfterExpiry) => {
    const original = findOperation(inputs.operationId);
    const rule = original?.resolve;
    const query = rule && findOperation(rule.operationId);
    if (!original || !rule || !query)
      return { outcome: 'unknown', reason: `${inputs.operationId}: the configuration no longer says how to ask about it` };
    const nowMs = clock.nowMs();
    const call = questionCall(assertionKeyAt(nowMs), query, inputs, merchantNumber, nowMs);
    if (!call) return { outcome: 'unknown', reason: `${query.path}: the claim does not hold its parameters` };
    return classifyResolution({ rule, query, original, inputs, sentAfterExpiry }, await core.call(call));
  };

  const repeat: Forward['repeat'] = async (known, derivedKey) => {
    const issuedAtMs = clock.nowMs();
    const permission = { derivedKey, issuedAtMs, expiresAtMs: issuedAtMs + ASSERTION_MS_MAX };
    const reply = await core.call(forwardCall(assertionKeyAt(issuedAtMs), known, permission));
    if (reply.kind === 'notSent') return { kind: 'notSent' };
    return repeatedOf(known.operation, classify(known.operation, askedOf(known), reply), reply.kind === 'answered' && reply.replayed);
  };

  return { forward, ask, repeat };
}

const askedOf = ({ value, pathParameters, merchant }: Opened): Asked => ({ value, pathParameters, merchantNumber: merchant.number });

/** Only a success that the core itself calls a repetition is one: a fresh one would be a second execution. */
function repeatedOf({ id }: Operation, { outcome, answer, understood, alarm, reason }: Classified, isReplayed: boolean): Repeated {
  if (answer && outcome === 'succeeded' && isReplayed) return { kind: 'replayed', answer };
  if (answer && outcome === 'succeeded')
    return { kind: 'refused', alarm: `the core does not call its answer to a repeated ${id} a repetition: it may have run twice` };
  if (answer) return { kind: 'refused', alarm: `the core says ${outcome} to a repeated ${id} that it had told as succeeded` };
  return { kind: 'refused', ...(understood ? {} : { alarm: alarm ?? `a repeated ${id}: ${reason}` }) };
}

const unavailable = (cause: string): Refusal => new Refusal('CORE_UNAVAILABLE', { cause, retryAfterSeconds: 1 });

function answerHere(local: LocalOperations, journalled: Journalled): CoreAnswer | Promise<CoreAnswer> {
  const { id } = journalled.operation;
  const answer = Object.hasOwn(local, id) ? local[id] : undefined;
  if (!answer) throw new TypeError(`no local operation ${id}`);
  return answer(journalled);
}
