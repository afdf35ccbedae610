import assert from 'node:assert/strict';
import { once } from 'node:events';
import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { loadConfig } from '../../src/config/load.ts';
import type { GatewayConfig } from '../../src/config/schema.ts';
import { readJournals } from '../../src/journal/journals.ts';
import { ensureDevelopmentKeys } from '../../src/keys/development-keys.ts';
import { type RunningGateway, startGateway } from '../../src/runtime/gateway.ts';
import { createMerchant } from '../../src/sdk/merchant.ts';
import { startTestCore } from '../support/core.ts';
import { eventually } from '../support/eventually.ts';
import { makePki, type Pki } from '../support/pki.ts';
import { freePorts } from '../support/process.ts';
import { freshOrderNo, MERCHANT_1, orderBody } from '../support/system.ts';

const PROJECT = resolve(import.meta.dirname, '..', '..');

type Bench = {
  readonly config: GatewayConfig;
  readonly pki: Pki;
  readonly log: string[];
  readonly silent: { write: (line: string) => void };
};

/** A configuration of the development profile in a folder of its own, ready to start. */
async function prepare(t: TestContext, environment: NodeJS.ProcessEnv = {}): Promise<Bench> {
  const directory = mkdtempSync(join(tmpdir(), 'hufu-runtime-'));
  const pki = await makePki();
  t.after(() => {
    rmSync(directory, { recursive: true, force: true });
    pki.dispose();
  });
  cpSync(join(PROJECT, 'config'), join(directory, 'config'), { recursive: true });
  ensureDevelopmentKeys(join(directory, 'keys'));
  const [internet, status] = await freePorts(2);
  const variables = {
    HUFU_DATA: directory,
    HUFU_CERTS: pki.directory,
    HUFU_PORT_INTERNET: String(internet),
    HUFU_PORT_STATUS: String(status),
  };
  const config = loadConfig({
    file: join(directory, 'config', 'gateway.yaml'),
    environment: { ...variables, ...environment },
    profile: 'development',
  });
  const log: string[] = [];
  return { config, pki, log, silent: { write: (line) => void log.push(line) } };
}

/** Starts a gateway that ends with the test, also when the test does not get as far as its stop. */
async function start(t: TestContext, config: GatewayConfig, log: Bench['silent']): Promise<RunningGateway> {
  const gateway = await startGateway(config, { log });
  let stopped: Promise<void> | undefined;
  const stop = (timeoutMs: number) => {
    stopped ??= gateway.stop(timeoutMs);
    return stopped;
  };
  t.after(() => stop(0));
  return { ...gateway, stop };
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer();
  const free = await new Promise<boolean>((done) => server.once('error', () => done(false)).listen(port, '127.0.0.1', () => done(true)));
  await new Promise((done) => server.close(done));
  return free;
}

function clientOf({ config, pki }: Bench) {
  const leaf = pki.read(`merchants/${MERCHANT_1}`);
  return createMerchant({
    url: `https://localhost:${config.listeners.internet.port}`,
    merchantNumber: MERCHANT_1,
    certificate: leaf.certificatePem,
    key: leaf.keyPem,
    authority: pki.read('authority').certificatePem,
    trustedKeys: ['platform-ec', 'platform-rsa'].map((keyid) => ({ keyid, pem: pki.read(`signing/${keyid}`).certificatePem })),
  });
}

const createOrder = (client: ReturnType<typeof clientOf>) => {
  const orderNo = freshOrderNo();
  return client.call({ method: 'POST', path: '/v1/orders', idempotencyKey: orderNo, body: orderBody(orderNo, 100) });
};

/** A core that trusts the keys of the bench, and the configuration that finds it. */
async function withCore(t: TestContext, bench: Bench) {
  const core = await startTestCore({ assertionPublicKeyFile: join(bench.config.secretsDirectory, 'assertion.pub') });
  t.after(core.dispose);
  return { core, config: { ...bench.config, core: { ...bench.config.core, url: core.url } } };
}

describe('a start that fails closes everything it had opened', () => {
  for (const [name, variable] of [
    ['internet', 'HUFU_PORT_INTERNET'],
    ['status', 'HUFU_PORT_STATUS'],
  ] as const) {
    test(`the port of the ${name} listener is taken`, async (t) => {
      const bench = await prepare(t);
      const { config, silent } = bench;
      const taken = config.listeners[name].port;
      const blocker = createServer().listen(taken, '127.0.0.1');
      await once(blocker, 'listening');
      await assert.rejects(startGateway(config, { log: silent }), {
        name: 'UserError',
        message: new RegExp(`port ${taken} on 127\\.0\\.0\\.1 is in use; .* ${variable}=PORT$`),
      });
      for (const { port } of [config.listeners.internet, config.listeners.status]) assert.equal(await isFree(port), port !== taken);
      const [journal] = await readJournals(config.journal.directory);
      assert.deepEqual([journal?.locked, journal?.cleanlyClosed], [false, true]);
      blocker.close();
      await once(blocker, 'close');
      const gateway = await start(t, config, silent);
      await gateway.stop(0);
    });
  }

  test('the store cannot be opened', async (t) => {
    const { config, silent } = await prepare(t);
    await assert.rejects(startGateway({ ...config, store: `sqlite:${config.file}/store.db` }, { log: silent }), { name: 'UserError' });
    const [journal] = await readJournals(config.journal.directory);
    assert.deepEqual([journal?.locked, journal?.cleanlyClosed], [false, true]);
  });
});

describe('a running gateway', () => {
  test('says where it listens; address and port of the status listener are its own', async (t) => {
    const { config, silent } = await prepare(t, { HUFU_PORT_INTERNET: '0', HUFU_PORT_STATUS: '0' });
    const status = { ...config.listeners.status, address: '::1' };
    const gateway = await start(t, { ...config, listeners: { ...config.listeners, status } }, silent);
    assert.equal(gateway.statusUrl, `http://[::1]:${gateway.ports.status}`);
    assert.ok(gateway.ports.internet > 0);
    assert.equal((await fetch(`${gateway.statusUrl}/readyz`)).status, 200);
    await gateway.stop(0);
  });

  test('a stop answers what is under way, and tells balancers meanwhile', async (t) => {
    const bench = await prepare(t);
    const { core, config } = await withCore(t, bench);
    const gateway = await start(t, config, bench.silent);
    const client = clientOf(bench);
    t.after(() => client.close());
    await core.setFault({ next: 1, fault: 'delay', delayMs: 700 });
    const call = createOrder(client);
    await eventually(async () => {
      const { fault } = (await (await fetch(`${core.url}/faults`)).json()) as { fault: { next: number } };
      assert.equal(fault.next, 0, 'the core has begun the request');
    });
    let stopped = false;
    const stopping = gateway.stop(20_000).then(() => {
      stopped = true;
    });
    const readyz = await fetch(`${gateway.statusUrl}/readyz`);
    const { dependencies } = (await readyz.json()) as { dependencies: { name: string; ready: boolean }[] };
    assert.deepEqual([readyz.status, dependencies.find(({ name }) => name === 'listener')?.ready], [503, false]);
    assert.equal(stopped, false);
    const answer = await call;
    assert.deepEqual([answer.status, answer.accepted], [201, true], String(answer.why));
    assert.equal(answer.headers.connection, 'close');
    await stopping;
    const [journal] = await readJournals(config.journal.directory);
    assert.deepEqual([journal?.locked, journal?.cleanlyClosed], [false, true]);
  });

  test('an answer of the core above core.answerBytesMax is not understood: the outcome is unknown', async (t) => {
    const bench = await prepare(t);
    const { config } = await withCore(t, bench);
    const gateway = await start(t, { ...config, core: { ...config.core, answerBytesMax: 100 } }, bench.silent);
    const client = clientOf(bench);
    t.after(() => client.close());
    const answer = await createOrder(client);
    assert.deepEqual([answer.code, answer.outcome, answer.verified], ['OUTCOME_UNKNOWN', 'unknown', true]);
    await gateway.stop(1_000);
  });

  test('a Redis that is away at the start: it serves, refuses money, and stops', async (t) => {
    const [port = 0] = await freePorts(1);
    const bench = await prepare(t, { HUFU_STORE: `redis://127.0.0.1:${port}` });
    const gateway = await start(t, bench.config, bench.silent);
    const client = clientOf(bench);
    t.after(() => client.close());
    const answer = await createOrder(client);
    assert.deepEqual([answer.status, answer.code, answer.outcome, answer.retry], [503, 'STORE_UNAVAILABLE', 'unknown', 'same_key_later']);
    assert.equal((await fetch(`${gateway.statusUrl}/readyz`)).status, 503);
    await gateway.stop(1_000);
  });
});
