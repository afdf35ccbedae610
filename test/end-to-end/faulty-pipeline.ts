import { randomUUID, X509Certificate } from 'node:crypto';
import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TLSSocket } from 'node:tls';
import { loadConfig } from '../../src/config/load.ts';
import { loadAuthorities } from '../../src/identity/authorities.ts';
import { foldBans } from '../../src/identity/bans.ts';
import { readPeer } from '../../src/identity/peer.ts';
import { openJournal } from '../../src/journal/journal.ts';
import { loadEncryptionKeys } from '../../src/keys/encryption-keys.ts';
import { loadKeyring } from '../../src/keys/keyring.ts';
import { loadAnswerKeys } from '../../src/keys/load-answer-keys.ts';
import { systemClock } from '../../src/lib/clock.ts';
import { createLog } from '../../src/lib/log.ts';
import { createMetrics } from '../../src/lib/metrics.ts';
import { createEvent } from '../../src/pipeline/event.ts';
import { handle } from '../../src/pipeline/handle.ts';
import type { Journal } from '../../src/ports/journal.ts';
import type { Store } from '../../src/ports/store.ts';
import type { Peer } from '../../src/protocol/messages.ts';
import { loadRegistry } from '../../src/registry/load.ts';
import { wireStages } from '../../src/runtime/stages.ts';
import { joinState } from '../../src/runtime/state.ts';
import type { ReceivedAnswer } from '../../src/sdk/answer.ts';
import { openSqliteStore } from '../../src/store/sqlite/store.ts';
import type { Sender, Wire } from '../attacks/requests.ts';

/** The one thing that is broken; everything else is what the gateway runs with. */
export type InjectedFault = {
  /** What the revocation lists say of every certificate; default: good. */
  readonly judged?: 'unknown';
  readonly store?: Partial<Store>;
  readonly journal?: Partial<Journal>;
  /** Instances of the configuration; the others never report. */
  readonly instances?: readonly string[];
};

function peerOf({ system, tls }: Sender): Peer {
  const authorities = loadAuthorities([{ name: 'merchants', certificates: [join(system.pki.directory, 'merchants-authority.crt')] }]);
  const socket = { getPeerX509Certificate: () => new X509Certificate(tls.certificatePem), authorized: true } as unknown as TLSSocket;
  return readPeer(socket, authorities, Date.now()) as Peer;
}

/** Sends one request through the real stages, on a journal and a store of their own, with one fault inside. */
export async function askFaulty(sender: Sender, { bytes, request }: Wire, fault: InjectedFault): Promise<ReceivedAnswer> {
  const { system } = sender;
  const directory = mkdtempSync(join(tmpdir(), 'hufu-pipeline-'));
  cpSync(join(system.directory, 'data', 'keys'), join(directory, 'keys'), { recursive: true });
  const environment = { ...system.environment, HUFU_DATA: directory };
  const config = loadConfig({ file: system.environment.HUFU_CONFIG as string, environment, profile: 'development' });
  const snapshot = loadRegistry(config);
  const keyring = loadKeyring({ secretsDirectory: config.secretsDirectory });
  const answerKeys = loadAnswerKeys({ answerKeys: config.answers.keys, nowMs: Date.now() });
  const { instance, journal: journalConfig } = config;
  const lines: string[] = [];
  const event = createEvent(createLog({ level: 'info', destination: { write: (line) => lines.push(line) } }), createMetrics(), Date.now);
  const journal = await openJournal({ ...journalConfig, instance, signer: keyring.journal, clock: systemClock, onAlarm: () => {} });
  const store = await openSqliteStore({ file: join(directory, 'store.db') });
  const state = joinState({
    journal: { ...journal, ...fault.journal },
    store: { ...store, ...fault.store },
    ...{ instance, instances: fault.instances ?? [instance], merchantNumbers: () => snapshot.merchantNumbers, nowMs: Date.now },
    ...{ deadJournals: async () => ({ journals: [], release: async () => {} }), onChange: () => {}, onFailure: () => {} },
  });
  const core = { call: () => Promise.reject(new Error('the core was called')), close: async () => {} };
  try {
    await state.keeper.look();
    const registers = () => ({
      snapshot,
      bans: foldBans([]),
      crls: { judge: () => fault.judged ?? ('good' as const) },
      ocsp: { judge: () => 'good' as const, refresh: () => undefined },
    });
    const { stages } = wireStages({
      config,
      keyring,
      encryptionKeys: () => loadEncryptionKeys([], { production: false, nowMs: Date.now() }),
      snapshot: () => snapshot,
      authorities: () => [],
      answerKeys: () => answerKeys,
      keysSeen: () => {},
      registers,
      standing: state.keeper.standing,
      core,
      state: { ...state, workingKeys: store.workingKeys },
      event,
    });
    const body = bytes.subarray(bytes.indexOf('\r\n\r\n') + 4);
    const arrived = { requestId: randomUUID(), receivedAtMs: Date.now(), times: {}, peer: peerOf(sender), address: '127.0.0.1' };
    return await handle({ ...arrived, ...request, channel: 'internet', body }, stages);
  } finally {
    await state.close(0);
    rmSync(directory, { recursive: true, force: true });
  }
}
