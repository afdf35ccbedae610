import { createAdmit } from '../admission/admit.ts';
import type { GatewayConfig } from '../config/schema.ts';
import { createForward } from '../forward/forward.ts';
import { sealAnswer } from '../keys/answer-seal.ts';
import type { Keyring } from '../keys/keyring.ts';
import type { Clock } from '../lib/clock.ts';
import { createEvidence, type Evidence, evidenceAad, type SealBase } from '../pipeline/evidence.ts';
import { createForwardStage } from '../pipeline/forward.ts';
import { createJournalStage } from '../pipeline/journal.ts';
import type { LocalOperations } from '../pipeline/local-operations.ts';
import { createRecallStage } from '../pipeline/recall.ts';
import { createScreen, type RiskHook } from '../pipeline/screen.ts';
import type { Stages } from '../pipeline/stages.ts';
import type { Core } from '../ports/core.ts';
import type { Operation } from '../protocol/operation.ts';
import { createRecall } from '../settlement/recall.ts';
import { createResolver, type Resolver } from '../settlement/resolve.ts';
import { createSettle } from '../settlement/settle.ts';
import { createStoredAnswers } from '../settlement/stored-answer.ts';
import { createSweep, type Sweep } from '../settlement/sweep.ts';
import { createWithdraw, type Withdraw } from '../settlement/withdraw.ts';
import type { State } from './state.ts';

export type MoneyOptions = {
  readonly config: Pick<GatewayConfig, 'instance' | 'timeZone' | 'idempotency' | 'resolve'>;
  readonly keys: Pick<Keyring, 'fingerprintKeys' | 'payerKey' | 'answerSealKeys' | 'assertion'>;
  readonly state: State;
  readonly core: Core;
  readonly local: LocalOperations;
  /** Absent: nobody is asked. */
  readonly risk?: RiskHook | undefined;
  readonly findOperation: (id: string) => Operation | undefined;
  readonly merchantNumbers: () => readonly string[];
  readonly clock: Clock;
  readonly onAlarm: (alarm: string, facts: Readonly<Record<string, unknown>>) => void;
};

/** The stages from admission to settlement, and what goes on behind them. */
export type Money = {
  readonly stages: Pick<Stages, 'admit' | 'screen' | 'recall' | 'journal' | 'forward' | 'settle'>;
  readonly evidence: Evidence;
  readonly sweep: Sweep;
  readonly resolver: Resolver;
};

const HOUR_MS = 3_600_000;

/** Puts the protocol of contract.md sections 5 to 8 together: the same in the gateway and in its simulation. */
export function wireMoney(options: MoneyOptions): Money {
  const { state, keys, clock, onAlarm } = options;
  const { journal, store, until, unforwarded, keeper } = state;
  const { nowMs } = clock;
  const sealBase: SealBase = (of, base, requestId) =>
    sealAnswer(keys.answerSealKeys.writing(nowMs()), Buffer.from(base, 'latin1'), evidenceAad(of, requestId));
  const evidence = createEvidence(journal, sealBase, nowMs);
  const withdraw = createWithdraw({ store, journal, until, nowMs, epoch: keeper.epoch });
  const { forward, settle, recall, sweep, resolver } = wireCore(options);
  const stages = {
    admit: wireAdmit(options, withdraw),
    screen: createScreen({ risk: options.risk, payerKey: keys.payerKey.key, journal, unforwarded, withdraw }),
    recall: createRecallStage({ recall }),
    journal: createJournalStage({ journal, standing: keeper.standing, unforwarded, withdraw, evidence }),
    forward: createForwardStage({ forward, withdraw, onAlarm }),
    settle,
  };
  return { stages, evidence, sweep, resolver };
}

function wireAdmit({ config, keys, state, clock }: MoneyOptions, withdraw: Withdraw): Stages['admit'] {
  const { journal, store, unforwarded, keeper } = state;
  let counter = 0;
  return createAdmit({
    store,
    admissionIds: () => `${config.instance}.${journal.boot}.${++counter}`,
    epoch: keeper.standing,
    fingerprintKeys: keys.fingerprintKeys,
    payerKey: keys.payerKey.key,
    timeZone: config.timeZone,
    nowMs: clock.nowMs,
    claimDays: config.idempotency.claimDays,
    isJournalWritable: journal.isWritable,
    journalNonce: (fact) => {
      journal.append(fact);
      unforwarded.journalled(fact.admissionId);
    },
    onAbandoned: (admissionId, merchantNumber, keyHash) =>
      void withdraw({ merchantNumber, admissionId, ...(keyHash === undefined ? {} : { keyHash }) }),
  });
}

/** Everything that speaks with the core or about what it said. */
function wireCore({ config, keys, state, core, local, findOperation, merchantNumbers, clock, onAlarm }: MoneyOptions) {
  const { journal, store, keeper, until } = state;
  const { nowMs } = clock;
  const { scheduleMs, clockAllowanceMs } = config.resolve;
  const { forward, ask, repeat } = createForward({ core, assertionKeyAt: keys.assertion.writing, clock, local, findOperation });
  const answers = createStoredAnswers(keys.answerSealKeys, nowMs);
  const answerMs = config.idempotency.answerHours * HOUR_MS;
  const shared = { store, journal, nowMs, epoch: keeper.epoch, sealAnswer: answers.seal, answerMs, onAlarm };
  const pauseMs = (count: number) => scheduleMs[Math.min(count, scheduleMs.length - 1)] as number;
  const resolver = createResolver({ ...shared, ask, clockAllowanceMs, pauseMs });
  return {
    forward,
    resolver,
    settle: createSettle({ ...shared, until, firstAskMs: pauseMs(0) }),
    recall: createRecall({ store, resolver, ask, repeat, clockAllowanceMs, nowMs, openAnswer: answers.open, onAlarm }),
    sweep: createSweep({
      store,
      resolver,
      merchantNumbers: async () => [...new Set([...merchantNumbers(), ...(await store.merchants())])],
      isOpen: () => keeper.standing().kind === 'open',
      nowMs,
      onFailure: (error) => onAlarm('unknown outcomes could not be asked about', { cause: String(error) }),
    }),
  };
}
