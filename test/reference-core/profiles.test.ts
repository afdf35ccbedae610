import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { after, before, test } from 'node:test';
import request from 'supertest';
import { type CoreOptions, startCore } from '../../src/reference-core/core.ts';
import {
  coreHeaders,
  createAssertionSigner,
  freshOrderNo,
  getCall,
  MERCHANT_2,
  orderCall,
  orderQuery,
  paymentCall,
  startTestCore,
} from '../support/core.ts';

let directory: string;
before(() => {
  directory = mkdtempSync(join(tmpdir(), 'hufu-core-'));
});
after(() => rmSync(directory, { recursive: true }));

test('production serves the merchants that it is told to open an account for, and has no money', async () => {
  const core = await startTestCore({ profile: 'production', merchantNumbers: [MERCHANT_2] });
  try {
    const orderNo = freshOrderNo();
    const order = { ...orderCall(orderNo, 100), merchant: MERCHANT_2 };
    assert.equal((await core.call(order)).status, 201);
    assert.equal((await core.call({ ...paymentCall(orderNo, 100), merchant: MERCHANT_2 })).code, 'PAYER_NOT_FOUND');
    assert.equal((await core.call(orderCall(freshOrderNo(), 1))).code, 'MERCHANT_UNKNOWN');
  } finally {
    await core.dispose();
  }
});

const { publicKey } = createAssertionSigner();
const options = (change: Partial<CoreOptions> = {}): CoreOptions =>
  ({
    databaseFile: join(directory, 'core.db'),
    address: '127.0.0.1',
    port: 0,
    publicKey,
    profile: 'production',
    faults: false,
    ...change,
  }) as CoreOptions;

test('production has no faults, no look into the ledger and no seeds', async () => {
  const core = await startTestCore({ profile: 'production' });
  try {
    for (const [method, path] of [
      ['get', '/faults'],
      ['put', '/faults'],
      ['get', '/ledger'],
    ] as const) {
      const response = await request(core.url)
        [method](path)
        .send(method === 'put' ? { next: 1, fault: 'refuse' } : undefined);
      assert.deepEqual([response.status, response.body.code], [404, 'OPERATION_UNKNOWN']);
    }
    assert.equal((await core.call(orderCall(freshOrderNo(), 1))).code, 'MERCHANT_UNKNOWN');
    assert.equal((await core.call(getCall('accounts.balance', '/v1/accounts/6800000000000001/balance'))).code, 'ACCOUNT_NOT_FOUND');
    const reader = new DatabaseSync(core.databaseFile, { readOnly: true });
    for (const table of ['accounts', 'journals', 'executions'])
      assert.equal(reader.prepare(`SELECT count(*) AS n FROM ${table}`).get()?.n, 0);
    reader.close();
  } finally {
    await core.dispose();
  }
});

test('development without the switch has /ledger but no /faults', async (t) => {
  const core = await startTestCore({ faults: false });
  t.after(core.dispose);
  await request(core.url).get('/ledger').expect(200);
  await request(core.url).put('/faults').send({ next: 1, fault: 'refuse' }).expect(404);
});

const refusedStarts: readonly (readonly [Partial<CoreOptions>, RegExp, string])[] = [
  [{ faults: true }, /fault switch is for development only/, 'faults in production'],
  [{ address: '0.0.0.0' }, /serves loopback only/, 'all addresses'],
  [{ address: '192.0.2.1', profile: 'development' }, /serves loopback only/, 'another address in development'],
  [{ address: '127.0.0.1.example.com' }, /serves loopback only/, 'a name that looks like loopback'],
  [{ databaseFile: '/nonexistent/core.db' }, /\/nonexistent\/core\.db: cannot be opened/, 'a folder that is not there'],
];
for (const [change, message, why] of refusedStarts) {
  test(`does not start: ${why}`, () =>
    assert.rejects(
      startCore(options(change)).then((core) => core.close()),
      { name: 'UserError', message },
    ));
}

test('a port in use is said in one line', async (t) => {
  const first = await startCore(options());
  t.after(first.close);
  await assert.rejects(startCore(options({ port: first.port, databaseFile: join(directory, 'other.db') })), {
    name: 'UserError',
    message: `core: 127.0.0.1:${first.port} is in use; stop the other program or set HUFU_PORT_CORE`,
  });
  await first.close();
  await first.close();
});

test('a ledger of a newer core is left alone', async () => {
  const file = join(directory, 'newer.db');
  await (await startCore(options({ databaseFile: file }))).close();
  const raw = new DatabaseSync(file);
  raw.exec('PRAGMA user_version = 99');
  raw.close();
  await assert.rejects(startCore(options({ databaseFile: file })), { name: 'UserError', message: /written by a newer core/ });
});

test('a file that is no database is named', async () => {
  const file = join(directory, 'assertion.pub');
  await (await import('node:fs/promises')).writeFile(file, 'not a database, but long enough to be looked at'.repeat(100));
  await assert.rejects(startCore(options({ databaseFile: file })), { name: 'UserError', message: /assertion\.pub: cannot be opened/ });
  assert.match(readFileSync(file, 'utf8'), /^not a database/);
});

test('the ledger can be read by its owner only, its journal files too', async (t) => {
  const file = join(directory, 'mode.db');
  const core = await startCore(options({ databaseFile: file, profile: 'development' }));
  t.after(core.close);
  for (const name of [file, `${file}-wal`, `${file}-shm`]) assert.equal(statSync(name).mode & 0o777, 0o600);
});

test('a second start seeds nothing again and keeps what was paid', async (t) => {
  const first = await startTestCore();
  t.after(first.dispose);
  const orderNo = freshOrderNo();
  await first.call(orderCall(orderNo, 30));
  const payment = paymentCall(orderNo, 30);
  const paid = await first.call(payment);
  await first.close();
  const second = await startTestCore({ databaseFile: first.databaseFile, signer: first.signer });
  t.after(second.dispose);
  const balance = await second.call(getCall('accounts.balance', '/v1/accounts/6800000000000001/balance'));
  assert.equal(balance.json.balanceFen, 30);
  const again = await second.call(payment);
  assert.deepEqual([again.text, again.replayed], [paid.text, true]);
  const figures = await second.readLedger();
  assert.deepEqual([figures.problems, figures.executions.length], [[], 2]);
});

test('close lets what has begun end and takes nothing new', async (t) => {
  const core = await startTestCore();
  t.after(core.dispose);
  const running = Array.from({ length: 10 }, () => core.call(orderCall(freshOrderNo(), 1)).catch(() => undefined));
  await Promise.race(running);
  await core.close();
  const answered = (await Promise.all(running)).filter((answer) => answer?.status === 201).length;
  const again = await startTestCore({ databaseFile: core.databaseFile, signer: core.signer });
  t.after(again.dispose);
  const figures = await again.readLedger();
  assert.ok(figures.executions.length >= answered && answered >= 1);
  assert.deepEqual(figures.problems, []);
  await assert.rejects(core.call(orderCall(freshOrderNo(), 1)));
});

test('close waits for what has begun behind a connection that has gone', async () => {
  const reported: unknown[] = [];
  const core = await startTestCore({ reportError: (error) => reported.push(error) });
  const other = new DatabaseSync(core.databaseFile);
  other.exec('BEGIN IMMEDIATE');
  const call = orderCall(freshOrderNo(), 1);
  const leaving = new AbortController();
  const headers = await coreHeaders(core.signer, call);
  const left = fetch(core.url + call.target, { method: 'POST', headers, body: JSON.stringify(call.body), signal: leaving.signal }).catch(
    () => 'left',
  );
  // Answers of the same server that come later: by now the order waits for the lock.
  for (let i = 0; i < 5; i += 1) assert.equal((await core.call(orderQuery(freshOrderNo()))).status, 404);
  leaving.abort();
  assert.equal(await left, 'left');
  const closed = core.close();
  while (await fetch(`${core.url}/ledger`).then(Boolean, () => false));
  other.exec('ROLLBACK');
  await closed;
  assert.equal(
    other.prepare('SELECT count(*) AS n FROM executions WHERE derived_key = ?').get(call.key as string)?.n,
    1,
    'who leaves does not stop it',
  );
  other.close();
  assert.deepEqual(reported, []);
  await core.dispose();
});
