import type { ConnectionOptions as TlsOptions } from 'node:tls';
import type { AnnouncingStore } from '../../ports/announcements.ts';
import type { KeyKeepingStore } from '../../ports/working-keys.ts';
import { type RedisAddress, readRedisAddress } from './address.ts';
import { announcementCommands } from './announcements.ts';
import { openCluster } from './cluster.ts';
import { createServerCheck, epochCommands, watchEpoch } from './epoch.ts';
import { namesUnder } from './names.ts';
import { noteCommands } from './notes.ts';
import type { PushOptions } from './push.ts';
import { createReplicaCheck } from './replicas.ts';
import { openSingle, type Servers, sendTo } from './servers.ts';
import { slotCommands } from './slot.ts';
import { withoutShared } from './without-shared.ts';
import { workingKeyCommands } from './working-keys.ts';

const COMMAND_TIMEOUT_MS = 500;
const CONNECT_TIMEOUT_MS = 1000;
const PREFIX = 'hufu:';

export type RedisStoreOptions = {
  /** As readRedisAddress reads it: one server, Sentinels and the name of a master, or nodes of a Cluster. */
  readonly url: string;
  /** How long a command may take before it rejects with StoreUnavailable; default 500. */
  readonly commandTimeoutMs?: number;
  /** How long connecting may take, and how long opening waits for it; default 1000. */
  readonly connectTimeoutMs?: number;
  /** What every key begins with; default that of the address, else `hufu:`. */
  readonly prefix?: string;
  /** For `rediss:`: other authorities than those Node trusts, or a certificate of our own. */
  readonly tls?: TlsOptions;
  /** Refuses a master with replicas that may lose what it acknowledged without bound; default false. */
  readonly production?: boolean;
  /** What the operator should know, and what does not keep the store from working. */
  readonly onWarning?: (line: string) => void;
};

/**
 * The store on Redis (6.2 or newer): one server or what a proxy shows as one, the master that Sentinels name, or the masters of a Cluster.
 *
 * Opening does not fail while the server is away: every command then rejects with StoreUnavailable at once, and the
 * connection comes back by itself. It throws a UserError for a bad address, refused credentials, a server that evicts, and in production for replicas that need not follow.
 */
export async function openRedisStore(options: RedisStoreOptions): Promise<AnnouncingStore & KeyKeepingStore> {
  const { prefix: named, nodes, ...address } = withTls(readRedisAddress(options.url), options.tls);
  const prefix = options.prefix ?? named ?? PREFIX;
  const onWarning = options.onWarning ?? (() => undefined);
  const server = {
    address,
    connectTimeoutMs: options.connectTimeoutMs ?? CONNECT_TIMEOUT_MS,
    commandTimeoutMs: options.commandTimeoutMs ?? COMMAND_TIMEOUT_MS,
    check: createServerCheck(options.production ? createReplicaCheck(onWarning, address.sentinels !== undefined) : undefined),
  };
  const servers = await (nodes ? openCluster({ ...server, nodes, prefix, onWarning }) : openSingle(server));
  const push = { addresses: nodes?.map((node) => ({ ...address, ...node })) ?? [address], connectTimeoutMs: server.connectTimeoutMs };
  const store = storeOn(servers, prefix, push);
  return nodes ? withoutShared(store) : store;
}

function storeOn(servers: Servers, prefix: string, push: PushOptions): AnnouncingStore & KeyKeepingStore {
  const names = namesUnder(prefix);
  const send = sendTo(servers);
  const watch = watchEpoch(servers, names);
  return {
    kind: 'redis',
    ...slotCommands(servers, names, watch),
    ...epochCommands(servers, names, watch),
    announcements: announcementCommands(send, names, push),
    notes: noteCommands(send, names),
    workingKeys: workingKeyCommands(send, names),
    close: servers.close,
  };
}

function withTls(address: RedisAddress, tls: TlsOptions | undefined): RedisAddress {
  if (!address.tls || !tls) return address;
  return { ...address, tls, ...(address.sentinels ? { sentinelTLS: tls } : {}) };
}
