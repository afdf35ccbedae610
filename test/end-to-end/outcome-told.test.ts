import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, beforeEach, describe, test } from 'node:test';
import type { Answer } from '../../src/sdk/answer.ts';
import { eventually } from '../support/eventually.ts';
import { type CoreRequest, type CoreResponse, type FakeCore, startFakeCore } from '../support/fake-core.ts';
import { freshOrderNo, MERCHANT_1, payOrder, type System, startSystem } from '../support/system.ts';

const RULES = `
      requests: { kind: rate, allow: 100000, perMs: 1000, burst: 100000 }
      single: { kind: amount, currency: CNY, minFen: 1, maxFen: 5000000 }
      daily-amount: { kind: total, of: amount, per: day, currency: CNY, max: 100000 }`;

/** The shipped operations, where a payment may also be under way; `repeatable` as given. */
const configure = (repeatable: boolean) => (folder: string) => {
  const file = join(folder, 'operations', 'payments.yaml');
  const shipped = readFileSync(file, 'utf8');
  const changed = shipped
    .replace(
      /^( *)(- \{ status: \[200, 201\], pointer: \/status, values: \[SUCCEEDED\], means: succeeded \})$/m,
      '$1- { status: 200, pointer: /status, values: [PROCESSING], means: pending }\n$1$2',
    )
    .replace('enum: [SUCCEEDED]', 'enum: [SUCCEEDED, PROCESSING]')
    .replaceAll('repeatable: true', `repeatable: ${repeatable}`);
  assert.notEqual(changed, shipped);
  writeFileSync(file, changed);
};

type Script = {
  /** What the n-th delivery of a payment gets, from 1. */
  payment: (body: object, delivery: number) => CoreResponse;
  /** What the query gets about a payment that was delivered. */
  query: (facts: object, body: object) => CoreResponse;
};

type World = { readonly system: System; readonly core: FakeCore; readonly script: Script; readonly dispose: () => Promise<void> };

const amountOf = ({ body }: CoreRequest): number => JSON.parse(body.toString()).amountFen;
const orderNoOf = ({ target }: CoreRequest): string => target.split('/')[3] as string;
const factsOf = (request: CoreRequest) => ({
  orderNo: orderNoOf(request),
  merchantNumber: MERCHANT_1,
  amountFen: amountOf(request),
  currency: 'CNY',
});
const paymentOf = (request: CoreRequest) => ({
  ...factsOf(request),
  paymentNo: `P-${orderNoOf(request)}`,
  status: 'SUCCEEDED',
  accountingDate: '20260102',
  traceNo: 'T-1',
  paidAt: '2026-01-02T03:04:05Z',
});

async function startWorld(repeatable: boolean): Promise<World> {
  const script: Script = { payment: (body) => ({ status: 201, body }), query: () => 'drop' };
  const isPayment = ({ method }: CoreRequest) => method === 'POST';
  let core: FakeCore | undefined;
  const answer = (request: CoreRequest): CoreResponse => {
    const key = isPayment(request) ? request.headers['idempotency-key'] : request.target.split('/').at(-1);
    const deliveries = (core?.requests ?? []).filter((earlier) => isPayment(earlier) && earlier.headers['idempotency-key'] === key);
    const [first] = deliveries;
    if (!first) return { status: 404, body: { code: 'EXECUTION_NOT_FOUND', message: 'not found' } };
    return isPayment(request) ? script.payment(paymentOf(first), deliveries.length) : script.query(factsOf(first), paymentOf(first));
  };
  const system = await startSystem({
    rules: RULES,
    settings: 'resolve: { scheduleMs: [50, 50, 100, 200, 400, 800, 1000], clockAllowanceMs: 0 }',
    configure: configure(repeatable),
    core: async (port) => {
      core = await startFakeCore(port, answer);
      return core;
    },
  });
  return { system, core: core as FakeCore, script, dispose: system.dispose };
}

const deliveriesOf = (core: FakeCore, orderNo: string) =>
  core.requests.filter(({ method, target }) => method === 'POST' && target.includes(`/${orderNo}/`));
const questions = (core: FakeCore): number => core.requests.filter(({ method }) => method === 'GET').length;

const marks = ({ status, outcome, retry, headers, verified, accepted }: Answer) => ({
  status,
  outcome,
  retry,
  told: headers['hufu-outcome'],
  replayed: headers['idempotency-replayed'],
  resolved: headers['hufu-resolved'],
  believed: verified && accepted,
});

const alarmsOf = async ({ gateways }: System): Promise<number> => {
  const text = await (await fetch(`${gateways[0]?.statusUrl}/metrics`)).text();
  return Number(/^hufu_alarms_total (\d+)$/m.exec(text)?.[1] ?? 0);
};

const FINAL = { status: 201, outcome: 'succeeded', retry: undefined, told: 'succeeded', replayed: 'true', believed: true };

describe('what an answer says about its key', { timeout: 120_000 }, () => {
  let world: World;
  before(async () => {
    world = await startWorld(true);
  });
  after(() => world?.dispose());
  beforeEach(() => {
    world.script.payment = (body) => ({ status: 201, body });
    world.script.query = () => 'drop';
  });

  test('pending with status 200 is unknown, stays so when replayed, holds its amount, and ends as the one execution (I5)', async () => {
    const { system, core, script } = world;
    const merchant = system.merchant();
    const orderNo = freshOrderNo();
    script.payment = (body) => ({ status: 200, body: { ...body, status: 'PROCESSING' } });
    script.query = (facts) => ({ status: 200, body: { ...facts, status: 'PROCESSING' } });
    const pending = { status: 200, outcome: 'unknown', retry: 'query_first', told: 'pending', resolved: undefined, believed: true };
    assert.deepEqual(marks(await payOrder(merchant, orderNo, 70_000)), { ...pending, replayed: undefined });
    assert.deepEqual(marks(await payOrder(merchant, orderNo, 70_000)), { ...pending, replayed: 'true' });
    const held = await payOrder(merchant, freshOrderNo(), 40_000);
    const { used, reserved } = held.value as { used: number; reserved: number };
    assert.deepEqual([held.code, used, reserved], ['LIMIT_DAILY_AMOUNT', 0, 70_000]);
    assert.equal(held.headers['hufu-outcome'], undefined, 'a refusal tells it in its document');

    script.query = (facts, body) => ({ status: 200, body: { ...facts, status: 'SUCCEEDED', httpStatus: 201, body } });
    const final = await merchant.callUntilFinal(
      {
        method: 'POST',
        path: `/v1/orders/${orderNo}/payments`,
        idempotencyKey: `pay-${orderNo}`,
        body: JSON.parse(deliveriesOf(core, orderNo)[0]?.body.toString() ?? ''),
      },
      { waitMsMax: 100 },
    );
    const { resolved: _either, ...rest } = marks(final);
    assert.deepEqual(rest, FINAL);
    assert.equal((final.value as { status: string }).status, 'SUCCEEDED');
    assert.equal(deliveriesOf(core, orderNo).length, 1);
    const refused = await payOrder(merchant, freshOrderNo(), 40_000);
    const after = refused.value as { used: number; reserved: number };
    assert.deepEqual([refused.code, after.used, after.reserved], ['LIMIT_DAILY_AMOUNT', 70_000, 0]);
  });

  const fresh: readonly (readonly [status: number, body: object | undefined, told: string, outcome: string])[] = [
    [201, undefined, 'succeeded', 'succeeded'],
    [422, { code: 'INSUFFICIENT_FUNDS', message: 'x' }, 'failed', 'failed'],
  ];
  for (const [status, body, told, outcome] of fresh) {
    test(`${outcome}: told in the fresh answer and in its replay`, async () => {
      const merchant = world.system.merchant();
      const orderNo = freshOrderNo();
      world.script.payment = (paid) => ({ status, body: body ?? paid });
      for (const replayed of [undefined, 'true']) {
        const answer = await payOrder(merchant, orderNo, 100);
        assert.deepEqual(
          [answer.status, answer.headers['hufu-outcome'], answer.outcome, answer.headers['idempotency-replayed']],
          [status, told, outcome, replayed],
        );
      }
    });
  }

  test('a read has no key, and nothing is told about one', async () => {
    const answer = await world.system.merchant().call({ method: 'GET', path: '/v1/platform-certificates' });
    assert.deepEqual([answer.outcome, answer.headers['hufu-outcome']], ['succeeded', undefined]);
  });
});

/** A query that knows the outcome, but not the answer. */
const accountOf = (status: string) => (facts: object) => ({ status: 200, body: { ...facts, status } });
const RESOLVED = { ...FINAL, status: 200, resolved: '?1' };

describe('an answer that nobody received, and whose query does not hold it', { timeout: 120_000 }, () => {
  let world: World;
  before(async () => {
    world = await startWorld(true);
  });
  after(() => world?.dispose());

  /** The first delivery is executed, and the line breaks; then come the given ones. */
  const lose = async (orderNo: string, then: (body: object) => CoreResponse, status = 'SUCCEEDED') => {
    world.script.payment = (body, delivery) => (delivery === 1 ? 'drop' : then(body));
    world.script.query = accountOf(status);
    const asked = questions(world.core);
    const first = await payOrder(world.system.merchant(), orderNo, 100);
    assert.deepEqual([first.code, first.outcome], ['OUTCOME_UNKNOWN', 'unknown']);
    return asked;
  };
  const retry = (orderNo: string) => payOrder(world.system.merchant(), orderNo, 100);

  for (const background of [false, true]) {
    test(`repeatable: a retry ${background ? 'after the background has asked' : 'at once'} gets the original answer`, async () => {
      const { core, system } = world;
      const orderNo = freshOrderNo();
      const asked = await lose(orderNo, (body) => ({ status: 201, body, replayed: true }));
      if (background) await eventually(async () => assert.ok(questions(core) > asked));
      const alarms = await alarmsOf(system);
      const answers = [...(await Promise.all([retry(orderNo), retry(orderNo)])), await retry(orderNo)];
      const whole = answers.filter(({ code }) => code !== 'OUTCOME_UNKNOWN');
      assert.ok(whole.length > 0);
      for (const answer of whole) {
        assert.deepEqual(marks(answer), { ...FINAL, resolved: undefined });
        assert.equal((answer.value as { paymentNo: string }).paymentNo, `P-${orderNo}`);
      }
      const [first, again, ...more] = deliveriesOf(core, orderNo) as [CoreRequest, CoreRequest, ...CoreRequest[]];
      assert.deepEqual(more, [], 'sent once more, and never again');
      assert.deepEqual(again.body, first.body);
      assert.equal(again.headers['idempotency-key'], first.headers['idempotency-key']);
      assert.equal(again.assertion.key, first.assertion.key);
      assert.notEqual(again.assertion.jti, first.assertion.jti, 'an assertion of its own');
      assert.ok((again.assertion.exp as number) - (again.assertion.iat as number) <= 30);
      assert.equal(await alarmsOf(system), alarms);
    });
  }

  const lies: readonly (readonly [why: string, then: (body: object) => CoreResponse, alarms: number])[] = [
    ['it says that it failed', () => ({ status: 422, body: { code: 'INSUFFICIENT_FUNDS', message: 'x' }, replayed: true }), 1],
    ['it runs it anew', (body) => ({ status: 201, body }), 1],
    ['it says that it is under way', (body) => ({ status: 200, body: { ...body, status: 'PROCESSING' }, replayed: true }), 1],
    ['it answers about another order', (body) => ({ status: 201, body: { ...body, orderNo: 'other' }, replayed: true }), 1],
    ['it cannot be read', () => ({ status: 201, body: {}, replayed: true }), 1],
    ['it does not answer', () => 'drop', 0],
  ];
  for (const [why, then, alarms] of lies) {
    test(`repeatable, but ${why}: the query's word stands, and nothing is sent again`, async () => {
      const { core, system } = world;
      const orderNo = freshOrderNo();
      const before = await alarmsOf(system);
      await lose(orderNo, then);
      const first = await eventually(async () => {
        const answer = await retry(orderNo);
        assert.notEqual(answer.code, 'OUTCOME_UNKNOWN');
        return answer;
      });
      for (const answer of [first, await retry(orderNo)]) {
        assert.deepEqual(marks(answer), RESOLVED);
        assert.equal((answer.value as { status: string }).status, 'SUCCEEDED');
      }
      assert.equal(deliveriesOf(core, orderNo).length, 2);
      assert.equal((await alarmsOf(system)) - before, alarms);
    });
  }

  test('a failure is never sent again: a core that has forgotten it would run it', async () => {
    const orderNo = freshOrderNo();
    await lose(orderNo, (body) => ({ status: 201, body, replayed: true }), 'FAILED');
    const answer = await eventually(async () => {
      const again = await retry(orderNo);
      assert.notEqual(again.code, 'OUTCOME_UNKNOWN');
      return again;
    });
    assert.deepEqual(marks(answer), { ...RESOLVED, outcome: 'failed', retry: 'new_key', told: 'failed' });
    assert.equal(deliveriesOf(world.core, orderNo).length, 1);
  });
});

describe('an operation that is not repeatable', { timeout: 120_000 }, () => {
  let world: World;
  before(async () => {
    world = await startWorld(false);
  });
  after(() => world?.dispose());

  test("gets the query's body, marked as such, and is never sent again", async () => {
    const { system, core, script } = world;
    const merchant = system.merchant();
    const orderNo = freshOrderNo();
    script.payment = () => 'drop';
    script.query = accountOf('SUCCEEDED');
    assert.equal((await payOrder(merchant, orderNo, 100)).code, 'OUTCOME_UNKNOWN');
    const first = await eventually(async () => {
      const answer = await payOrder(merchant, orderNo, 100);
      assert.notEqual(answer.code, 'OUTCOME_UNKNOWN');
      return answer;
    });
    for (const answer of [first, await payOrder(merchant, orderNo, 100)]) assert.deepEqual(marks(answer), RESOLVED);
    assert.equal(deliveriesOf(core, orderNo).length, 1);
  });
});
