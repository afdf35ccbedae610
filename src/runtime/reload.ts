import type { GatewayConfig } from '../config/schema.ts';
import type { AnswerKeys } from '../keys/answer-keys.ts';
import { type EncryptionKeys, loadEncryptionKeys } from '../keys/encryption-keys.ts';
import { loadAnswerKeys } from '../keys/load-answer-keys.ts';
import { systemClock } from '../lib/clock.ts';
import { UserError } from '../lib/user-error.ts';
import { loadRegistry } from '../registry/load.ts';
import type { Snapshot } from '../registry/snapshot.ts';

export type ReloadOptions = {
  readonly config: GatewayConfig;
  /** Reads gateway.yaml anew; throws a UserError with everything that is wrong. */
  readonly readConfig: () => GatewayConfig;
  /** Makes ready what hangs on the configuration besides the registry; what is returned puts it in use. Throws a UserError when it cannot be used. */
  readonly prepare: (config: GatewayConfig) => () => void;
  /** The new configuration is in use. */
  readonly onTaken: (config: GatewayConfig) => Promise<void>;
  readonly onRefused: (problem: string) => void;
  /** Keys of gateway.yaml that changed and are read at the start only. */
  readonly onDeferred: (keys: readonly string[]) => void;
};

export type Registry = {
  /** What is in use now. A request takes it once, before it waits for anything, and so ends as it began. */
  readonly snapshot: () => Snapshot;
  /** The keys that sign answers; swapped together with the snapshot. */
  readonly answerKeys: () => AnswerKeys;
  /** The keys that requests are encrypted to, likewise. */
  readonly encryptionKeys: () => EncryptionKeys;
  /** Reads every file anew and swaps the whole, or keeps the old one. Returns what was wrong, else ''. Rejects only for a fault of ours. */
  readonly reload: () => Promise<string>;
};

/** What takes effect by a reload; everything else of gateway.yaml is joined to sockets, files and processes that are open. */
const RELOADED: readonly string[] = [
  'file',
  'hosts',
  'operations',
  'plans',
  'policy',
  'merchants',
  'blocked',
  'revocation',
  'authorities',
  'identity',
  'answers',
  'encryption',
];
/** The same for the keys of a listener. */
const RELOADED_OF_LISTENER: readonly string[] = ['certificate', 'key', 'certificates', 'authorities', 'balancerAuthorities', 'balancers'];

type Loaded = { readonly snapshot: Snapshot; readonly answerKeys: AnswerKeys; readonly encryptionKeys: EncryptionKeys };

/** All or nothing. Throws a UserError. */
function load(config: GatewayConfig): Loaded {
  const { answers, encryption, profile } = config;
  const options = { production: profile === 'production', nowMs: systemClock.nowMs() };
  const answerKeys = loadAnswerKeys({ answerKeys: answers.keys, ...options });
  const encryptionKeys = loadEncryptionKeys(encryption.keys, options);
  return { snapshot: loadRegistry(config), answerKeys, encryptionKeys };
}

/** Merchants, plans, operations, hosts, certificates, authorities, keys of the gateway, blocked certificates and CRLs, read whole and swapped whole. Throws a UserError at the first load. */
export function createRegistry(options: ReloadOptions): Registry {
  let loaded = load(options.config);
  let reloading: Promise<string> = Promise.resolve('');

  const reloadOnce = async (): Promise<string> => {
    try {
      const config = options.readConfig();
      const next = load(config);
      const exchange = options.prepare(config);
      loaded = next;
      exchange();
      const deferred = findDeferred(options.config, config);
      if (deferred.length > 0) options.onDeferred(deferred);
      await options.onTaken(config);
      return '';
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      options.onRefused(error.message);
      return error.message;
    }
  };

  return {
    snapshot: () => loaded.snapshot,
    answerKeys: () => loaded.answerKeys,
    encryptionKeys: () => loaded.encryptionKeys,
    // One after the other: what was asked for later must see files that were written later.
    reload: () => {
      reloading = reloading.then(reloadOnce, reloadOnce);
      return reloading;
    },
  };
}

function findDeferred(started: GatewayConfig, now: GatewayConfig): string[] {
  const budgets = ({ answers: { keys: _reloaded, ...others } }: GatewayConfig): string => JSON.stringify(others);
  const keys = (Object.keys(now) as (keyof GatewayConfig)[]).filter((key) => !RELOADED.includes(key));
  const text = (config: GatewayConfig, key: keyof GatewayConfig): string =>
    JSON.stringify(config[key], (name, value) => (key === 'listeners' && RELOADED_OF_LISTENER.includes(name) ? undefined : value));
  const changed = keys.filter((key) => text(started, key) !== text(now, key));
  return budgets(started) === budgets(now) ? changed : [...changed, 'answers'];
}
