import { createAdmit } from '../admission/admit.ts';
import { createTokenBuckets } from '../admission/flood.ts';
import type { GatewayConfig } from '../config/schema.ts';
import { createForward } from '../forward/forward.ts';
import { identify } from '../identity/identify.ts';
import { sealAnswer } from '../keys/answer-seal.ts';
import type { Keyring } from '../keys/keyring.ts';
import { lengthPrefixed } from '../lib/bytes.ts';
import { systemClock } from '../lib/clock.ts';
import type { Event } from '../pipeline/event.ts';
import { createEvidence } from '../pipeline/evidence.ts';
import { createForwardStage } from '../pipeline/forward.ts';
import { createJournalStage } from '../pipeline/journal.ts';
import { createLocalOperations } from '../pipeline/local-operations.ts';
import { open } from '../pipeline/open.ts';
import { createRecallStage } from '../pipeline/recall.ts';
import { createRoute } from '../pipeline/route.ts';
import { createSeal } from '../pipeline/seal.ts';
import { type Stages, timedStages } from '../pipeline/stages.ts';
import type { Core } from '../ports/core.ts';
import { Refusal } from '../protocol/errors.ts';
import type { Snapshot } from '../registry/snapshot.ts';
import { createRecall } from '../settlement/recall.ts';
import { createResolver, type Resolver } from '../settlement/resolve.ts';
import { createSettle } from '../settlement/settle.ts';
import { createStoredAnswers } from '../settlement/stored-answer.ts';
import { createSweep, type Sweep } from '../settlement/sweep.ts';
import { createWithdraw } from '../settlement/withdraw.ts';
import { verifySignature } from '../signature/verify.ts';
import type { State } from './state.ts';

export type Wiring = {
  readonly config: GatewayConfig;
  readonly keyring: Keyring;
  readonly snapshot: () => Snapshot;
  readonly core: Core;
  readonly state: State;
  readonly event: Event;
};

const { nowMs, monotonicMs } = systemClock;
const HOUR_MS = 3_600_000;

/** The only place where stages meet their implementations. */
export function wireStages(wiring: Wiring): { readonly stages: Stages; readonly sweep: Sweep } {
  const { config, keyring, snapshot, state, event } = wiring;
  const { journal, store, unforwarded, keeper } = state;
  const evidence = createEvidence(journal, (base, requestId) =>
    sealAnswer(keyring.answerSealKey, Buffer.from(base), lengthPrefixed(['evidence', requestId])),
  );
  const withdraw = createWithdraw({ store, until: state.until, nowMs, epoch: keeper.epoch });
  const core = wireCore(wiring);
  const floods = createTokenBuckets(config.flood);
  const budgets = createTokenBuckets({ perSecond: config.answers.budgetPerSecond, burst: config.answers.budgetBurst });
  const stages: Stages = {
    identify: (arrived) => identify(arrived, snapshot(), nowMs()),
    route: createRoute({ snapshot, timeZone: config.timeZone, nowMs }),
    bound: ({ peer, address }) => {
      const waitMs = floods.take(`${peer.thumbprint} ${address}`, monotonicMs());
      if (waitMs > 0) throw new Refusal('RATE_LIMITED', { retryAfterSeconds: Math.ceil(waitMs / 1000) });
    },
    verify: (routed) => verifySignature(routed, { findKey: snapshot().findKey, hosts: snapshot().hosts, nowMs: nowMs() }),
    open,
    admit: wireAdmit(wiring, withdraw),
    recall: createRecallStage({ recall: core.recall }),
    journal: createJournalStage({ journal, standing: keeper.standing, unforwarded, withdraw, evidence }),
    forward: createForwardStage({ forward: core.forward, journal, withdraw, onAlarm: event.alarm }),
    settle: core.settle,
    ...createSeal({
      answerSigners: keyring.answerSigners,
      refusalSigner: keyring.refusalSigner,
      maySignFor: (thumbprint) => budgets.take(thumbprint, monotonicMs()) === 0,
      evidence,
      event,
      nowMs,
    }),
  };
  return { stages: timedStages(stages, monotonicMs), sweep: wireSweep(wiring, core.resolver) };
}

function wireAdmit({ config, keyring, state }: Wiring, withdraw: ReturnType<typeof createWithdraw>): Stages['admit'] {
  const { journal, store, unforwarded, keeper } = state;
  let counter = 0;
  return createAdmit({
    store,
    admissionIds: () => `${config.instance}.${journal.boot}.${++counter}`,
    epoch: keeper.standing,
    fingerprintKey: keyring.fingerprintKey.key,
    timeZone: config.timeZone,
    nowMs,
    claimDays: config.idempotency.claimDays,
    isJournalWritable: journal.isWritable,
    journalNonce: (fact) => {
      journal.append(fact);
      unforwarded.journalled(fact.admissionId);
    },
    onAbandoned: (admissionId, merchantNumber, keyHash) =>
      withdraw({ merchantNumber, admissionId, ...(keyHash === undefined ? {} : { keyHash }) }),
  });
}

/** Everything that speaks with the core or about what it said. */
function wireCore({ config, keyring, snapshot, core, state, event }: Wiring) {
  const { journal, store, keeper, until } = state;
  const { firstMs, factor, delayMsMax, clockAllowanceMs } = config.resolve;
  const local = createLocalOperations(keyring.certificates);
  const findOperation = (id: string) => snapshot().findOperation(id);
  const { forward, ask } = createForward({ core, assertionKey: keyring.assertion, clock: systemClock, local, findOperation });
  const answers = createStoredAnswers(keyring.answerSealKey);
  const shared = {
    store,
    journal,
    nowMs,
    epoch: keeper.epoch,
    sealAnswer: answers.seal,
    answerMs: config.idempotency.answerHours * HOUR_MS,
    onAlarm: event.alarm,
  };
  const resolver = createResolver({
    ...shared,
    ask,
    clockAllowanceMs,
    pauseMs: (count) => Math.min(firstMs * factor ** count, delayMsMax),
  });
  return {
    forward,
    resolver,
    settle: createSettle({ ...shared, until, firstAskMs: firstMs }),
    recall: createRecall({ store, resolver, ask, clockAllowanceMs, nowMs, openAnswer: answers.open }),
  };
}

function wireSweep({ snapshot, state, event }: Wiring, resolver: Resolver): Sweep {
  const { store, keeper } = state;
  return createSweep({
    store,
    resolver,
    merchantNumbers: async () => [...new Set([...snapshot().merchantNumbers, ...(await store.merchants())])],
    isOpen: () => keeper.standing().kind === 'open',
    nowMs,
    onFailure: (error) => event.alarm('unknown outcomes could not be asked about', { cause: String(error) }),
  });
}
