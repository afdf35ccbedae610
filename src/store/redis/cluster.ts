import type { RedisOptions } from 'ioredis';
import { UserError } from '../../lib/user-error.ts';
import { StoreUnavailable } from '../../ports/store.ts';
import type { Endpoint } from './address.ts';
import { CREDENTIALS_REFUSED } from './connection.ts';
import { findReplyCode, storeFailure } from './failure.ts';
import { keySlot, SLOTS, tagOfSlot } from './key-slot.ts';
import { openServer, type Server, type ServerOptions, type Servers } from './servers.ts';
import { askSeed, askTopology, type Master, nameOf, type Topology } from './topology.ts';

export type ClusterOptions = Omit<ServerOptions, 'address'> & {
  readonly address: RedisOptions;
  readonly nodes: readonly Endpoint[];
  /** What every key begins with. */
  readonly prefix: string;
  /** A master that joined later and cannot be used, and why. */
  readonly onWarning: (line: string) => void;
};

type Cluster = ClusterOptions & {
  topology: Topology | undefined;
  readonly servers: Map<string, Server>;
  /** By slot. */
  table: readonly (Server | undefined)[];
  refreshing: Promise<void> | undefined;
  warned: string;
};

/**
 * The masters of a Redis Cluster, each over one connection of the kind a single server has: nothing is asked of a master before it
 * was checked, and nothing is sent twice. A reply that the slot lives elsewhere is a refusal like others; the next refresh, which
 * every look at the epoch makes, finds the new place.
 *
 * Resolves also when no node can be reached. Throws a UserError when one refuses the credentials, is no Cluster, or a master may not be used.
 */
export async function openCluster(options: ClusterOptions): Promise<Servers> {
  const cluster: Cluster = { ...options, topology: undefined, servers: new Map(), table: [], refreshing: undefined, warned: '' };
  const close = async () => {
    await Promise.all([...cluster.servers.values()].map((server) => server.close()));
  };
  try {
    await follow(cluster, true);
  } catch (error) {
    if (!(error instanceof StoreUnavailable)) {
      await close();
      throw error;
    }
  }
  return {
    of: (key) => {
      const server = cluster.table[keySlot(key)];
      if (!server) throw new StoreUnavailable('redis has no master for the slot, as far as is known');
      return server;
    },
    all: () => [...cluster.servers.values()],
    refresh: () => {
      cluster.refreshing ??= follow(cluster, false).finally(() => {
        cluster.refreshing = undefined;
      });
      return cluster.refreshing;
    },
    close,
  };
}

/** Asks, and opens and closes connections accordingly. */
async function follow(cluster: Cluster, isFirst: boolean): Promise<void> {
  const found = await ask(cluster, isFirst);
  const isOlder = cluster.topology !== undefined && found.epoch < cluster.topology.epoch;
  const topology = isOlder ? (cluster.topology as Topology) : found;
  cluster.topology = topology;
  const gone = [...cluster.servers].filter(([name]) => !topology.masters.has(name));
  for (const [name] of gone) cluster.servers.delete(name);
  // All of them come to their end, so that what was opened is known to whoever closes it.
  const placed = await Promise.allSettled([...topology.masters.values()].map((master) => place(cluster, master, isFirst)));
  for (const result of placed) if (result.status === 'rejected') throw result.reason;
  cluster.table = tableOf(cluster, topology);
  for (const [, server] of gone) void server.close();
}

/** Every master that answers is asked, and the view of the latest fail-over counts; without one, all nodes ever heard of. */
async function ask(
  { servers, topology, nodes, address, connectTimeoutMs, commandTimeoutMs }: Cluster,
  isFirst: boolean,
): Promise<Topology> {
  const connected = [...servers].filter(([, { runId }]) => runId !== undefined);
  const told = await Promise.allSettled(
    connected.map(([name, server]) => server.send((client) => askTopology(client, topology?.masters.get(name) as Master))),
  );
  const best = latest(told);
  if (best) return best;
  const options = { ...address, connectTimeout: connectTimeoutMs, commandTimeout: commandTimeoutMs };
  const known = new Map([...nodes, ...(topology?.endpoints ?? [])].map((endpoint) => [nameOf(endpoint), endpoint]));
  const seeds = await Promise.allSettled([...known.values()].map((seed) => askSeed(seed, options)));
  const view = latest(seeds);
  if (view) return view;
  const reasons: unknown[] = seeds.map((result) => (result.status === 'rejected' ? result.reason : undefined));
  const fatal = isFirst ? reasons.map(findMistake).find((mistake) => mistake !== undefined) : undefined;
  throw fatal ?? storeFailure(reasons[0]);
}

function latest(answers: readonly PromiseSettledResult<Topology>[]): Topology | undefined {
  const views = answers.flatMap((answer) => (answer.status === 'fulfilled' && answer.value.masters.size > 0 ? [answer.value] : []));
  return views.sort((a, b) => b.epoch - a.epoch)[0];
}

/** What no waiting mends. */
function findMistake(error: unknown): UserError | undefined {
  if (CREDENTIALS_REFUSED.includes(findReplyCode(error))) return new UserError(`the store cannot be used: ${storeFailure(error).message}`);
  if (/cluster support disabled/.test(String(error)))
    return new UserError('the store is no Redis Cluster: write redis:// or rediss:// instead of redis+cluster:// or rediss+cluster://');
  return undefined;
}

/** Brings one master up to date, connecting to it if need be. */
async function place(cluster: Cluster, master: Master, isFirst: boolean): Promise<void> {
  const name = nameOf(master);
  let server = cluster.servers.get(name);
  if (!server) {
    const { host, port } = master;
    try {
      server = await openServer({ ...cluster, address: { ...cluster.address, host, port } });
    } catch (error) {
      if (isFirst) throw error;
      const line = `a master of the store's cluster cannot be used: ${(error as Error).message}`;
      if (line !== cluster.warned) cluster.onWarning(line);
      cluster.warned = line;
      return;
    }
    cluster.servers.set(name, server);
  }
  const [[first] = [0]] = master.ranges;
  server.slots = master.ranges.map(([from, to]) => `${from}-${to}`).join(',');
  server.witness = `${cluster.prefix}{${tagOfSlot(first)}}:witness`;
}

function tableOf({ servers }: Cluster, { masters }: Topology): readonly (Server | undefined)[] {
  const table = new Array<Server | undefined>(SLOTS).fill(undefined);
  for (const [name, { ranges }] of masters) for (const [first, last] of ranges) table.fill(servers.get(name), first, last + 1);
  return table;
}
