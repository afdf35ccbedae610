import type { Standing } from '../admission/admit.ts';
import type { End } from '../certificates/expiry.ts';
import type { GatewayConfig } from '../config/schema.ts';
import type { ListenerAuthority } from '../identity/authorities.ts';
import { createCrlReader, keptCrls } from '../identity/crl-reader.ts';
import { createCrls } from '../identity/crls.ts';
import { isServed, type Registers } from '../identity/identify.ts';
import { createOcsp, type Ocsp } from '../identity/ocsp.ts';
import { createOcspClient } from '../identity/ocsp-client.ts';
import { createStaples, type Staples } from '../identity/staples.ts';
import type { AnswerKeys } from '../keys/answer-keys.ts';
import type { EncryptionKeys } from '../keys/encryption-keys.ts';
import { systemClock } from '../lib/clock.ts';
import type { Log } from '../lib/log.ts';
import type { Metrics } from '../lib/metrics.ts';
import type { Event } from '../pipeline/event.ts';
import type { Announced, Announcement } from '../ports/announcements.ts';
import { NO_MERCHANT } from '../registry/load.ts';
import type { Snapshot } from '../registry/snapshot.ts';
import { createAnnouncementKeeper } from './announcement-keeper.ts';
import { configuredEnds, watchExpiries } from './expiries.ts';
import { createPresented, type Presented } from './presented.ts';
import { createRegistry } from './reload.ts';
import type { openState } from './state.ts';

type AnnouncingState = Awaited<ReturnType<typeof openState>>;

export type RevocationOptions = {
  readonly config: GatewayConfig;
  readonly readConfig: () => GatewayConfig;
  readonly authorities: () => readonly ListenerAuthority[];
  /** Makes the listeners ready for another configuration; see createRegistry. */
  readonly prepare: (config: GatewayConfig) => () => void;
  /** Opened once the registry is there, since the store's slots are named by its merchants. */
  readonly openState: (merchantNumbers: () => readonly string[]) => Promise<AnnouncingState>;
  /** Operators' changes that this process had not seen before. */
  readonly onFresh: (changes: readonly Announcement[]) => void;
  readonly event: Event;
  readonly log: Log;
  readonly metrics: Metrics;
  /** Closes the connections of certificates that are no longer served; returns how many. */
  readonly closeUnserved: () => number;
};

/** What ends an identity, kept current while the gateway runs: files, operators' changes, revocation lists, and time. */
export type Revocation = {
  readonly state: AnnouncingState;
  readonly snapshot: () => Snapshot;
  readonly answerKeys: () => AnswerKeys;
  readonly encryptionKeys: () => EncryptionKeys;
  readonly registers: () => Registers;
  /** Asks responders; see identity/ocsp. */
  readonly ocsp: Pick<Ocsp, 'ready' | 'refresh'>;
  /** What responders say about our own certificates. */
  readonly staples: Pick<Staples, 'find' | 'follow'>;
  /** Takes note of a certificate that came by, to warn of its end. */
  readonly seePresented: Presented['see'];
  readonly standing: () => Standing;
  /** Reads all files and lists anew. Never rejects. */
  readonly reload: () => Promise<void>;
  /** The first look, before the listeners open. */
  readonly look: () => Promise<void>;
  readonly start: () => void;
  readonly stop: () => Promise<void>;
};

/** Twice a second: files of lists, and connections whose certificate or binding has ended by time. */
const LOOK_EVERY_MS = 500;
const EXPIRY_LOOK_MS = 60_000;
const { nowMs, monotonicMs } = systemClock;

/** Puts together whatever may end an identity. Throws a UserError when the configuration cannot be used at all. */
export async function openRevocation(options: RevocationOptions): Promise<Revocation> {
  const { config, event } = options;
  const close = () => options.metrics.closedConnections.inc(options.closeUnserved());
  const lists = followLists(options);
  const registry = openRegistry(options, async (next) => {
    lists.follow(next);
    expiries.follow(next);
    void lists.crls.look(true).then(close);
    close();
    await state.keeper.welcome().catch((error: Error) => event.alarm('new merchants wait for the store', { cause: error.message }));
  });
  const presented = createPresented((peer) => isServed(peer, registers(), nowMs()), nowMs);
  const expiries = followExpiries(options, () => [...registry.snapshot().ends(), ...presented.ends(), ...lists.crls.ends()]);
  const reload = () =>
    registry.reload().catch((error: Error) => {
      event.alarm('the configuration could not be read', { cause: error.stack });
      return 'a fault in hufu itself; its log says more';
    });
  const state = await options.openState(() => registry.snapshot().merchantNumbers);
  const keeper = createAnnouncementKeeper({
    announcements: state.announcements,
    journal: state.journal,
    instance: config.instance,
    epoch: state.keeper.epoch,
    written: () => writtenBans(registry.snapshot(), nowMs()),
    onBans: (version) => {
      options.metrics.announcementVersion.set(version);
      close();
    },
    onFresh: options.onFresh,
    onChanges: reload,
    onAlarm: (line) => event.alarm(line, {}),
    monotonicMs,
  });
  const registers = (): Registers => ({ snapshot: registry.snapshot(), bans: keeper.bans(), crls: lists.crls, ocsp: lists.ocsp });
  let timer: NodeJS.Timeout | undefined;
  return {
    state,
    snapshot: registry.snapshot,
    answerKeys: registry.answerKeys,
    encryptionKeys: registry.encryptionKeys,
    registers,
    ocsp: lists.ocsp,
    staples: lists.staples,
    seePresented: presented.see,
    standing: () => (keeper.isConfirmed() ? state.keeper.standing() : { kind: 'closed', code: 'STORE_UNAVAILABLE' }),
    reload: async () => void (await reload()),
    look: async () => {
      await lists.crls.look(true);
      await keeper.look();
    },
    start: () => {
      keeper.start();
      timer = setInterval(() => {
        void lists.crls.look().then(close);
        void lists.staples.look();
      }, LOOK_EVERY_MS);
      timer.unref();
      expiries.start();
    },
    stop: () => {
      keeper.stop();
      expiries.stop();
      clearInterval(timer);
      return lists.stop();
    },
  };
}

/** Looks at what ends soon: at the start, after each reload, and every minute, since each day brings new lines. */
function followExpiries({ config, log, metrics }: RevocationOptions, others: () => readonly End[]) {
  let own = configuredEnds(config);
  const look = watchExpiries({ ends: () => [...own, ...others()], metrics, log, nowMs });
  let timer: NodeJS.Timeout | undefined;
  return {
    follow: (next: GatewayConfig) => {
      own = configuredEnds(next);
      look();
    },
    start: () => {
      look();
      timer = setInterval(look, EXPIRY_LOOK_MS);
      timer.unref();
    },
    stop: () => clearInterval(timer),
  };
}

function followLists({ config, authorities, event, metrics }: RevocationOptions) {
  let { revocation } = config;
  const crls = createCrls({
    authorities,
    reader: createCrlReader({ directory: keptCrls(config.dataDirectory), bounds: () => revocation }),
    nowMs,
    onAlarm: (line) => event.alarm(line, {}),
    onTaken: (authority, nextUpdateMs) => metrics.crlNextUpdate.set({ authority }, nextUpdateMs / 1000),
  });
  const client = createOcspClient();
  const ocsp = createOcsp({
    authorities,
    ask: client.ask,
    isRevoked: (authority, serialNumber) => crls.judge(authority, serialNumber, nowMs()) === 'revoked',
    nowMs,
    onAlarm: (line) => event.alarm(line, {}),
    onAnswer: (authority, result) => metrics.ocspAnswers.inc({ authority, result }),
  });
  const follow = (next: GatewayConfig) => {
    ({ revocation } = next);
    crls.follow(next);
    ocsp.follow(next);
  };
  follow(config);
  const staples = createStaples({ ask: client.ask, nowMs, onAlarm: (line) => event.alarm(line, {}) });
  return { crls, ocsp, staples, follow, stop: client.close };
}

function openRegistry(
  { config, readConfig, prepare, event, log, metrics }: RevocationOptions,
  onTaken: (config: GatewayConfig) => Promise<void>,
): ReturnType<typeof createRegistry> {
  const registry = createRegistry({
    config,
    readConfig,
    prepare,
    onTaken: (next) => {
      tellEmpty(next);
      metrics.reloads.inc({ result: 'taken' });
      return onTaken(next);
    },
    onRefused: (problem) => {
      metrics.reloads.inc({ result: 'refused' });
      event.alarm('the configuration was not taken; the old one stays in use', { problem });
    },
    onDeferred: (keys) => event.alarm('changes of gateway.yaml take effect at the next start only', { keys }),
  });
  const tellEmpty = ({ merchants }: GatewayConfig): void => {
    if (registry.snapshot().merchantNumbers.length === 0) log.warn({ warning: NO_MERCHANT, merchants }, 'configuration');
  };
  tellEmpty(config);
  return registry;
}

/** What the files forbid, as announcements. */
function writtenBans(snapshot: Snapshot, atMs: number): Announced[] {
  const common = { actor: 'configuration', reason: 'written in the configuration', atMs, before: '', after: '' };
  const suspended = snapshot.merchantNumbers.filter((number) => snapshot.findMerchant(number)?.status === 'suspended');
  return [
    ...suspended.map((subject): Announced => ({ kind: 'suspend', subject, ...common })),
    ...[...snapshot.blocked].map((subject): Announced => ({ kind: 'block', subject, ...common })),
  ];
}
