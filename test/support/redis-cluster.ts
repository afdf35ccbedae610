import assert from 'node:assert/strict';
import { keySlot, SLOTS } from '../../src/store/redis/key-slot.ts';
import { eventually } from './eventually.ts';
import { freePorts } from './process.ts';
import { startRedis, type TestRedis } from './redis.ts';

/** Masters of a Cluster, all real; with `replica`, the first has one. */
export type TestCluster = {
  /** For openRedisStore: names two nodes. */
  readonly url: string;
  readonly nodes: readonly TestRedis[];
  /** The master of a key's slot. */
  readonly nodeOf: (key: string) => TestRedis;
  /** Resolves when every node says that the Cluster works. */
  readonly settled: () => Promise<void>;
  /** The first master's replica takes over, by its own wish; the other one stays, as its replica. */
  readonly failOver: () => Promise<void>;
  readonly dispose: () => Promise<void>;
};

const portOf = (node: TestRedis): number => Number(new URL(node.url).port);
/** A node speaks to the others at its port and this much. */
const BUS = 10_000;
/** From there on the system gives ports to outgoing connections. */
const BUS_MAX = 32_768;

const MASTERS = 3;

/** Starts three masters that share the slots. `settings` are those of every one. */
export async function startRedisCluster({ settings = [] as readonly string[], replica = false } = {}): Promise<TestCluster> {
  const count = replica ? MASTERS + 1 : MASTERS;
  const fixed = ['--cluster-enabled', 'yes', '--cluster-node-timeout', '2000'];
  const nodes: TestRedis[] = [];
  // A port, or the one for the bus above it, may have been taken meanwhile: then another is tried.
  for (let tries = 0; nodes.length < count && tries < 10; tries += 1) {
    const ports = (await freePorts(16 * count)).filter((port) => port + BUS < BUS_MAX).slice(0, count - nodes.length);
    const started = await Promise.allSettled(ports.map((port) => startRedis({ own: true, port, settings: [...fixed, ...settings] })));
    nodes.push(...started.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : [])));
  }
  const dispose = async () => {
    await Promise.all(nodes.map((node) => node.dispose()));
  };
  const settled = () =>
    eventually(async () => {
      for (const node of nodes) {
        const state = String(await node.client.cluster('INFO'));
        assert.match(state, /cluster_state:ok/);
        assert.match(state, new RegExp(`cluster_known_nodes:${count}\\r`));
      }
    }, 20_000);
  const first = (n: number) => Math.floor((n * SLOTS) / MASTERS);
  const follower = nodes[MASTERS] as TestRedis;
  try {
    assert.equal(nodes.length, count);
    for (const [n, node] of nodes.entries()) {
      await node.client.call('CLUSTER', 'SET-CONFIG-EPOCH', n + 1);
      if (n < MASTERS) await node.client.call('CLUSTER', 'ADDSLOTSRANGE', first(n), first(n + 1) - 1);
    }
    for (const node of nodes.slice(1)) await node.client.call('CLUSTER', 'MEET', '127.0.0.1', portOf(nodes[0] as TestRedis));
    await settled();
    if (replica) await follow(follower, nodes[0] as TestRedis);
  } catch (error) {
    await dispose();
    throw error;
  }
  return {
    url: `redis+cluster://${nodes
      .slice(0, 2)
      .map((node) => `127.0.0.1:${portOf(node)}`)
      .join(',')}`,
    nodes,
    nodeOf: (key) => nodes.slice(0, MASTERS).findLast((_, n) => first(n) <= keySlot(key)) as TestRedis,
    settled,
    failOver: async () => {
      await follower.client.call('CLUSTER', 'FAILOVER');
      await eventually(async () => assert.match(String(await follower.client.info('replication')), /role:master/), 20_000);
    },
    dispose,
  };
}

async function follow(replica: TestRedis, master: TestRedis): Promise<void> {
  const id = String(await master.client.call('CLUSTER', 'MYID'));
  await eventually(() => replica.client.call('CLUSTER', 'REPLICATE', id), 20_000);
  await eventually(async () => assert.match(String(await replica.client.info('replication')), /master_link_status:up/), 20_000);
}
