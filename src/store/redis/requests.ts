import type { Fact } from '../../ports/journal.ts';
import type { AdmitCommand, SettleCommand, Store } from '../../ports/store.ts';
import { BARE_CLAIM_MS, TOMBSTONE_MS } from '../../ports/store.ts';
import type { ScriptArgument } from './scripts.ts';

type Command<Method extends 'void' | 'hold'> = Parameters<Store[Method]>[0];
type Answered = { readonly answer?: Buffer; readonly answerUntilMs?: number; readonly nowMs: number };

/** ARGV of admit.lua. */
export function admitArguments(command: AdmitCommand): ScriptArgument[] {
  const { claim, rates, concurrency, totals } = command;
  return [
    command.epoch,
    command.admissionId,
    command.nowMs,
    command.nonce,
    command.nonceUntilMs,
    command.barred ? '1' : '0',
    command.concurrencyUntilMs,
    rates.length,
    concurrency.length,
    totals.length,
    claim?.keyHash ?? '',
    claim?.fingerprint ?? '',
    claim?.expiresAtMs ?? 0,
    claim?.deadlineMs ?? 0,
    claim?.keepUntilMs ?? 0,
    JSON.stringify(claim?.resolve ?? {}),
    JSON.stringify(totals.map(({ counter, add, windowEndsMs }) => ({ counter, add, windowEndsMs }))),
    JSON.stringify(concurrency.map(({ counter }) => counter)),
    Math.max(claim?.keepUntilMs ?? 0, ...totals.map(({ windowEndsMs }) => windowEndsMs)),
    ...rates.flatMap(({ counter, incrementUs, toleranceUs, shadow }) => [counter, incrementUs, toleranceUs, shadow ? '1' : '0']),
    ...concurrency.flatMap(({ counter, max, shadowMax }) => [counter, max, shadowMax ?? '']),
    ...totals.flatMap(({ counter, add, max, windowEndsMs, shadowMax }) => [counter, add, max, windowEndsMs, shadowMax ?? '']),
    ...(claim?.otherFingerprints ?? []),
  ];
}

/** ARGV of void.lua. */
export function voidArguments({ epoch, admissionId, keyHash, nowMs }: Command<'void'>): ScriptArgument[] {
  return [epoch, admissionId, keyHash ?? '', nowMs, nowMs + TOMBSTONE_MS];
}

/** ARGV of hold.lua. */
export function holdArguments(command: Command<'hold'>): ScriptArgument[] {
  return [command.epoch, command.admissionId, command.keyHash, command.nowMs, command.nextAskMs, ...answerArguments(command)];
}

/** ARGV of settle.lua. */
export function settleArguments(command: SettleCommand): ScriptArgument[] {
  const { epoch, admissionId, keyHash, nowMs, outcome, fence } = command;
  return [epoch, admissionId, keyHash, nowMs, outcome, fence ?? '', nowMs + BARE_CLAIM_MS, ...answerArguments(command)];
}

/** An answer without an end is kept as long as a claim that nobody said the end of. */
function answerArguments({ answer, answerUntilMs, nowMs }: Answered): ScriptArgument[] {
  return answer ? [answer, answerUntilMs ?? nowMs + BARE_CLAIM_MS] : [];
}

/** ARGV of replay.lua. */
export function replayArguments(nowMs: number, facts: readonly Fact[]): ScriptArgument[] {
  return [nowMs, nowMs + BARE_CLAIM_MS, nowMs + TOMBSTONE_MS, JSON.stringify(facts.map(packFact))];
}

function packFact(fact: Fact): object {
  if (fact.type !== 'admitted') return fact;
  return {
    ...fact,
    resolve: JSON.stringify(fact.resolve),
    reservation: JSON.stringify(fact.reservation),
    untilMs: Math.max(fact.keepUntilMs, ...fact.reservation.map(({ windowEndsMs }) => windowEndsMs)),
  };
}
