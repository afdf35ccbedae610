import assert from 'node:assert/strict';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { loadAuthorities, trustOptions } from '../../src/identity/authorities.ts';
import { readPeer } from '../../src/identity/peer.ts';
import { listenInternet } from '../../src/listeners/internet.ts';
import type { Sealed } from '../../src/protocol/messages.ts';
import { eventually } from '../support/eventually.ts';
import { makePki } from '../support/pki.ts';
import { connectRaw } from '../support/raw-client.ts';
import { MERCHANT_1, MERCHANT_2 } from '../support/system.ts';
import { LIMITS } from './listener-alone.ts';

const SEALED: Sealed = { status: 200, rawHeaders: [], body: Buffer.from('{}'), connection: 'keep' };

/** A real listener whose answers wait until the test lets them go, and on which the test says who is served. */
async function listen(t: TestContext) {
  const pki = await makePki();
  const authorities = loadAuthorities([{ name: 'merchants', certificates: [join(pki.directory, 'merchants-authority.crt')] }]);
  const { certificatePem: certificate, privateKey: key } = pki.read('server');
  const unserved = new Set<string>();
  const world = { connections: 0, hold: false, arrived: Promise.withResolvers<void>(), release: Promise.withResolvers<void>() };
  const listener = await listenInternet({
    ...LIMITS,
    certificates: [{ certificate, key }],
    authorities: trustOptions(authorities).ca,
    refuse: async () => SEALED,
    onRefused: () => {},
    onFault: (error) => assert.fail(String(error)),
    onConnections: (count) => {
      world.connections = count;
    },
    readPeer: (socket) => readPeer(socket, authorities, Date.now()),
    ready: () => undefined,
    isServed: ({ subject }) => !unserved.has(subject),
    handle: async () => {
      if (world.hold) {
        world.arrived.resolve();
        await world.release.promise;
      }
      return SEALED;
    },
  });
  t.after(async () => {
    await listener.drain(0);
    pki.dispose();
  });
  const connect = (number: string) => connectRaw(pki, `https://localhost:${listener.port}`, pki.read(`merchants/${number}`));
  return { listener, world, connect, endIdentityOf: (number: string) => unserved.add(pki.read(`merchants/${number}`).subject) };
}

test('idle connections of an identity that ended are closed; others stay', async (t) => {
  const { listener, world, connect, endIdentityOf } = await listen(t);
  const [used, unused, other] = [await connect(MERCHANT_1), await connect(MERCHANT_1), await connect(MERCHANT_2)];
  await used.ask();
  // A client is done with its handshake before the listener is.
  await eventually(() => assert.equal(world.connections, 3));
  assert.equal(listener.closeUnserved(), 0);
  endIdentityOf(MERCHANT_1);
  assert.equal(listener.closeUnserved(), 2);
  await Promise.all([used.closed, unused.closed]);
  assert.equal((await other.ask()).status, 200);
  other.close();
});

test('an answer under way is given whole, and its connection closed after it', async (t) => {
  const { listener, world, connect, endIdentityOf } = await listen(t);
  const client = await connect(MERCHANT_1);
  world.hold = true;
  const answer = client.ask();
  await world.arrived.promise;
  endIdentityOf(MERCHANT_1);
  assert.equal(listener.closeUnserved(), 1);
  assert.equal(listener.closeUnserved(), 0, 'counted once');
  assert.equal(client.isClosed(), false);
  world.release.resolve();
  assert.equal((await answer).status, 200);
  await client.closed;
});

test('whoever comes with an identity that has ended already is answered, so that it learns why', async (t) => {
  const { listener, connect, endIdentityOf } = await listen(t);
  endIdentityOf(MERCHANT_1);
  const client = await connect(MERCHANT_1);
  assert.equal((await client.ask()).status, 200);
  assert.equal(listener.closeUnserved(), 0);
  assert.equal((await client.ask()).status, 200);
  client.close();
});
