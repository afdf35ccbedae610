import type { Redis } from 'ioredis';
import { type Connection, type ConnectionOptions, openConnection } from './connection.ts';

/** One server of the store, over one connection that comes back by itself. */
export type Server = {
  readonly send: Connection['send'];
  /** Its run, as the present connection was told; undefined while there is none that has been checked. */
  runId: string | undefined;
  /** Of a Cluster: the slots it holds, as `0-5460`; '' of a single server. */
  slots: string;
  /** Of a Cluster: a key in a slot of this server, which is gone when the server was emptied. */
  witness: string | undefined;
  readonly close: () => Promise<void>;
};

/** All servers of the store: one, or the masters of a Cluster. */
export type Servers = {
  /** The server that holds a key. Throws StoreUnavailable when there is none. */
  readonly of: (key: string) => Server;
  readonly all: () => readonly Server[];
  /** Looks for servers that came and went. Rejects with StoreUnavailable when it cannot be known. */
  readonly refresh: () => Promise<void>;
  readonly close: () => Promise<void>;
};

/** Sends to the server that holds the key, in this turn. */
export type Send = <T>(key: string, command: (client: Redis) => Promise<T>) => Promise<T>;

export type ServerOptions = Omit<ConnectionOptions, 'check' | 'forget'> & {
  /** Whether a server may be used, asked on every new connection; resolves with its run id. */
  readonly check: (client: Redis) => Promise<string>;
};

/** What tells a server apart from what it was when the epoch was written: its run, and its part of a Cluster. */
export const identityOf = ({ runId, slots }: Server): string | undefined =>
  runId === undefined || slots === '' ? runId : `${runId}:${slots}`;

/** Throws and rejects as openConnection does. */
export async function openServer({ check, ...options }: ServerOptions): Promise<Server> {
  let runId: string | undefined;
  const connection = await openConnection({
    ...options,
    check: async (client) => {
      runId = await check(client);
    },
    forget: () => {
      runId = undefined;
    },
  });
  return {
    ...connection,
    get runId() {
      return runId;
    },
    set runId(told) {
      runId = told;
    },
    slots: '',
    witness: undefined,
  };
}

/** A store on one server, or on what a Sentinel or a proxy shows as one. */
export async function openSingle(options: ServerOptions): Promise<Servers> {
  const server = await openServer(options);
  return { of: () => server, all: () => [server], refresh: async () => undefined, close: server.close };
}

/** Sends to the server of a key; see Send. */
export const sendTo =
  (servers: Servers): Send =>
  async (key, command) =>
    servers.of(key).send(command);

/** The keys by the server that holds them. Throws StoreUnavailable when one has none. */
export function groupByServer(servers: Servers, keys: readonly string[]): ReadonlyMap<Server, readonly string[]> {
  const groups = new Map<Server, string[]>();
  for (const key of keys) {
    const server = servers.of(key);
    const group = groups.get(server);
    if (group) group.push(key);
    else groups.set(server, [key]);
  }
  return groups;
}
