import type { ChainableCommander, Redis } from 'ioredis';
import { UserError } from '../../lib/user-error.ts';
import { type EpochState, type Store, StoreUnavailable } from '../../ports/store.ts';
import type { Names } from './names.ts';
import type { ReplicaCheck } from './replicas.ts';
import { runScript } from './scripts.ts';
import { groupByServer, identityOf, type Server, type Servers, sendTo } from './servers.ts';
import { resultsOf } from './topology.ts';

type EpochRecord = {
  readonly epoch: string;
  /** The servers that the epoch was written for, each by its run and its part of a Cluster. */
  readonly servers: readonly string[];
  readonly isOpen: boolean;
  readonly closedUntilMs: number;
  readonly reported: readonly string[];
};

/** What one look at all servers found. */
type Seen = {
  /** The record of the store's epoch, if one is written. */
  readonly record: EpochRecord | undefined;
  /** Whether a server that was asked is none of those, or has lost its witness. */
  readonly isLost: boolean;
  /** Servers that did not answer. */
  readonly silent: number;
  readonly storeNowMs: number;
};

/** What this process knows about the store as a whole. */
export type EpochWatch = {
  /** Reads record, runs and clock: one round trip, all servers at once. Rejects when the server of the record does not answer. */
  readonly read: () => Promise<Seen>;
  /** Whether this epoch was the store's when it was last looked at, and the server of the key is one that it was written for. */
  readonly isCurrent: (epoch: string, key: string) => boolean;
};

const REPORTED = 'reported:';

/** Whether a server may be used at all; resolves with its run id. `checkReplicas`: where given, also asks whether a master with replicas may be used. */
export const createServerCheck =
  (checkReplicas?: ReplicaCheck) =>
  async (client: Redis): Promise<string> => {
    const info = await client.info();
    checkServer(info);
    await checkReplicas?.(client, Number(readInfo(info, 'connected_slaves')));
    return readInfo(info, 'run_id');
  };

/**
 * Watches the epoch. The run ids of the servers belong to it: a server that was started anew or took over as master has
 * lost its last writes or all of them, whatever record it still holds (contract.md section 8). So do the slots that each master of a
 * Cluster holds, since slots may be given to a master without what was in them; and a witness on each, since a master that was
 * emptied (FLUSHALL) stays the same run, and the record may live on another.
 */
export function watchEpoch(servers: Servers, names: Names): EpochWatch {
  let record: EpochRecord | undefined;
  const read = async (): Promise<Seen> => {
    await servers.refresh();
    const home = servers.of(names.epoch);
    const others = servers.all().filter((server) => server !== home);
    const [looked, ...rest] = await Promise.all([look(home, names.epoch), ...others.map((server) => look(server).catch(() => undefined))]);
    const { fields, nowMs } = looked;
    record = readRecord(fields);
    const answered = [looked, ...rest].filter((one) => one !== undefined);
    const isLost = answered.some(({ server, witnessed }) => !isOf(record, server) || !hasWitness(record, server, witnessed));
    return { record, isLost, silent: rest.length + 1 - answered.length, storeNowMs: nowMs };
  };
  const isCurrent = (epoch: string, key: string) => record?.epoch === epoch && isOf(record, servers.of(key));
  return { read, isCurrent };
}

function isOf(record: EpochRecord | undefined, server: Server): boolean {
  const identity = identityOf(server);
  if (!record || identity === undefined) return false;
  return record.servers.includes(identity);
}

const hasWitness = (record: EpochRecord | undefined, { witness }: Server, witnessed: ReadonlySet<string>): boolean =>
  witness === undefined || witnessed.has(record?.epoch ?? '');

/** Asks one server what it is now; `key`: of a hash to read with it. */
async function look(server: Server, key?: string) {
  const { witness } = server;
  const [info, time, ...rest] = await server.send((client) => {
    const pipeline = client.pipeline().info('server').time();
    if (witness !== undefined) pipeline.hkeys(witness);
    return resultsOf(key === undefined ? pipeline : pipeline.hgetall(key));
  });
  server.runId = readInfo(info, 'run_id');
  const witnessed = new Set(witness === undefined ? [] : (rest.shift() as string[]));
  return { server, witnessed, nowMs: readTime(time), fields: rest[0] ?? {} };
}

/** The part of Store that is about the store as a whole. */
export function epochCommands(servers: Servers, names: Names, watch: EpochWatch): EpochCommands {
  const send = sendTo(servers);
  return {
    epoch: async () => {
      const seen = await watch.read();
      return { state: stateOf(seen), storeNowMs: seen.storeNowMs };
    },
    beginEpoch: async ({ epoch, previous }) => {
      const { silent } = await watch.read();
      // An epoch is written for all servers, and only where they have their witness: nobody can take it up before.
      if (silent > 0) throw new StoreUnavailable(`${silent} masters of redis do not answer`);
      const written = servers.all().map(identityOf).sort().join(' ');
      await Promise.all(servers.all().map((server) => writeWitness(server, epoch)));
      const begun = await send(names.epoch, (client) => runScript(client, 'begin-epoch', names.epoch, [previous ?? '', epoch, written]));
      if (begun !== 1) return false;
      const merchantNumbers = await send(names.merchants, (client) => client.smembers(names.merchants));
      await eachSlot(servers, names, merchantNumbers, (pipeline, key) => pipeline.unlink(key));
      await watch.read();
      return true;
    },
    report: async ({ epoch, instance, closedUntilMs }) => {
      await send(names.epoch, (client) => runScript(client, 'report', names.epoch, [epoch, instance, closedUntilMs]));
    },
    openEpoch: async ({ epoch, instances, merchantNumbers, nowMs }) => {
      const runOpen = async (write: 0 | 1) =>
        (await send(names.epoch, (client) => runScript(client, 'open-epoch', names.epoch, [epoch, nowMs, write, ...instances]))) === 1;
      if (!(await runOpen(0))) return false;
      // The slots first: whoever then reads that the epoch is open need not doubt them, even if this process dies here.
      await openSlots(servers, names, merchantNumbers, epoch);
      if (!(await runOpen(1))) return false;
      await Promise.all(servers.all().map((server) => forgetWitnesses(server, epoch)));
      return true;
    },
    openSlot: async ({ merchantNumber, epoch }) => {
      const { record } = await watch.read();
      if (watch.isCurrent(epoch, names.slot(merchantNumber)) && record?.isOpen) await openSlots(servers, names, [merchantNumber], epoch);
    },
    merchants: () => send(names.merchants, (client) => client.smembers(names.merchants)),
  };
}

type EpochCommands = Pick<Store, 'epoch' | 'beginEpoch' | 'report' | 'openEpoch' | 'openSlot' | 'merchants'>;

/** The merchant is known before its slot opens, so that whoever looks for claims finds every slot that may hold one. */
async function openSlots(servers: Servers, names: Names, merchantNumbers: readonly string[], epoch: string): Promise<void> {
  if (merchantNumbers.length === 0) return;
  await sendTo(servers)(names.merchants, (client) => client.sadd(names.merchants, ...merchantNumbers));
  await eachSlot(servers, names, merchantNumbers, (pipeline, key) => pipeline.set(key, epoch));
}

/** One command for each slot, since two of them may live on two nodes; one batch for each node. */
async function eachSlot(
  servers: Servers,
  names: Names,
  merchantNumbers: readonly string[],
  command: (pipeline: ChainableCommander, key: string) => ChainableCommander,
): Promise<void> {
  const groups = groupByServer(servers, merchantNumbers.map(names.slotEpoch));
  await Promise.all(
    [...groups].map(([server, keys]) => server.send((client) => resultsOf(keys.reduce<ChainableCommander>(command, client.pipeline())))),
  );
}

/** Beside those of epochs that others propose at the same time: only one of them is begun. */
async function writeWitness({ witness, send }: Server, epoch: string): Promise<void> {
  if (witness !== undefined) await send((client) => client.hset(witness, epoch, '1'));
}

/** Removes the witnesses of all other epochs. One that is proposed right now is thereby lost once more, and begun anew. */
async function forgetWitnesses({ witness, send }: Server, epoch: string): Promise<void> {
  if (witness === undefined) return;
  const others = (await send((client) => client.hkeys(witness))).filter((name) => name !== epoch);
  if (others.length > 0) await send((client) => client.hdel(witness, ...others));
}

function stateOf({ record, isLost }: Seen): EpochState {
  if (!record) return { kind: 'lost' };
  const { epoch, isOpen, reported, closedUntilMs } = record;
  if (isLost) return { kind: 'lost', previous: epoch };
  return { kind: isOpen ? 'open' : 'rebuilding', epoch, reported, slotsClosedUntilMs: closedUntilMs };
}

function readRecord(reply: unknown): EpochRecord | undefined {
  const fields = new Map(Object.entries(reply as Readonly<Record<string, string>>));
  const epoch = fields.get('epoch');
  if (epoch === undefined) return undefined;
  const reported = [...fields.keys()].filter((field) => field.startsWith(REPORTED));
  return {
    epoch,
    servers: (fields.get('runId') ?? '').split(' '),
    isOpen: fields.get('state') === 'open',
    closedUntilMs: Number(fields.get('closedUntilMs')),
    reported: reported.map((field) => field.slice(REPORTED.length)).sort(),
  };
}

/** A line of the answer to INFO. Throws StoreUnavailable when it is not there. */
function readInfo(info: unknown, field: string): string {
  const value = new RegExp(`^${field}:(.*?)\\r?$`, 'm').exec(String(info))?.[1];
  if (value === undefined) throw new StoreUnavailable(`redis does not tell its ${field}`);
  return value;
}

/** TIME answers seconds and microseconds. */
function readTime(reply: unknown): number {
  const [seconds, microseconds] = reply as [string, string];
  return Number(seconds) * 1000 + Math.floor(Number(microseconds) / 1000);
}

/** Throws a UserError when the server may evict keys, and StoreUnavailable when it is not a master. */
function checkServer(info: unknown): void {
  const policy = readInfo(info, 'maxmemory_policy');
  if (policy !== 'noeviction') {
    throw new UserError(
      `the store may evict nonces and claims: its maxmemory-policy is ${policy}; set it to noeviction (redis-cli CONFIG SET maxmemory-policy noeviction, and in redis.conf)`,
    );
  }
  const role = readInfo(info, 'role');
  if (role !== 'master') throw new StoreUnavailable(`redis is a ${role}, not a master`);
}
