import { findAt } from '../lib/json-pointer.ts';
import type { ResolveInputs } from '../ports/journal.ts';
import type { AdmitCommand } from '../ports/store.ts';
import type { Claimed, Opened } from '../protocol/messages.ts';
import { type FingerprintKeys, fingerprintsOf } from './fingerprint.ts';
import { derivedKeyOf, keyHashOf } from './key-hash.ts';
import { type Barred, type Steps, stepsOf } from './rules.ts';
import { payerHash } from './scopes.ts';

/** How long a nonce is remembered: twice the time window of signatures and a minute for clocks (contract.md section 3). */
export const NONCE_KEPT_MS = 660_000;
/** An assertion to the core expires at most this long after admission (section 6). */
const ASSERTION_MS_MAX = 30_000;
/** An admission counts as running until its time-out and this. */
const DEADLINE_SLACK_MS = 5_000;
const DAY_MS = 86_400_000;

export type CommandOptions = {
  readonly admissionId: string;
  readonly epoch: string;
  readonly nowMs: number;
  readonly timeZone: string;
  readonly claimDays: number;
  readonly fingerprintKeys: FingerprintKeys;
  readonly payerKey: Uint8Array;
};

/** What is sent to the store, and what the admitted request carries on. */
export type Prepared = { readonly command: AdmitCommand; readonly steps: Steps; readonly claim?: Claimed };

/** Everything that is decided about a request before the store is asked. Pure. */
export function prepare(opened: Opened, options: CommandOptions): Prepared {
  const { admissionId, epoch, nowMs } = options;
  const { merchant, operation, nonce } = opened;
  const steps = askedSteps(opened, options);
  const { rates, concurrency, totals, barred } = steps;
  const deadlineMs = nowMs + operation.timeoutMs + DEADLINE_SLACK_MS;
  const claim = claimOf(opened, options, deadlineMs, steps);
  const command: AdmitCommand = {
    merchantNumber: merchant.number,
    admissionId,
    epoch,
    nowMs,
    nonce,
    nonceUntilMs: nowMs + NONCE_KEPT_MS,
    rates,
    barred: barred !== undefined,
    concurrency,
    concurrencyUntilMs: deadlineMs,
    totals,
    ...(claim ? { claim } : {}),
  };
  return { command, steps, ...(claim ? { claim } : {}) };
}

/** The steps of the merchant's rules, and what bars the request before any of them. */
function askedSteps(opened: Opened, { nowMs, timeZone, payerKey }: CommandOptions): Steps {
  const { merchant, operation, amountFen, currency, address } = opened;
  const steps = stepsOf(merchant.rules, {
    operation,
    ...(amountFen === undefined ? {} : { amountFen }),
    ...(currency === undefined ? {} : { currency }),
    address,
    payer: () => payerOf(opened, payerKey),
    nowMs,
    timeZone,
  });
  const barred = findForeignScene(opened) ?? steps.barred;
  return barred ? { ...steps, totals: [], totalRules: [], barred } : steps;
}

/** Who pays, as counters and the risk service know them; undefined when the request does not say. */
export function payerOf({ operation, value }: Opened, key: Uint8Array): string | undefined {
  const payer = operation.payer === undefined ? undefined : findAt(value, operation.payer);
  return typeof payer === 'string' || typeof payer === 'number' ? payerHash(key, String(payer)) : undefined;
}

/** The contract names scenes (业务场景), and this request's is none of them; one that is not named counts as foreign. */
function findForeignScene({ operation, merchant, value }: Opened): Barred | undefined {
  if (operation.scene === undefined || merchant.scenes === undefined) return undefined;
  const scene = findAt(value, operation.scene);
  if (typeof scene === 'string' && merchant.scenes.has(scene)) return undefined;
  return { code: 'SCENE_NOT_ALLOWED', members: { scenes: [...merchant.scenes] } };
}

function claimOf(opened: Opened, options: CommandOptions, deadlineMs: number, { totals }: Steps): Claimed | undefined {
  const { merchant, operation, idempotencyKey } = opened;
  if (idempotencyKey === undefined) return undefined;
  const { nowMs, claimDays, fingerprintKeys } = options;
  const derivedKey = derivedKeyOf(merchant.number, operation.id, idempotencyKey);
  return {
    keyHash: keyHashOf(merchant.number, idempotencyKey),
    ...fingerprintsOf(fingerprintKeys, opened, nowMs),
    nonceUntilMs: nowMs + NONCE_KEPT_MS,
    expiresAtMs: nowMs + Math.min(operation.timeoutMs, ASSERTION_MS_MAX),
    deadlineMs,
    keepUntilMs: nowMs + claimDays * DAY_MS,
    derivedKey,
    resolve: resolveInputsOf(opened, derivedKey),
    reservation: totals.map(({ counter, add, windowEndsMs }) => ({ counter, add, windowEndsMs })),
  };
}

/** What another process needs to ask about this request. A value that is neither text nor a number asks for nothing. */
function resolveInputsOf(opened: Opened, derivedKey: string): ResolveInputs {
  const { operation, requestId } = opened;
  const parameters = Object.entries(operation.resolve?.parameters ?? {}).flatMap(([name, source]) => {
    const value = source === 'derivedKey' ? derivedKey : valueAt(opened, source);
    return value === undefined ? [] : [[name, String(value)] as const];
  });
  const repeat = operation.outcome.repeat.flatMap(({ request, answer }) => {
    const value = valueAt(opened, request);
    return value === undefined ? [] : [[answer, value] as const];
  });
  return {
    operationId: operation.id,
    requestId,
    derivedKey,
    parameters: Object.fromEntries(parameters),
    repeat: Object.fromEntries(repeat),
  };
}

/** A value of the request: `merchantNumber`, `path:name`, or a pointer into the body. */
function valueAt({ merchant, pathParameters, value }: Opened, source: string): string | number | undefined {
  if (source === 'merchantNumber') return merchant.number;
  const found = source.startsWith('path:') ? pathParameters[source.slice('path:'.length)] : findAt(value, source);
  return typeof found === 'string' || typeof found === 'number' ? found : undefined;
}
