import type { ChainableCommander, Redis } from 'ioredis';
import { UserError } from '../../lib/user-error.ts';
import { type EpochState, type Store, StoreUnavailable } from '../../ports/store.ts';
import type { Connection } from './connection.ts';
import type { Names } from './names.ts';
import type { ReplicaCheck } from './replicas.ts';
import { runScript } from './scripts.ts';

type EpochRecord = {
  readonly epoch: string;
  /** The server's run that the epoch was written for. */
  readonly runId: string;
  readonly isOpen: boolean;
  readonly closedUntilMs: number;
  readonly reported: readonly string[];
};

/** The record of the store's epoch, if one is written, and the server it was read from. */
type Seen = {
  readonly record: EpochRecord | undefined;
  readonly runId: string;
  readonly storeNowMs: number;
};

/** What this process knows about the store as a whole. */
export type EpochWatch = {
  /** Reads record, run id and clock in one round trip. */
  readonly read: (client: Redis) => Promise<void>;
  /** The same, and whether the server may be used at all; runs on every new connection. */
  readonly check: (client: Redis) => Promise<void>;
  readonly forget: () => void;
  readonly seen: () => Seen;
  /** Whether this epoch was the store's when it was last looked at, on the server that it was written for. */
  readonly isCurrent: (epoch: string) => boolean;
};

const REPORTED = 'reported:';

/**
 * Watches the epoch. The run id of the server belongs to it: a server that was started anew or took over as master has
 * lost its last writes or all of them, whatever record it still holds (contract.md section 8). `checkReplicas`: where given, also
 * asks whether a master with replicas may be used.
 */
export function watchEpoch(names: Names, checkReplicas?: ReplicaCheck): EpochWatch {
  let seen: Seen | undefined;
  const take = (record: unknown, info: unknown, time: unknown) => {
    seen = { record: readRecord(record), runId: readInfo(info, 'run_id'), storeNowMs: readTime(time) };
  };
  return {
    read: async (client) => {
      const [record, info, time] = await resultsOf(client.pipeline().hgetall(names.epoch).info('server').time());
      take(record, info, time);
    },
    check: async (client) => {
      const [record, info, time] = await resultsOf(client.pipeline().hgetall(names.epoch).info().time());
      checkServer(info);
      await checkReplicas?.(client, Number(readInfo(info, 'connected_slaves')));
      take(record, info, time);
    },
    forget: () => {
      seen = undefined;
    },
    seen: () => {
      if (!seen) throw new StoreUnavailable('redis is not connected');
      return seen;
    },
    isCurrent: (epoch) => seen?.record?.epoch === epoch && seen.record.runId === seen.runId,
  };
}

/** The part of Store that is about the store as a whole. */
export function epochCommands(
  connection: Connection,
  names: Names,
  watch: EpochWatch,
): Pick<Store, 'epoch' | 'beginEpoch' | 'report' | 'openEpoch' | 'openSlot' | 'merchants'> {
  const send = connection.send;
  return {
    epoch: async () => {
      await send(watch.read);
      return { state: stateOf(watch.seen()), storeNowMs: watch.seen().storeNowMs };
    },
    beginEpoch: async ({ epoch, previous }) => {
      await send(watch.read);
      const { runId } = watch.seen();
      const begun = await send((client) => runScript(client, 'begin-epoch', names.epoch, [previous ?? '', epoch, runId]));
      if (begun !== 1) return false;
      const merchantNumbers = await send((client) => client.smembers(names.merchants));
      await send((client) => closeSlots(client, names, merchantNumbers));
      await send(watch.read);
      return true;
    },
    report: async ({ epoch, instance, closedUntilMs }) => {
      await send((client) => runScript(client, 'report', names.epoch, [epoch, instance, closedUntilMs]));
    },
    openEpoch: async ({ epoch, instances, merchantNumbers, nowMs }) => {
      const runOpen = async (write: 0 | 1) =>
        (await send((client) => runScript(client, 'open-epoch', names.epoch, [epoch, nowMs, write, ...instances]))) === 1;
      if (!(await runOpen(0))) return false;
      // The slots first: whoever then reads that the epoch is open need not doubt them, even if this process dies here.
      await send((client) => openSlots(client, names, merchantNumbers, epoch));
      return runOpen(1);
    },
    openSlot: async ({ merchantNumber, epoch }) => {
      await send(watch.read);
      if (watch.isCurrent(epoch) && watch.seen().record?.isOpen) await send((client) => openSlots(client, names, [merchantNumber], epoch));
    },
    merchants: () => send((client) => client.smembers(names.merchants)),
  };
}

/** The merchant is known before its slot opens, so that whoever looks for claims finds every slot that may hold one. */
async function openSlots(client: Redis, names: Names, merchantNumbers: readonly string[], epoch: string): Promise<void> {
  if (merchantNumbers.length === 0) return;
  const pipeline = client.pipeline().sadd(names.merchants, ...merchantNumbers);
  for (const merchantNumber of merchantNumbers) pipeline.set(names.slotEpoch(merchantNumber), epoch);
  await resultsOf(pipeline);
}

/** One command for each slot, since two of them may live on two nodes. */
async function closeSlots(client: Redis, names: Names, merchantNumbers: readonly string[]): Promise<void> {
  const pipeline = client.pipeline();
  for (const merchantNumber of merchantNumbers) pipeline.unlink(names.slotEpoch(merchantNumber));
  await resultsOf(pipeline);
}

/** The replies of a pipeline; the first that is an error is thrown. */
async function resultsOf(pipeline: ChainableCommander): Promise<unknown[]> {
  const results = (await pipeline.exec()) ?? [];
  return results.map(([error, value]) => {
    if (error) throw error;
    return value;
  });
}

function stateOf({ record, runId }: Seen): EpochState {
  if (!record) return { kind: 'lost' };
  const { epoch, isOpen, reported, closedUntilMs } = record;
  if (record.runId !== runId) return { kind: 'lost', previous: epoch };
  return { kind: isOpen ? 'open' : 'rebuilding', epoch, reported, slotsClosedUntilMs: closedUntilMs };
}

function readRecord(reply: unknown): EpochRecord | undefined {
  const fields = new Map(Object.entries(reply as Readonly<Record<string, string>>));
  const epoch = fields.get('epoch');
  if (epoch === undefined) return undefined;
  const reported = [...fields.keys()].filter((field) => field.startsWith(REPORTED));
  return {
    epoch,
    runId: fields.get('runId') ?? '',
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
