import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import type { Standing } from '../../src/cli/limits/standing.ts';
import { readFacts } from '../../src/journal/read.ts';
import { openSqliteStore } from '../../src/store/sqlite/store.ts';
import { runHufu } from '../cli/run-hufu.ts';
import { eventually } from '../support/eventually.ts';
import { createOrder, MERCHANT_1, payOrder, type System, startSystem } from '../support/system.ts';

type Row = {
  readonly merchant: string;
  readonly claim: string;
  readonly state: string;
  readonly about: Record<string, unknown>;
  readonly expiredAt: string;
};

describe('what nobody else can tell, an operator decides (I5)', { timeout: 120_000 }, () => {
  let system: System;
  before(async () => {
    system = await startSystem({
      settings: 'resolve: { clockAllowanceMs: 0, scheduleMs: [60000] }',
      configure: (folder) => {
        const file = join(folder, 'operations', 'payments.yaml');
        const text = readFileSync(file, 'utf8');
        const within = (operation: string, timeoutMs: number, before: string) =>
          before.replace(new RegExp(`(operationId: ${operation}\\n[\\s\\S]*?x-hufu:\\n)`), `$1        timeoutMs: ${timeoutMs}\n`);
        writeFileSync(file, within('orders.create', 25_000, within('payments.create', 2_000, text)));
      },
    });
  });
  after(() => system?.dispose());

  const run = (...args: string[]) => runHufu(args, { environment: system.environment });
  const listed = async (): Promise<Row[]> => JSON.parse((await run('reservations', 'list', '--json')).stdout) as Row[];
  const daily = async () => {
    const { stdout } = await run('limits', 'show', MERCHANT_1, '--json');
    const row = (JSON.parse(stdout) as { limits: Standing[] }).limits.find(({ rule }) => rule === 'daily-amount');
    return [row?.used, row?.reserved];
  };
  /** A payment that the core did and nobody heard of: its outcome is unknown here. */
  const payIntoTheDark = async (amountFen: number): Promise<Row> => {
    const merchant = system.merchant(MERCHANT_1);
    const orderNo = await createOrder(merchant, amountFen);
    await system.fault({ next: 1, fault: 'executeThenDrop', match: { method: 'POST' } });
    assert.equal((await payOrder(merchant, orderNo, amountFen)).outcome, 'unknown');
    const row = (await listed()).find(({ about }) => about['/orderNo'] === orderNo);
    assert.ok(row, 'it is listed');
    assert.deepEqual([row.merchant, row.state, row.about['/amountFen']], [MERCHANT_1, 'unknown', amountFen]);
    return row;
  };
  const decide = (row: Row, outcome: string) =>
    run('reservations', 'resolve', MERCHANT_1, '--claim', row.claim, '--outcome', outcome, '--reason', 'ticket 4711');

  test('nothing is open at first', async () => {
    const { code, stdout } = await run('reservations', 'list');
    assert.deepEqual([code, stdout], [0, 'No reservation is open.\n']);
    assert.equal((await run('store', 'status')).stdout, 'open\n');
  });

  test('nothing is called failed while the core may begin it', async () => {
    const merchant = system.merchant(MERCHANT_1);
    await system.fault({ next: 1, fault: 'executeThenDrop', match: { method: 'POST' } });
    await assert.rejects(createOrder(merchant, 100), /no order/);
    const [row] = await listed();
    assert.ok(row);
    const early = await decide(row, 'failed');
    assert.equal(early.code, 1);
    assert.match(early.stderr, /the core may begin it until /);
    assert.equal((await decide(row, 'succeeded')).code, 0);
  });

  test('failed: its amount is given back, and the journal says who decided', async () => {
    const row = await payIntoTheDark(700);
    assert.deepEqual(await daily(), [0, 700]);
    const late = await eventually(async () => {
      const ran = await decide(row, 'failed');
      assert.equal(ran.code, 0, ran.stderr);
      return ran;
    }, 20_000);
    assert.match(late.stderr, /failed\n$/);
    assert.deepEqual(await daily(), [0, 0]);
    assert.deepEqual(await listed(), []);
    const facts = await Array.fromAsync(readFacts(join(system.directory, 'data', 'journal', 'gateway-1')));
    const decided = facts.filter((fact) => fact.type === 'outcome' && fact.by === 'operator');
    assert.deepEqual(
      decided.map((fact) => fact.type === 'outcome' && fact.outcome),
      ['succeeded', 'failed'],
    );
  });

  test('succeeded: at once, and it counts; what is final stays', async () => {
    const row = await payIntoTheDark(800);
    const ran = await decide(row, 'succeeded');
    assert.equal(ran.code, 0, ran.stderr);
    assert.deepEqual(await daily(), [800, 0]);
    const again = await decide(row, 'failed');
    assert.deepEqual([again.code, /it is final already: succeeded/.test(again.stderr)], [1, true], again.stderr);
  });

  test('wrong use says what to do', async () => {
    for (const [args, message, why] of [
      [
        ['resolve', MERCHANT_1, '--claim', 'nothing', '--outcome', 'failed', '--reason', 'x'],
        /there is no such reservation/,
        'a claim that is not there',
      ],
      [
        ['resolve', MERCHANT_1, '--claim', 'nothing', '--outcome', 'perhaps', '--reason', 'x'],
        /expected succeeded or failed/,
        'a third outcome',
      ],
      [['resolve', MERCHANT_1, '--claim', 'nothing', '--outcome', 'failed'], /--reason/, 'no reason'],
      [
        ['resolve', MERCHANT_1, '--claim', '-0FK88PzrD3p6ICZsiNA3g89rjvQygRzGNHUXUycuuY', '--outcome', 'failed', '--reason', 'x'],
        /there is no such reservation/,
        'a claim that begins with a hyphen',
      ],
    ] as const) {
      const { code, stderr } = await run('reservations', ...args);
      assert.notEqual(code, 0, why);
      assert.match(stderr, message, why);
    }
  });

  test('store open --accept-loss: a journal that is lost is reported by the operator, behind the time of its nonces', async () => {
    const file = join(system.directory, 'lost.db');
    const config = join(system.directory, 'config-gateway-1', 'gateway.yaml');
    writeFileSync(config, readFileSync(config, 'utf8').replace('instances: [gateway-1]', 'instances: [gateway-1, gateway-2]'));
    const environment = { ...system.environment, HUFU_STORE: `sqlite:${file}` };
    const store = await openSqliteStore({ file });
    try {
      await store.beginEpoch({ epoch: 'e1' });
      await store.report({ epoch: 'e1', instance: 'gateway-1', closedUntilMs: 0 });
      const told = (...args: string[]) => runHufu(['store', ...args], { environment });
      assert.equal((await told('status')).stdout, 'rebuilding: waits for the journals of gateway-2\n');
      const notLost = await told('open', '--accept-loss', 'gateway-1', '--reason', 'x');
      assert.match(notLost.stderr, /gateway-1 has given back its journal/);
      assert.match((await told('open', '--accept-loss', 'gateway-9', '--reason', 'x')).stderr, /there is no instance gateway-9/);
      const fromMs = Date.now();
      const { code, stderr } = await told('open', '--accept-loss', 'gateway-2', '--reason', 'disk destroyed');
      assert.equal(code, 0, stderr);
      const { state } = await store.epoch();
      assert.ok(state.kind === 'rebuilding' && state.slotsClosedUntilMs >= fromMs + 660_000);
      assert.deepEqual(state.kind === 'rebuilding' && [...state.reported].sort(), ['gateway-1', 'gateway-2']);
      const [change] = (await store.announcements.since(0)).changes;
      assert.deepEqual([change?.subject, change?.reason], ['store open', 'disk destroyed']);
      assert.match((await told('status')).stdout, /^rebuilding: waits for 20/);
    } finally {
      await store.close();
    }
  });
});
