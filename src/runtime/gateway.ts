import { isIPv6 } from 'node:net';
import type { Standing } from '../admission/admit.ts';
import type { GatewayConfig } from '../config/schema.ts';
import { createCore } from '../forward/core-client.ts';
import { createRisk } from '../forward/risk.ts';
import { loadKeyring } from '../keys/keyring.ts';
import { systemClock } from '../lib/clock.ts';
import { createLog } from '../lib/log.ts';
import { createMetrics, type Metrics } from '../lib/metrics.ts';
import type { PlainListener } from '../listeners/plain-http.ts';
import { listenStatus, type Readiness } from '../listeners/status.ts';
import { createEvent, type Event } from '../pipeline/event.ts';
import { createKeysSeen } from '../pipeline/keys-seen.ts';
import { applyDecisions } from './decisions.ts';
import { type DoorPorts, openDoors } from './doors.ts';
import { followTrust } from './follow-trust.ts';
import { tellListenProblems } from './listen-problems.ts';
import type { Money } from './money.ts';
import { openOutcomes } from './outcomes.ts';
import { openRevocation } from './revocation.ts';
import { compareSecrets } from './shared-secrets.ts';
import { wireStages } from './stages.ts';
import { openState, type State } from './state.ts';

export type RunningGateway = {
  readonly ports: DoorPorts & { readonly status: number };
  /** Where this machine reaches the status listener, without path. */
  readonly statusUrl: string;
  /** Reads merchants, plans, operations and lists anew; what is wrong is an alarm, and the old ones stay in use. */
  readonly reload: () => Promise<void>;
  /** Answers what has arrived, settles, closes journal and store; at most about `timeoutMs`. */
  readonly stop: (timeoutMs: number) => Promise<void>;
};

export type GatewayOptions = {
  /** Reads the configuration anew for a reload, as it was read for the start. Default: the one that was given, with its files read anew. */
  readonly readConfig?: () => GatewayConfig;
  /** Where the log goes; default: standard error of the process, so that standard output stays for people. */
  readonly log?: { readonly write: (line: string) => void };
};

/** Puts the gateway together and starts it. Throws a UserError for everything an operator can mend. */
export async function startGateway(config: GatewayConfig, options: GatewayOptions = {}): Promise<RunningGateway> {
  const log = createLog({ level: 'info', destination: options.log ?? process.stderr });
  const metrics = createMetrics();
  const event = createEvent(log, metrics, systemClock.nowMs);
  const keyring = loadKeyring({ secretsDirectory: config.secretsDirectory, production: config.profile === 'production' });
  const trust = followTrust(config, (closed) => metrics.closedConnections.inc(closed));
  const revocation = await openRevocation({
    config,
    readConfig: options.readConfig ?? (() => config),
    authorities: () => trust.current().authorities,
    prepare: trust.prepare,
    openState: (merchantNumbers) => openState(config, keyring, merchantNumbers, { log, alarm: event.alarm }),
    // Not before the first look, which is behind the wiring of the stages.
    onFresh: (changes) => applyDecisions(changes, money.resolver, state.until),
    event,
    log,
    metrics,
    closeUnserved: trust.closeUnserved,
  });
  const { state, standing } = revocation;
  const core = createCore(config.core);
  const risk = config.risk && createRisk(config.risk);
  const authorities = () => trust.current().authorities;
  const keysSeen = createKeysSeen(state.notes, systemClock.nowMs);
  const { stages, money } = wireStages({ config, keysSeen, keyring, authorities, ...revocation, core, risk, event });
  const closeBehind = async (timeoutMs: number) => {
    money.sweep.stop();
    await revocation.stop();
    await core.close();
    await risk?.close();
    await state.close(timeoutMs);
  };
  try {
    await compareSecrets(state, keyring, config.secretsDirectory, event);
    await state.keeper.look(); // before the listeners open, every journal of this host is replayed into the store
    await revocation.look(); // and every ban is known
    const opened = await openDoors({
      ...trust.current(),
      stages,
      revocation,
      metrics,
      event,
      log,
    });
    trust.hold(opened);
    let draining = false;
    const readiness = () => [...readinessOf(state, standing()), drainingOf(draining)];
    const side = await openSide(config, readiness, metrics, money, event.alarm).catch(async (error) => {
      await opened.drain(0);
      throw error;
    });
    state.keeper.start();
    revocation.start();
    money.sweep.start();
    return {
      ports: { ...opened.ports, status: side.port },
      statusUrl: localUrl(config.listeners.status.address, side.port),
      reload: revocation.reload,
      stop: async (timeoutMs) => {
        draining = true;
        await opened.drain(timeoutMs);
        await closeBehind(timeoutMs).finally(side.close);
      },
    };
  } catch (error) {
    await closeBehind(0);
    throw error;
  }
}

/** The listeners beside those for merchants: for operators, and for the core. */
async function openSide(
  config: GatewayConfig,
  readiness: () => readonly Readiness[],
  metrics: Metrics,
  money: Pick<Money, 'resolver'>,
  alarm: Event['alarm'],
) {
  const status = await startStatus(config, readiness, metrics, alarm);
  const outcomes = await openOutcomes(config, money.resolver, alarm).catch(async (error) => {
    await status.close();
    throw error;
  });
  const close = async () => {
    await Promise.all([outcomes.close(), status.close()]);
  };
  return { port: status.port, close };
}

function startStatus(
  config: GatewayConfig,
  readiness: () => readonly Readiness[],
  metrics: Metrics,
  alarm: Event['alarm'],
): Promise<PlainListener> {
  const { status } = config.listeners;
  const where = { name: 'the status listener', ...status, variable: 'HUFU_PORT_STATUS' };
  const onFault = (error: Error) => alarm('the status listener failed', { cause: error.message });
  return tellListenProblems(where, () => listenStatus({ ...status, readiness, metrics: () => textOf(metrics), onFault }));
}

/** An address that means "all" is reached at loopback; one of IPv6 stands in brackets. */
function localUrl(address: string, port: number): string {
  const host = { '0.0.0.0': '127.0.0.1', '::': '::1' }[address] ?? address;
  return `http://${isIPv6(host) ? `[${host}]` : host}:${port}`;
}

/** The core is not asked: its absence is answered request by request, and a probe must not take the gateway out for it. */
function readinessOf({ journal }: State, standing: Standing): Readiness[] {
  return [
    { name: 'store', ready: standing.kind === 'open', detail: standing.kind === 'open' ? 'open' : standing.code },
    { name: 'journal', ready: journal.isWritable(), detail: journal.isWritable() ? 'writable' : 'closed for writing' },
  ];
}

/** So that a balancer sends nothing more while what is under way is still answered. */
const drainingOf = (draining: boolean): Readiness => ({
  name: 'listener',
  ready: !draining,
  detail: draining ? 'draining: answers what is under way and takes no new connection' : 'open',
});

const textOf = async ({ registry }: Metrics) => ({ contentType: registry.contentType, text: await registry.metrics() });
