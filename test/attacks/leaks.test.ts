import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import fc from 'fast-check';
import { freePorts, runHufu } from '../support/process.ts';
import { MERCHANT_2 } from '../support/system.ts';
import { ask, get, lineOf, order, type Sender, senderOf, wireOf } from './requests.ts';
import { startWorld, type World } from './world.ts';

/** What must not be seen from outside, and what must not be found there (M3, P). What answers may not contain is checked by line.ts. */
describe('nothing leaks', { timeout: 120_000 }, () => {
  let world: World;
  let sender: Sender;
  before(async () => {
    world = await startWorld();
    sender = senderOf(world.system, MERCHANT_2);
  });
  after(() => world?.end());

  const PATHS = [
    ...[
      '/',
      '/metrics',
      '/livez',
      '/readyz',
      '/healthz',
      '/health',
      '/status',
      '/admin',
      '/admin/',
      '/debug',
      '/debug/pprof',
      '/actuator/health',
    ],
    ...[
      '/ledger',
      '/faults',
      '/v1',
      '/v1/',
      '/v1/ledger',
      '/v1/faults',
      '/v1/..;/metrics',
      '/v1/orders/..;/..;/ledger',
      '/v1/orders/../../metrics',
    ],
    ...[
      '/.git/config',
      '/.env',
      '/package.json',
      '/etc/passwd',
      '/server-status',
      '/console',
      '/favicon.ico',
      '/robots.txt',
      '/v1//orders',
      '//metrics',
    ],
  ];
  test('admin, metrics, health and debug paths are not on the merchant port, by no verb: 404, signed (P1)', () =>
    world.harmless(async () => {
      for (const path of PATHS) {
        for (const method of ['GET', 'POST', 'PUT', 'PATCH', 'DELETE']) {
          const told = await ask(sender, get(sender, path, { method }));
          assert.deepEqual([told.status, told.code], [404, 'OPERATION_UNKNOWN'], `${method} ${path}`);
        }
      }
    }));

  test('another Host does not open another door (P1)', () =>
    world.harmless(async () => {
      for (const host of ['admin', 'localhost:9100', '127.0.0.1:9100', 'core.internal', 'gateway.local']) {
        const told = await ask(sender, get(sender, '/metrics', { headers: [['Host', host]] }));
        assert.match(told.code, /^(OPERATION_UNKNOWN|HTTP_INVALID|MISDIRECTED)$/);
        const order = await ask(sender, get(sender, '/v1/orders/A', { headers: [['Host', host]] }));
        assert.match(order.code, /^(ORDER_NOT_FOUND|HTTP_INVALID|MISDIRECTED)$/);
      }
    }));

  /** One edit of the bytes of a request: replaced, put in, taken out or doubled. */
  const edits = fc.array(
    fc.record({
      at: fc.nat(1_000_000),
      what: fc.constantFrom('set', 'insert', 'remove', 'double'),
      byte: fc.oneof(fc.nat(255), fc.constantFrom(0, 10, 13, 32, 34, 58, 44)),
    }),
    { minLength: 1, maxLength: 6 },
  );
  const spoil = (bytes: Buffer, changes: readonly { at: number; what: string; byte: number }[]): Buffer => {
    const all = [...bytes];
    for (const { at, what, byte } of changes) {
      const i = at % all.length;
      if (what === 'set') all[i] = byte;
      else if (what === 'insert') all.splice(i, 0, byte);
      else if (what === 'remove') all.splice(i, 1);
      else all.splice(i, 0, ...all.slice(i, i + 20));
    }
    return Buffer.from(all);
  };
  test('two hundred spoiled requests get no stack, version or path, crash nothing and run at most once each (M3)', async () => {
    let created = 0;
    const before = await world.executions();
    await fc.assert(
      fc.asyncProperty(edits, async (changes) => {
        const line = await lineOf(sender);
        line.send(spoil(wireOf(order(sender)).bytes, changes));
        // A request that seems longer now is not complete: without more to come the merchant gives up.
        const answer = await Promise.race([line.answer(), pause(100).then(() => 'waits' as const)]);
        line.leave();
        if (answer === 'waits' || !answer) return;
        assert.match(String(answer.status), /^(201|400|401|403|404|413|415|431)$/);
        if (answer.status === 201) created += 1;
      }),
      { numRuns: 200 },
    );
    // One that seemed to wait may have run; that each ran once at most is among the invariants.
    assert.ok((await world.executions()) - before >= created);
    await world.invariants();
  });

  test('a second gateway on the same journal does not start, says why in one line, and the first goes on (P12)', async () => {
    const [internet, status] = await freePorts(2);
    const environment = { ...world.system.environment, HUFU_PORT_INTERNET: String(internet), HUFU_PORT_STATUS: String(status) };
    const { code, stdout, stderr } = await runHufu(['gateway', '--profile', 'development'], environment);
    assert.equal(code, 1);
    assert.doesNotMatch(stdout, /ready/);
    const lines = stderr
      .trim()
      .split('\n')
      .filter((line) => !line.startsWith('{'));
    assert.equal(lines.length, 1, stderr);
    assert.match(lines[0] ?? '', /^hufu: .*journal.*gateway-1/);
    await world.invariants();
  });
});
