import { setTimeout as sleep } from 'node:timers/promises';
import { CoreRefusal, type Reply, refusalReply } from './answers.ts';
import { oneOf, optional, readObject, text, whole } from './fields.ts';

/** What goes out instead of an answer: the connection is closed without a byte. */
export const DROP = Symbol('drop the connection');

type Wait = () => Promise<void>;
type Execute = () => Promise<Reply>;

/** Bytes that no client can read as an answer. */
const GARBAGE: Reply = { status: 200, body: Buffer.from('<html>\u0000 not JSON {"status":"SUCCEEDED"'), replayed: false };

/** What can be made to go wrong. `execute` never throws; `wait` lasts delayMs. */
const FAULTS = {
  /** Executes at once, answers late. */
  delay: async (execute: Execute, wait: Wait) => {
    const reply = await execute();
    await wait();
    return reply;
  },
  /** Begins late, unless the assertion has expired by then. */
  executeLate: async (execute: Execute, wait: Wait) => {
    await wait();
    return execute();
  },
  executeThenDrop: async (execute: Execute, wait: Wait) => {
    await execute();
    await wait();
    return DROP;
  },
  executeThen500: async (execute: Execute, wait: Wait) => {
    await execute();
    await wait();
    return refusalReply(new CoreRefusal('INTERNAL'));
  },
  garbage: async (execute: Execute, wait: Wait) => {
    await execute();
    await wait();
    return GARBAGE;
  },
  refuse: async (_: Execute, wait: Wait) => {
    await wait();
    return refusalReply(new CoreRefusal('REFUSED'));
  },
  dropBeforeExecute: async (_: Execute, wait: Wait) => {
    await wait();
    return DROP;
  },
} as const satisfies Record<string, (execute: Execute, wait: Wait) => Promise<Reply | typeof DROP>>;

export type FaultName = keyof typeof FAULTS;

/** What the next requests meet. `path` without query; one that ends in `*` matches what begins like it. */
export type Fault = {
  /** How many matching requests; 0 switches the fault off. */
  readonly next: number;
  readonly fault: FaultName;
  readonly match?: { readonly method?: string; readonly path?: string };
  readonly delayMs?: number;
};

export const FAULTS_NEXT_MAX = 1_000_000;
export const FAULT_DELAY_MS_MAX = 120_000;

/** Reads what PUT /faults was sent. Throws CoreRefusal SCHEMA_INVALID. */
export function readFault(value: unknown): Fault {
  const fields = readObject(value, '', {
    next: whole(0, FAULTS_NEXT_MAX),
    fault: oneOf(...Object.keys(FAULTS)),
    match: { required: false, accepts: (match) => typeof match === 'object' && match !== null, expected: 'an object' },
    delayMs: optional(whole(0, FAULT_DELAY_MS_MAX)),
  });
  if (fields.match !== undefined)
    readObject(fields.match, '/match', { method: optional(text(/^[A-Z]+$/, 'a method')), path: optional(text(/^\//, 'a path')) });
  return fields as Fault;
}

const matchesPath = (pattern: string, path: string): boolean =>
  pattern.endsWith('*') ? path.startsWith(pattern.slice(0, -1)) : path === pattern;

export type FaultSwitch = {
  readonly set: (fault: Fault) => void;
  /** The fault that is set, with what is left of its count. */
  readonly current: () => Fault | undefined;
  /** Runs a request through the fault that is set, if it matches. */
  readonly apply: (method: string, path: string, execute: Execute) => Promise<Reply | typeof DROP>;
};

/** One fault at a time, for tests. When `closing` is aborted, requests that wait are dropped and begin nothing. */
export function createFaultSwitch(closing: AbortSignal): FaultSwitch {
  let current: Fault | undefined;
  const take = (method: string, path: string): Fault | undefined => {
    const fault = current;
    if (!fault || fault.next === 0) return undefined;
    if (fault.match?.method !== undefined && fault.match.method !== method) return undefined;
    if (fault.match?.path !== undefined && !matchesPath(fault.match.path, path)) return undefined;
    current = { ...fault, next: fault.next - 1 };
    return fault;
  };
  return {
    set: (fault) => {
      current = fault;
    },
    current: () => current,
    apply: async (method, path, execute) => {
      const fault = take(method, path);
      if (!fault) return execute();
      try {
        return await FAULTS[fault.fault](execute, () => sleep(fault.delayMs ?? 0, undefined, { signal: closing }));
      } catch (error) {
        if (closing.aborted) return DROP;
        throw error;
      }
    },
  };
}
