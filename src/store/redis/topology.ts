import { type ChainableCommander, Redis, type RedisOptions } from 'ioredis';
import { StoreUnavailable } from '../../ports/store.ts';
import type { Endpoint } from './address.ts';

/** What one node of a Cluster says about all. */
export type Topology = {
  /** The Cluster's configuration epoch as this node knows it: it grows with every fail-over. */
  readonly epoch: number;
  /** Slots of each master, by `host:port`. */
  readonly masters: ReadonlyMap<string, Master>;
  /** Everybody who can be asked, replicas too. */
  readonly endpoints: readonly Endpoint[];
};

export type Master = Endpoint & { readonly ranges: readonly (readonly [first: number, last: number])[] };

type NodeRow = readonly [host: string | null, port: number, ...rest: readonly unknown[]];
type SlotRow = readonly [first: number, last: number, ...nodes: readonly NodeRow[]];

export const nameOf = ({ host, port }: Endpoint): string => `${host}:${port}`;

/** Asks a node of a Cluster, `asked`, that this client speaks to: one round trip. Rejects with its reply when it is not part of one. */
export async function askTopology(client: Redis, asked: Endpoint): Promise<Topology> {
  const [info, slots] = await resultsOf(client.pipeline().call('CLUSTER', 'INFO').call('CLUSTER', 'SLOTS'));
  const epoch = Number(/^cluster_current_epoch:(\d+)/m.exec(String(info))?.[1] ?? Number.NaN);
  if (!Number.isSafeInteger(epoch)) throw new StoreUnavailable("redis does not tell its cluster's epoch");
  return { epoch, ...readSlots(slots as readonly SlotRow[], asked) };
}

function readSlots(rows: readonly SlotRow[], asked: Endpoint): Omit<Topology, 'epoch'> {
  const ranges = new Map<string, [number, number][]>();
  const endpoints = new Map<string, Endpoint>();
  for (const [first, last, ...nodes] of rows) {
    for (const [index, [host, port]] of nodes.entries()) {
      // A node that does not know its own address leaves it out: it is where it was asked. `?` is one that hides its name.
      const endpoint = { host: host && host !== '?' ? host : asked.host, port };
      endpoints.set(nameOf(endpoint), endpoint);
      if (index === 0) ranges.set(nameOf(endpoint), [...(ranges.get(nameOf(endpoint)) ?? []), [first, last]]);
    }
  }
  const masters = new Map<string, Master>();
  for (const [name, of] of ranges) masters.set(name, { ...(endpoints.get(name) as Endpoint), ranges: of.sort(([a], [b]) => a - b) });
  return { masters, endpoints: [...endpoints.values()] };
}

/** Asks over a connection of its own, which is closed again. */
export async function askSeed(seed: Endpoint, options: RedisOptions): Promise<Topology> {
  const client = new Redis({
    ...options,
    ...seed,
    replyMapping: 'legacy',
    connectionName: 'hufu-topology',
    lazyConnect: true,
    retryStrategy: () => null,
    maxRetriesPerRequest: 0,
    enableReadyCheck: false,
  });
  // Also those of the greeting, such as a refused password, which do not reject `connect`.
  let greeting: Error | undefined;
  client.on('error', (error) => {
    greeting ??= error;
  });
  try {
    await client.connect();
    return await askTopology(client, seed);
  } catch (error) {
    throw greeting ?? error;
  } finally {
    client.disconnect();
  }
}

/** The replies of a pipeline; the first that is an error is thrown. */
export async function resultsOf(pipeline: ChainableCommander): Promise<unknown[]> {
  const results = (await pipeline.exec()) ?? [];
  return results.map(([error, value]) => {
    if (error) throw error;
    return value;
  });
}
