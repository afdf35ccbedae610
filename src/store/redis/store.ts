import type { ConnectionOptions as TlsOptions } from 'node:tls';
import type { AnnouncingStore } from '../../ports/announcements.ts';
import type { KeyKeepingStore } from '../../ports/working-keys.ts';
import { readRedisAddress } from './address.ts';
import { announcementCommands } from './announcements.ts';
import { openConnection } from './connection.ts';
import { epochCommands, watchEpoch } from './epoch.ts';
import { namesUnder } from './names.ts';
import { noteCommands } from './notes.ts';
import { createReplicaCheck } from './replicas.ts';
import { slotCommands } from './slot.ts';
import { workingKeyCommands } from './working-keys.ts';

const COMMAND_TIMEOUT_MS = 500;
const CONNECT_TIMEOUT_MS = 1000;
const PREFIX = 'hufu:';

export type RedisStoreOptions = {
  /** `redis://[user:password@]host[:port][/database]`, `rediss://` for TLS; `?protocol=2` for RESP2, `?prefix=NAME:` for another prefix. */
  readonly url: string;
  /** How long a command may take before it rejects with StoreUnavailable; default 500. */
  readonly commandTimeoutMs?: number;
  /** How long connecting may take, and how long opening waits for it; default 1000. */
  readonly connectTimeoutMs?: number;
  /** What every key begins with; default that of the address, else `hufu:`. */
  readonly prefix?: string;
  /** For `rediss://`: other authorities than those Node trusts, or a certificate of our own. */
  readonly tls?: TlsOptions;
  /** Refuses a master with replicas that may lose what it acknowledged without bound; default false. */
  readonly production?: boolean;
  /** What the operator should know, and what does not keep the store from working. */
  readonly onWarning?: (line: string) => void;
};

/**
 * The store on one Redis server (6.2 or newer), or on what a Sentinel or a proxy shows as one.
 *
 * Opening does not fail while the server is away: every command then rejects with StoreUnavailable at once, and the
 * connection comes back by itself. It throws a UserError for a bad address, refused credentials, a server that evicts, and in production for replicas that need not follow.
 */
export async function openRedisStore(options: RedisStoreOptions): Promise<AnnouncingStore & KeyKeepingStore> {
  const { prefix, ...address } = readRedisAddress(options.url);
  const names = namesUnder(options.prefix ?? prefix ?? PREFIX);
  const watch = watchEpoch(names, options.production ? createReplicaCheck(options.onWarning ?? (() => undefined)) : undefined);
  const server = {
    address: address.tls && options.tls ? { ...address, tls: options.tls } : address,
    connectTimeoutMs: options.connectTimeoutMs ?? CONNECT_TIMEOUT_MS,
  };
  const connection = await openConnection({
    ...server,
    commandTimeoutMs: options.commandTimeoutMs ?? COMMAND_TIMEOUT_MS,
    check: watch.check,
    forget: watch.forget,
  });
  return {
    kind: 'redis',
    ...slotCommands(connection, names, watch),
    ...epochCommands(connection, names, watch),
    announcements: announcementCommands(connection, names, server),
    notes: noteCommands(connection, names),
    workingKeys: workingKeyCommands(connection, names),
    close: connection.close,
  };
}
