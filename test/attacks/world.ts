import assert from 'node:assert/strict';
import type { Answer } from '../../src/sdk/answer.ts';
import { eventually } from '../support/eventually.ts';
import { runHufu } from '../support/process.ts';
import {
  createOrder,
  freshOrderNo,
  type Gateway,
  MERCHANT_1,
  MERCHANT_2,
  payOrder,
  RICH_PAYER,
  type System,
  type SystemOptions,
  startSystem,
} from '../support/system.ts';

/** Amount that no merchant may pay once it has paid anything: its refusal tells what is used. */
const PROBE_FEN = 5_000_000;
const RULES = `
      requests: { kind: rate, allow: 100000, perMs: 1000, burst: 100000 }
      single: { kind: amount, currency: CNY, minFen: 1, maxFen: ${PROBE_FEN} }
      daily-amount: { kind: total, of: amount, per: day, currency: CNY, max: ${PROBE_FEN} }`;

/** Attacks from one certificate, one after the other, are told why they are refused. */
const MANY_REFUSALS = 'answers: { budgetPerSecond: 10000, budgetBurst: 100000 }';

/** None of them may stand in a log: account number, goods, certificates and keys, signatures, assertions. */
const SECRETS = [RICH_PAYER, '龙井茶', 'BEGIN ', 'hufu=', 'eyJ', 'sha-256='];
const BOOKS_MS = 10_000;
const BOOKS_EVERY_MS = 150;
const RESIDENT_BYTES_MAX = 500_000_000;

/** A running system under attack, with what must hold after every case whatever was sent (threats.md, I1 to I6). */
export type World = {
  readonly system: System;
  /** How many requests the core has executed, those of the invariants not counted. */
  readonly executions: () => Promise<number>;
  /** Runs a case that must not reach the core, then asks the invariants. */
  readonly harmless: <T>(attack: () => Promise<T>) => Promise<T>;
  readonly invariants: () => Promise<void>;
  /** Stops the gateways as an operator does and verifies their journals, then ends everything. */
  readonly end: () => Promise<void>;
};

export type WorldOptions = SystemOptions & {
  /** Merchants whose counters are compared with the core's books, the last of which is the good one; default: both. */
  readonly numbers?: readonly string[];
};

/** Each answer's signature is checked where it is read; see requests.ts (I4). */
export async function startWorld({ numbers = [MERCHANT_1, MERCHANT_2], ...options }: WorldOptions = {}): Promise<World> {
  const system = await startSystem({ rules: RULES, settings: MANY_REFUSALS, ...options });
  const merchants = numbers.map((number) => ({ number, client: system.merchant(number) }));
  const logReaders = system.gateways.map((gateway) => createLogReader(gateway));

  const ours = new Set<string>();
  const noted = (orderNo: string): string => {
    ours.add(orderNo);
    return orderNo;
  };
  const executions = async () => (await system.figures()).executions.filter(({ orderNo }) => !ours.has(orderNo)).length;

  const checkBooks = async () => {
    const { executions: runs, orders, problems } = await system.figures();
    assert.deepEqual(problems, []);
    for (const run of [...runs, ...orders]) assert.equal(run.count, 1, `ran more than once: ${JSON.stringify(run)}`);
    for (const { number, client } of merchants) {
      const probe = await payOrder(client, noted(freshOrderNo()), PROBE_FEN);
      const paidFen = orders.filter(({ merchantNumber }) => merchantNumber === number).reduce((sum, { amountFen }) => sum + amountFen, 0);
      assert.deepEqual(countersOf(probe), { used: paidFen, reserved: 0 });
    }
  };
  const checkAlive = async () => {
    const { client } = merchants.at(-1) as (typeof merchants)[number];
    const paid = await payOrder(client, noted(await createOrder(client, 1)), 1);
    assert.equal(paid.outcome, 'succeeded', paid.body.toString());
    for (const { process } of system.gateways.map((gateway) => gateway.running()))
      assert.deepEqual([process.exitCode, process.signalCode], [null, null]);
  };
  const invariants = async () => {
    await checkAlive();
    // Not so often that the questions themselves use up a small bucket, and meet 429 from then on.
    await eventually(checkBooks, BOOKS_MS, BOOKS_EVERY_MS);
    for (const read of logReaders) read();
  };
  return {
    system,
    executions,
    invariants,
    harmless: async (attack) => {
      const before = await executions();
      const result = await attack();
      await invariants();
      assert.equal(await executions(), before, 'the core was reached');
      return result;
    },
    end: async () => {
      try {
        await invariants();
        for (const gateway of system.gateways) assert.ok((await residentBytes(gateway)) < RESIDENT_BYTES_MAX);
        for (const { client } of merchants) client.close();
        for (const gateway of system.gateways) assert.equal(await gateway.kill('SIGTERM'), 0, gateway.running().stderr());
        const verified = await runHufu(['journal', 'verify'], system.environment);
        assert.equal(verified.code, 0, verified.stdout + verified.stderr);
      } finally {
        await system.dispose();
      }
    },
  };
}

function countersOf(probe: Answer): { used: number; reserved: number } {
  assert.equal(probe.accepted, true, probe.why ?? probe.body.toString());
  if (probe.code === 'ORDER_NOT_FOUND') return { used: 0, reserved: 0 };
  assert.equal(probe.code, 'LIMIT_DAILY_AMOUNT', probe.body.toString());
  const { used, reserved } = probe.value as { used: number; reserved: number };
  return { used, reserved };
}

/** One figure of a gateway's own, by its name and labels; 0 when it was never counted. */
export async function metricOf({ statusUrl }: Pick<Gateway, 'statusUrl'>, name: string): Promise<number> {
  const text = await (await fetch(`${statusUrl}/metrics`)).text();
  const line = text.split('\n').find((each) => each.startsWith(`${name} `));
  return Number(line?.slice(name.length + 1) ?? 0);
}

export const residentBytes = (gateway: Gateway): Promise<number> => metricOf(gateway, 'process_resident_memory_bytes');

/** Reads what a gateway logged since the last time: one JSON object a line, and no secret in it. */
function createLogReader(gateway: Gateway): () => void {
  let at = 0;
  return () => {
    const text = gateway.running().stderr();
    const end = text.lastIndexOf('\n') + 1;
    const lines = text.slice(at, end).split('\n').slice(0, -1);
    at = Math.max(at, end);
    for (const line of lines) {
      assert.equal(typeof JSON.parse(line), 'object');
      for (const secret of SECRETS) assert.equal(line.includes(secret), false, `in the log: ${line}`);
      assert.doesNotMatch(line, /"level":50|"stack"/, 'the gateway met a fault of its own');
    }
  };
}
