import assert from 'node:assert/strict';
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import type { Orders, Standing } from '../support/many-clients.ts';
import { createOrder, GENEROUS, MERCHANT_1, MERCHANT_2, payOrder, type System, startSystem } from '../support/system.ts';

const IDLE = 2_000;
const SLOW = 500;
const ROOM = [
  'connectionsMax: 5000',
  'connectionsPerAddressMax: 5000',
  'connectionsPerCertificateMax: 5000',
  'handshakesPerSecond: 10000',
  'handshakesBurst: 100000',
  'idleTimeoutMs: 120000',
  'handshakeTimeoutMs: 5000',
  'headersTimeoutMs: 5000',
];

describe('K2: many idle connections and slow senders, from a process of their own', { timeout: 120_000 }, () => {
  let system: System;
  let clients: ChildProcess;
  before(async () => {
    system = await startSystem({
      rules: GENEROUS,
      settings: 'answers: { budgetPerSecond: 10000, budgetBurst: 100000 }',
      configure: (folder) => {
        const file = join(folder, 'gateway.yaml');
        writeFileSync(file, readFileSync(file, 'utf8').replace('port: 8443', `port: 8443\n    ${ROOM.join('\n    ')}`));
      },
    });
    clients = fork(join(import.meta.dirname, '..', 'support', 'many-clients.ts'));
  });
  after(async () => {
    clients?.kill('SIGKILL');
    await system?.dispose();
  });
  const standing = async (): Promise<Standing> => ((await once(clients, 'message')) as [Standing])[0];

  test(`${IDLE} idle connections are held while ${SLOW} slow senders come again and again, and a good merchant pays`, async () => {
    const { certificatePem: cert, keyPem: key } = system.pki.read(`merchants/${MERCHANT_2}`);
    const port = Number(new URL(system.gateways[0]?.url ?? '').port);
    const options = { cert, key, ca: system.pki.read('authority').certificatePem, host: '127.0.0.1', port, servername: 'localhost' };
    clients.send({ options, idle: IDLE, slow: SLOW } satisfies Orders);
    assert.equal((await standing()).held, IDLE);
    const merchant = system.merchant(MERCHANT_1);
    for (let i = 0; i < 20; i += 1) assert.equal((await payOrder(merchant, await createOrder(merchant, 1), 1)).outcome, 'succeeded');
    // The first slow senders have met their bound by now or will; those that follow them change nothing either.
    for (let now = await asked(); now.begun < SLOW + 100; now = await asked())
      assert.equal((await payOrder(merchant, await createOrder(merchant, 1), 1)).outcome, 'succeeded');
    assert.equal((await asked()).held, IDLE, 'not one of them was closed');
    const text = await (await fetch(`${system.gateways[0]?.statusUrl}/metrics`)).text();
    assert.match(text, /hufu_evicted_connections_total\{listener="internet"\} 0\n|^(?![\s\S]*hufu_evicted_connections_total\{)/);
  });

  const asked = async (): Promise<Standing> => {
    clients.send('how many?');
    return standing();
  };
});
