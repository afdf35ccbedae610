import type { Standing } from '../admission/admit.ts';
import { createTokenBuckets } from '../admission/flood.ts';
import type { GatewayConfig } from '../config/schema.ts';
import { createWorkingKeys } from '../encryption/working-keys.ts';
import type { Risk } from '../forward/risk.ts';
import type { ListenerAuthority } from '../identity/authorities.ts';
import { identify, type Registers } from '../identity/identify.ts';
import { checkSignerCertificate, findConnectionCertificate, findConnectionKey } from '../identity/message-signer.ts';
import type { AnswerKeys } from '../keys/answer-keys.ts';
import type { EncryptionKeys } from '../keys/encryption-keys.ts';
import type { Keyring } from '../keys/keyring.ts';
import { systemClock } from '../lib/clock.ts';
import type { Event } from '../pipeline/event.ts';
import type { KeysSeen } from '../pipeline/keys-seen.ts';
import { createLocalOperations } from '../pipeline/local-operations.ts';
import { createOpen } from '../pipeline/open.ts';
import { createRoute } from '../pipeline/route.ts';
import { createSeal } from '../pipeline/seal.ts';
import { type Stages, timedStages } from '../pipeline/stages.ts';
import { createWorkingKeyOperation } from '../pipeline/working-key-operation.ts';
import type { Core } from '../ports/core.ts';
import type { WorkingKeyShelf } from '../ports/working-keys.ts';
import { Refusal } from '../protocol/errors.ts';
import type { Routed } from '../protocol/messages.ts';
import { isWorkingKeyid, wrappingKeyOf } from '../protocol/working-key.ts';
import type { Snapshot } from '../registry/snapshot.ts';
import { type VerifyOptions, verifySignature } from '../signature/verify.ts';
import { mayNameWorkingKey, verifyMac } from '../signature/verify-mac.ts';
import { type Money, wireMoney } from './money.ts';
import type { State } from './state.ts';

export type Wiring = {
  readonly config: GatewayConfig;
  readonly keyring: Keyring;
  readonly encryptionKeys: () => EncryptionKeys;
  readonly snapshot: () => Snapshot;
  /** The keys that sign answers, as they stand now. */
  readonly answerKeys: () => AnswerKeys;
  /** Notes which merchants know which of them. */
  readonly keysSeen: KeysSeen;
  /** Whoever may have issued a certificate that comes in a message. */
  readonly authorities: () => readonly ListenerAuthority[];
  /** What an identity hangs on, as it stands now. */
  readonly registers: () => Registers;
  /** What admission may count on: the store's epoch, and that no operator's change has passed this process by. */
  readonly standing: () => Standing;
  readonly core: Core;
  /** Absent: there is no risk service. */
  readonly risk?: Pick<Risk, 'ask'> | undefined;
  readonly state: State & { readonly workingKeys: WorkingKeyShelf };
  readonly event: Event;
};

const { nowMs, monotonicMs } = systemClock;
const FLOOD = 'More requests come with this certificate from this address than are looked at.';

/** The only place where stages meet their implementations; those that move money are wired in wireMoney. */
export function wireStages(wiring: Wiring): { readonly stages: Stages; readonly money: Pick<Money, 'sweep' | 'resolver'> } {
  const { config, keyring, encryptionKeys, snapshot, answerKeys, keysSeen, authorities, registers, standing, core, risk, state, event } =
    wiring;
  const workingKeys = createWorkingKeys({ shelf: state.workingKeys, sealKeys: keyring.answerSealKeys, nowMs, monotonicMs });
  const findMacKey = (merchantNumber: string, keyid: string) => workingKeys.find(merchantNumber, keyid, 'mac');
  const findDecryptionKey = async (keyid: string, merchantNumber: string) =>
    isWorkingKeyid(keyid)
      ? wrappingKeyOf(await workingKeys.find(merchantNumber, keyid, 'encryption'))
      : encryptionKeys().find(keyid, nowMs());
  const money = wireMoney({
    config,
    keys: keyring,
    state: { ...state, keeper: { ...state.keeper, standing } },
    core,
    risk: risk && config.risk && { ask: risk.ask, asks: config.risk.asks, onFailure: config.risk.onFailure },
    local: createLocalOperations({
      publication: () => answerKeys().publication(nowMs()),
      encryptionKeys: () => encryptionKeys().publication(nowMs()),
      giveWorkingKey: createWorkingKeyOperation(workingKeys, nowMs),
      onFetched: keysSeen,
    }),
    findOperation: (id) => snapshot().findOperation(id),
    merchantNumbers: () => snapshot().merchantNumbers,
    clock: systemClock,
    onAlarm: event.alarm,
  });
  const floods = createTokenBuckets(config.flood);
  const budgets = createTokenBuckets({ perSecond: config.answers.budgetPerSecond, burst: config.answers.budgetBurst });
  const attempts = createTokenBuckets({ perSecond: config.doctor.attemptsPerSecond, burst: config.doctor.attemptsBurst });
  const mayTry = (thumbprint: string) => attempts.take(thumbprint, monotonicMs()) === 0;
  const platformNames = () => answerKeys().publication(nowMs()).names;
  const stages: Stages = {
    identify: (arrived) => identify(arrived, registers(), nowMs()),
    route: createRoute({ snapshot, timeZone: config.timeZone, nowMs }),
    bound: ({ peer, address }) => {
      const waitMs = floods.take(`${peer.thumbprint} ${address}`, monotonicMs());
      if (waitMs > 0) throw new Refusal('RATE_LIMITED', { detail: FLOOD, retryAfterSeconds: Math.ceil(waitMs / 1000) });
    },
    verify: (routed) => {
      const { keysOf, hosts } = snapshot();
      const checkSigner = (chain: readonly Uint8Array[]) => checkSignerCertificate(chain, authorities(), registers(), nowMs());
      const doctor = { platformNames, mayTry, keysOf };
      const options = { ...keysFor(routed, registers(), nowMs()), checkSigner, hosts, nowMs: nowMs(), doctor };
      return mayNameWorkingKey(routed) ? verifyMac(routed, { ...options, findMacKey }) : verifySignature(routed, options);
    },
    open: createOpen({ findKey: findDecryptionKey, nowMs }),
    ...money.stages,
    ...createSeal({
      answerKeys,
      onAsked: keysSeen,
      maySignFor: (thumbprint) => budgets.take(thumbprint, monotonicMs()) === 0,
      evidence: money.evidence,
      event,
      nowMs,
    }),
  };
  return { stages: timedStages(stages, monotonicMs), money };
}

/** Registered keys first, then that of the connection where the merchant may sign with it. */
function keysFor({ peer, merchant }: Routed, registers: Registers, atMs: number): Pick<VerifyOptions, 'findKey' | 'findRegistered'> {
  const { findKey, findRegistered } = registers.snapshot;
  return {
    findKey: (keyid) => findKey(keyid) ?? findConnectionKey(keyid, peer, merchant, registers, atMs),
    findRegistered: (number, handle) => {
      const found = findRegistered(number, handle);
      return found.length > 0 ? found : findConnectionCertificate(handle, peer, merchant, registers, atMs);
    },
  };
}
