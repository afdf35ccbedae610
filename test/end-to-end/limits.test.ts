import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import type { Standing } from '../../src/cli/limits/standing.ts';
import { runHufu } from '../cli/run-hufu.ts';
import { startRedis, type TestRedis } from '../support/redis.ts';
import { createOrder, MERCHANT_1, MERCHANT_2, payOrder, RICH_PAYER, type System, startSystem } from '../support/system.ts';

const RULES = `
      requests: { kind: rate, allow: 1000, perMs: 1000 }
      single: { kind: amount, maxFen: 5000 }
      daily-amount: { kind: total, of: amount, per: day, max: 100000 }
      payer: { kind: total, of: amount, per: week, max: 1000, scope: payer }
      trial: { kind: total, of: count, per: month, max: 1, shadow: true }`;

type Refused = {
  readonly code: string;
  readonly rule?: string;
  readonly used?: number;
  readonly reserved?: number;
  readonly limit?: number;
};

for (const kind of ['sqlite', 'redis'] as const)
  describe(`limits over all merchants, on trial and for a while, ${kind}`, { timeout: 120_000 }, () => {
    let redis: TestRedis | undefined;
    let system: System;
    before(async () => {
      redis = kind === 'redis' ? await startRedis() : undefined;
      system = await startSystem({ rules: RULES, ...(redis ? { store: redis.url } : {}) });
    });
    after(async () => {
      await system?.dispose();
      await redis?.dispose();
    });

    const pay = async (number: string, amountFen: number): Promise<Refused> => {
      const merchant = system.merchant(number);
      const answer = await payOrder(merchant, await createOrder(merchant, amountFen), amountFen);
      assert.equal(answer.verified, true);
      return JSON.parse((answer.body ?? '{}').toString()) as Refused;
    };
    const limits = async (...args: string[]) => {
      const { code, stdout, stderr } = await runHufu(['limits', ...args], { environment: system.environment });
      assert.equal(code, 0, stderr);
      return stdout;
    };
    const shown = async (...args: string[]): Promise<readonly Standing[]> =>
      (JSON.parse(await limits('show', MERCHANT_1, '--json', ...args)) as { limits: Standing[] }).limits;

    test('what one merchant took from a payer, another has not', async () => {
      assert.equal((await pay(MERCHANT_1, 600)).code, undefined);
      const refused = await pay(MERCHANT_2, 401);
      assert.deepEqual([refused.code, refused.rule, refused.used, refused.reserved], ['LIMIT_WEEKLY_AMOUNT', 'payer', 600, 0]);
      assert.equal((await pay(MERCHANT_2, 400)).code, undefined, 'exactly 1,000');
    });

    test('show: used by the payer, over all merchants; nothing of him without his number', async () => {
      const rowOf = (rows: readonly Standing[], rule: string) => rows.find((row) => row.rule === rule);
      assert.equal(rowOf(await shown(), 'payer')?.needs, '--payer');
      const { bound, used, reserved, left } = rowOf(await shown('--payer', RICH_PAYER), 'payer') as Standing;
      assert.deepEqual([bound, used, reserved, left], [1000, 1000, 0, 0]);
      assert.equal(rowOf(await shown('--payer', '6200000000000099'), 'payer')?.used, 0);
      assert.equal(rowOf(await shown(), 'daily-amount')?.used, 600, 'its own');
      const text = await limits('show', MERCHANT_1);
      assert.match(text, /^limit +counts +bound +used +reserved +left +resets$/m);
      assert.match(text, /^trial \(shadow\) +requests CNY a month, merchant, all operations +1 +1 +0 +0 +20/m);
    });

    test('explain names the rule that would refuse, and takes nothing', async () => {
      const asked = ['explain', MERCHANT_1, '--operation', 'payments.create', '--amount-fen'];
      assert.match(await limits(...asked, '5001'), /single .*refuses .*5001 of 1 to 5000[\s\S]*Refused by single\.\n$/);
      assert.match(await limits(...asked, '1', '--payer', RICH_PAYER), /trial .*would refuse \(shadow\)[\s\S]*Refused by payer\.\n$/);
      assert.match(await limits(...asked, '1', '--payer', '6200000000000099'), /No limit refuses it\.\n$/);
      const { code, stderr } = await runHufu(['limits', 'explain', MERCHANT_1, '--operation', 'payments.creat', '--amount-fen', '1'], {
        environment: system.environment,
      });
      assert.deepEqual([code, /did you mean "payments.create"/.test(stderr)], [1, true], stderr);
    });

    test('on trial: the second payment of the month is counted as one that would be refused', async () => {
      await limits(
        'override',
        MERCHANT_1,
        'payer',
        '--set',
        'max=5000',
        '--until',
        '2999-01-01T00:00:00Z',
        '--author',
        'Wang Fang',
        '--reason',
        'test',
      );
      assert.equal((await pay(MERCHANT_1, 100)).code, undefined, 'the exception is in force without a restart');
      const metrics = await (await fetch(`${system.gateways[0]?.statusUrl}/metrics`)).text();
      assert.match(metrics, /^hufu_shadow_refusals_total\{rule="trial"\} 1$/m);
      const file = readFileSync(join(system.directory, 'config-gateway-1', 'merchants', `${MERCHANT_1}.yaml`), 'utf8');
      assert.match(file, /payer: *\n? *.*max: 5000[\s\S]*author: Wang Fang/);
    });

    test('a bound that is lowered below what is used refuses the next, and is raised again (I10)', async () => {
      const set = (max: number) =>
        limits(
          'override',
          MERCHANT_1,
          'payer',
          '--set',
          `max=${max}`,
          '--author',
          'Wang Fang',
          '--reason',
          'test',
          '--until',
          '2999-01-01T00:00:00Z',
        );
      await set(50);
      const refused = await pay(MERCHANT_1, 1);
      assert.deepEqual([refused.code, refused.rule, refused.limit, refused.used], ['LIMIT_WEEKLY_AMOUNT', 'payer', 50, 1100]);
      await set(1101);
      assert.equal((await pay(MERCHANT_1, 1)).code, undefined, 'exactly 1,101');
    });

    test('an override that cannot be is refused, and nothing is changed', async () => {
      const bad = ['override', MERCHANT_1, 'single', '--reason', 'test', '--set'];
      for (const [set, message, why] of [
        ['maxFem=1', /did you mean "maxFen"/, 'no such key'],
        ['maxFen=-1', /expected an integer/, 'below 0'],
        ['maxFen', /expected key=value/, 'no value'],
      ] as const) {
        const { code, stderr } = await runHufu(['limits', ...bad, set], { environment: system.environment });
        assert.notEqual(code, 0, why);
        assert.match(stderr, message, why);
      }
    });
  });
