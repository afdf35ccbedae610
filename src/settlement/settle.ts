import type { Journal } from '../ports/journal.ts';
import type { Store } from '../ports/store.ts';
import type { Claimed, CoreAnswer, Forwarded, Settled } from '../protocol/messages.ts';
import { settlementOf } from '../protocol/outcome.ts';
import { findContradiction } from './contradictions.ts';
import type { UntilConfirmed } from './until-confirmed.ts';

export type SettleOptions = {
  readonly store: Store;
  readonly journal: Journal;
  readonly until: UntilConfirmed;
  readonly nowMs: () => number;
  /** The epoch in force when a command is sent: after a store loss it is another one than that of the admission. */
  readonly epoch: () => string;
  readonly sealAnswer: (answer: CoreAnswer, merchantNumber: string, keyHash: string) => Buffer;
  /** How long a stored answer is kept, ms. */
  readonly answerMs: number;
  /** When an unknown outcome is first asked about, ms after now. */
  readonly firstAskMs: number;
  /** News that contradict what was known: a person must look. */
  readonly onAlarm: (alarm: string, facts: Readonly<Record<string, unknown>>) => void;
};

type Command = { merchantNumber: string; keyHash: string; admissionId: string; nowMs: number };

/** Settles the limits by what really happened. The command is on its way before the answer's first byte; its reply is not awaited. */
export function createSettle(options: SettleOptions): (forwarded: Forwarded) => Settled {
  return (forwarded) => {
    const { claim } = forwarded;
    if (!claim) return { ...forwarded, settled: freeConcurrency(options, forwarded) };
    const what = settlementOf(forwarded.outcome);
    if (what === 'hold') holdClaim(options, forwarded, claim);
    else settleClaim(options, forwarded, claim);
    return { ...forwarded, settled: what === 'hold' ? 'held' : what === 'commit' ? 'committed' : 'released' };
  };
}

function freeConcurrency({ store, until, epoch }: SettleOptions, { merchant, admissionId, operation }: Forwarded): 'nothing' {
  const counted = merchant.rules.some(
    (rule) => rule.kind === 'concurrency' && (rule.operations.length === 0 || rule.operations.includes(operation.id)),
  );
  if (counted) until.run('release', () => store.release({ merchantNumber: merchant.number, admissionId, epoch: epoch() }));
  return 'nothing';
}

const commandOf = (options: SettleOptions, forwarded: Forwarded, claim: Claimed): Command => ({
  merchantNumber: forwarded.merchant.number,
  keyHash: claim.keyHash,
  admissionId: forwarded.admissionId,
  nowMs: options.nowMs(),
});

const sealed = (options: SettleOptions, forwarded: Forwarded, command: Command) =>
  forwarded.answer
    ? {
        answer: options.sealAnswer(forwarded.answer, command.merchantNumber, command.keyHash),
        answerUntilMs: command.nowMs + options.answerMs,
      }
    : {};

function holdClaim(options: SettleOptions, forwarded: Forwarded, claim: Claimed): void {
  const command = commandOf(options, forwarded, claim);
  const hold = { ...command, nextAskMs: command.nowMs + options.firstAskMs, ...sealed(options, forwarded, command) };
  options.until.run('hold', () => options.store.hold({ ...hold, epoch: options.epoch() }));
}

function settleClaim(options: SettleOptions, forwarded: Forwarded, claim: Claimed): void {
  const outcome = forwarded.outcome === 'succeeded' ? 'succeeded' : 'failed';
  const command = commandOf(options, forwarded, claim);
  const settle = { ...command, outcome, ...sealed(options, forwarded, command) } as const;
  options.until.run('settle', async () => {
    const result = await options.store.settle({ ...settle, epoch: options.epoch() });
    const alarm = findContradiction(result);
    if (alarm)
      options.onAlarm(alarm, { merchantNumber: settle.merchantNumber, admissionId: settle.admissionId, requestId: forwarded.requestId });
    return result !== 'rebuilding';
  });
  options.journal.append({
    type: 'outcome',
    merchantNumber: settle.merchantNumber,
    admissionId: settle.admissionId,
    keyHash: settle.keyHash,
    outcome,
    by: 'answered',
  });
}
