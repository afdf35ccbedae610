import { createModelStore, emptyMemory, type Memory } from '../../src/admission/model.ts';
import { type EpochState, type Store, StoreUnavailable } from '../../src/ports/store.ts';
import type { Random } from './random.ts';
import type { Life, Scheduler } from './scheduler.ts';
import type { Witness } from './witness.ts';

/** One run of the store's server: it ends with everything that was under way to it. */
type Server = {
  readonly run: number;
  readonly memory: Memory;
  readonly store: Store;
  /** The run each epoch was written for. */
  readonly runs: Map<string, number>;
  /** Refuses what is under way when the server is gone. */
  readonly refusals: Set<() => void>;
  gone: boolean;
};

export type SimulatedStore = {
  /** The store as one process sees it: scripts run late, replies get lost, nothing is sent twice. */
  readonly connect: (life: Life) => Store;
  readonly memory: () => Memory;
  /** Everything is lost; a new empty server takes over. */
  readonly lose: () => void;
  /** The replica stops following, now. */
  readonly detachReplica: () => void;
  /** The replica takes over with what it held when it stopped following; false when it never did. */
  readonly failOver: () => boolean;
  /** Nobody reaches the server. */
  readonly setAway: (away: boolean) => void;
};

/** How often the network fails, per message. */
export type StoreFaults = {
  readonly replyLost: number;
  readonly scriptLost: number;
  readonly delayed: number;
  /** That the reply to an admission takes its time; those to other commands do so rarely. */
  readonly replyDelayed: number;
  /** That a reply which was under way when the server was lost still arrives. */
  readonly replySurvives: number;
  /** That a replay stops half way, and its process learns only that it failed. */
  readonly replayCut: number;
  /** How long a process waits for a reply, ms. */
  readonly timeoutMs: number;
};

/** Asked so often that the story leaves them out. */
const ROUTINE: ReadonlySet<keyof Store> = new Set(['epoch', 'findDue', 'merchants']);

/** What a command answers that was sent for another epoch or another run than the server's: nothing has changed. */
const OTHERWISE = {
  admit: { kind: 'rebuilding' },
  void: false,
  hold: false,
  release: false,
  settle: 'rebuilding',
  lease: undefined,
} as const;

export function createSimulatedStore(scheduler: Scheduler, random: Random, faults: StoreFaults, witness: Witness): SimulatedStore {
  let server = createServer(0, emptyMemory(), new Map());
  let replica: Pick<Server, 'memory' | 'runs'> | undefined;
  let away = false;

  const replace = (next: Server) => {
    server.gone = true;
    for (const refuse of server.refusals) refuse();
    server = next;
    replica = undefined;
    witness.storeLost();
  };

  const connect = (life: Life): Store => {
    const call =
      (name: keyof Store) =>
      (command: never): Promise<unknown> =>
        away ? Promise.reject(new StoreUnavailable('not connected')) : send(server, life, name, command);
    const names = Object.keys(server.store) as (keyof Store)[];
    return { ...Object.fromEntries(names.map((name) => [name, call(name)])), kind: 'model', close: async () => {} } as unknown as Store;
  };

  const send = (to: Server, life: Life, name: keyof Store, command: never): Promise<unknown> =>
    new Promise((resolve, reject) => {
      const what = `${name}${witness.about(command)}`;
      const calm = ROUTINE.has(name) ? 0.1 : 1;
      const lost = random.chance(faults.scriptLost * calm);
      const fail = (reason: string) => () => {
        done();
        reject(new StoreUnavailable(reason));
      };
      const refuse = fail('the connection broke');
      const cancelTimeout = scheduler.later(`${life.name}: ${what} times out`, fail('no answer in time'), {
        life,
        delayMs: faults.timeoutMs,
      });
      const done = () => {
        cancelTimeout();
        to.refusals.delete(refuse);
      };
      to.refusals.add(refuse);
      // The script runs without its process: also late, after the time-out, and after its death.
      const delayMs = random.chance(faults.delayed * calm) ? random.between(100, 12_000) : 0;
      if (lost) return;
      scheduler.later(
        ROUTINE.has(name) ? '' : `store: ${what} of ${life.name} runs`,
        () => {
          if (to.gone) return;
          const part = name === 'replay' && random.chance(faults.replayCut) ? cut(random, command) : undefined;
          void execute(to, name, part ?? command).then((result) => {
            if (part) return fail('the connection broke')();
            witness.ran(name, command, result);
            if (random.chance(faults.replySurvives)) to.refusals.delete(refuse);
            if (random.chance(faults.replyLost * calm)) return;
            const replyMs = random.chance(faults.replyDelayed * (name === 'admit' ? 1 : 0.02))
              ? random.between(10, faults.timeoutMs * 2)
              : 0;
            const reply = () => {
              done();
              resolve(result);
            };
            scheduler.later('', reply, { life, delayMs: replyMs });
          });
        },
        { delayMs },
      );
    });

  return {
    connect,
    memory: () => server.memory,
    lose: () => replace(createServer(server.run + 1, emptyMemory(), new Map())),
    detachReplica: () => {
      replica = { memory: copyMemory(server.memory), runs: new Map(server.runs) };
    },
    failOver: () => {
      if (!replica) return false;
      replace(createServer(server.run + 1, replica.memory, replica.runs));
      return true;
    },
    setAway: (next) => {
      away = next;
    },
  };
}

const createServer = (run: number, memory: Memory, runs: Map<string, number>): Server => ({
  run,
  memory,
  store: createModelStore(memory),
  runs,
  refusals: new Set(),
  gone: false,
});

/** A replay of only the first of its facts: a store may take them in several steps. */
function cut(random: Random, command: never): never {
  const replay: Parameters<Store['replay']>[0] = command;
  return { ...replay, facts: replay.facts.slice(0, random.between(0, replay.facts.length)) } as never;
}

/** An epoch that was written for another run of the server is no epoch (contract.md section 8). */
const isPresent = ({ memory, runs, run }: Server): boolean => memory.epoch !== undefined && runs.get(memory.epoch.id) === run;

async function execute(server: Server, name: keyof Store, command: never): Promise<unknown> {
  if (name === 'epoch') return { state: await stateOf(server) };
  if (!isPresent(server)) {
    if (name in OTHERWISE) return OTHERWISE[name as keyof typeof OTHERWISE];
    if (name === 'replay') return undefined;
  }
  const result = await (server.store[name] as (command: never) => Promise<unknown>)(command);
  if (name === 'beginEpoch' && result === true) server.runs.set((command as { epoch: string }).epoch, server.run);
  return result;
}

async function stateOf(server: Server): Promise<EpochState> {
  const { state } = await server.store.epoch();
  if (state.kind === 'lost' || isPresent(server)) return state;
  return { kind: 'lost', previous: state.epoch };
}

/** A copy whose slots share its counters of all merchants. */
function copyMemory(memory: Memory): Memory {
  const { epoch, slots, shared } = copyOf(memory);
  return { epoch, slots: new Map([...slots].map(([number, slot]) => [number, { ...slot, shared }])), shared };
}

/** A copy of plain data, maps and sets; bytes are never changed and are shared. */
function copyOf<T>(value: T): T {
  if (Buffer.isBuffer(value) || typeof value !== 'object' || value === null) return value;
  if (value instanceof Map) return new Map([...value].map(([key, each]) => [key, copyOf(each)])) as T;
  if (value instanceof Set) return new Set([...value].map(copyOf)) as T;
  if (Array.isArray(value)) return value.map(copyOf) as T;
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, copyOf(each)])) as T;
}
