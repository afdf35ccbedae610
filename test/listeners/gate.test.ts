import assert from 'node:assert/strict';
import { once } from 'node:events';
import { after, before, test } from 'node:test';
import { connect, type TLSSocket } from 'node:tls';
import type { InternetOptions } from '../../src/listeners/internet.ts';
import { eventually } from '../support/eventually.ts';
import { makePki, type Pki } from '../support/pki.ts';
import { ask, clientOf, type Door, handshake, isClosed, openDoor, readAnswer, tcp } from './door.ts';

let pki: Pki;
before(async () => {
  pki = await makePki();
});
after(() => pki.dispose());

/** Runs with a door of its own, which ends with the test. */
const at = (options: Partial<InternetOptions>, body: (door: Door) => Promise<void>) => async (): Promise<void> => {
  const door = await openDoor(pki, options);
  try {
    await body(door);
  } finally {
    await door.close();
  }
};
const LOOPBACK = ['127.0.0.0/8'];
const ELSEWHERE = ['192.0.2.0/24'];
const meet = (door: Door, path?: string): Promise<TLSSocket> => handshake({ ...clientOf(pki, path), port: door.port });

/** TLS behind a header, as a balancer that passes TLS through speaks. */
async function meetThroughProxy(door: Door, header: Buffer | string, pieces = 1): Promise<TLSSocket> {
  const raw = await tcp(door.port);
  raw.setNoDelay(true);
  const bytes = Buffer.from(header);
  for (let i = 0; i < pieces; i += 1) {
    const part = bytes.subarray(Math.floor((i * bytes.length) / pieces), Math.floor(((i + 1) * bytes.length) / pieces));
    await new Promise((resolve) => raw.write(part, resolve));
    await new Promise(setImmediate);
  }
  const socket = connect({ ...clientOf(pki), socket: raw }).on('error', () => undefined);
  await Promise.race([once(socket, 'secureConnect'), isClosed(raw).then(() => assert.fail('closed'))]);
  return socket;
}
const V1 = 'PROXY TCP4 192.0.2.7 198.51.100.1 40000 8443\r\n';
const V2 = Buffer.from('0d0a0d0a000d0a515549540a2111000cc0000207c63364019c4020fb', 'hex');

for (const [header, version] of [
  [V1, 1],
  [V2, 2],
] as const) {
  for (const pieces of [1, 2, 7, 28]) {
    test(
      `PROXY version ${version} in ${pieces} pieces: the client's address is used`,
      at({ proxies: LOOPBACK }, async (door) => {
        const socket = await meetThroughProxy(door, header, pieces);
        assert.equal((await ask(socket))?.value.address, '192.0.2.7');
        socket.destroy();
      }),
    );
  }
  test(
    `PROXY version ${version} from a peer that is not listed closes the socket`,
    at({ proxies: ELSEWHERE }, async (door) => {
      assert.ok(await isClosed(await tcp(door.port, header)));
      assert.deepEqual(door.refused, ['handshake']);
      const honest = await meet(door);
      assert.equal((await ask(honest))?.value.address, '127.0.0.1');
      honest.destroy();
    }),
  );
}

test(
  'a header and the first flight in one packet',
  at({ proxies: LOOPBACK }, async (door) => {
    const raw = await tcp(door.port);
    raw.cork();
    raw.write(V1);
    const socket = connect({ ...clientOf(pki), socket: raw });
    process.nextTick(() => raw.uncork());
    await once(socket, 'secureConnect');
    assert.equal((await ask(socket))?.value.address, '192.0.2.7');
    socket.destroy();
  }),
);

test(
  'LOCAL: the balancer speaks for itself',
  at({ proxies: LOOPBACK }, async (door) => {
    const socket = await meetThroughProxy(door, Buffer.from('0d0a0d0a000d0a515549540a20000000', 'hex'));
    assert.equal((await ask(socket))?.value.address, '127.0.0.1');
    socket.destroy();
  }),
);

test(
  'a listed peer without a header is closed',
  at({ proxies: LOOPBACK }, async (door) => {
    await assert.rejects(meet(door));
    assert.deepEqual(door.refused, ['proxy']);
  }),
);

test(
  'a second header is not read',
  at({ proxies: LOOPBACK }, async (door) => {
    assert.ok(await isClosed(await tcp(door.port, V1 + V1)));
    assert.deepEqual(door.refused, ['handshake']);
  }),
);

test(
  'a header that never ends is cut',
  at({ proxies: LOOPBACK, handshakeTimeoutMs: 200 }, async (door) => {
    assert.ok(await isClosed(await tcp(door.port, 'PROXY TCP4 192.0.2.7')));
    assert.deepEqual(door.refused, ['handshake']);
  }),
);

test(
  'so is a ClientHello that never ends',
  at({ handshakeTimeoutMs: 200 }, async (door) => {
    assert.ok(await isClosed(await tcp(door.port, Buffer.from([22, 3, 1, 2, 0, 1, 0]))));
    assert.deepEqual(door.refused, ['handshake']);
  }),
);

test(
  'C4: an address list is asked before the handshake, and no header of the request passes it',
  at({ networks: ELSEWHERE }, async (door) => {
    assert.ok(await isClosed(await tcp(door.port)));
    assert.deepEqual(door.refused, ['network']);
  }),
);

test(
  'the list is asked for the address behind the balancer, not for the balancer',
  at({ networks: ELSEWHERE, proxies: LOOPBACK }, async (door) => {
    const socket = await meetThroughProxy(door, V1);
    assert.equal((await ask(socket))?.status, 200);
    socket.destroy();
    assert.ok(await isClosed(await tcp(door.port, 'PROXY TCP4 10.1.2.3 198.51.100.1 1 2\r\n')));
    assert.deepEqual(door.refused, ['network']);
  }),
);

test(
  'C4: X-Forwarded-For, True-Client-IP and Forwarded change no address',
  at({}, async (door) => {
    const socket = await meet(door);
    const headers = ['X-Forwarded-For: 192.0.2.7', 'True-Client-IP: 192.0.2.7', 'Forwarded: for=192.0.2.7', 'X-Real-IP: 192.0.2.7'];
    assert.equal((await ask(socket, { headers }))?.value.address, '127.0.0.1');
    socket.destroy();
  }),
);

test(
  'connections of one address are bounded, and free again when one ends',
  at({ connectionsPerAddressMax: 2 }, async (door) => {
    const [first, second] = [await meet(door), await meet(door)];
    await assert.rejects(meet(door));
    assert.deepEqual(door.refused, ['address']);
    first.destroy();
    const third = await eventually(() => meet(door));
    assert.equal((await ask(second))?.status, 200);
    for (const socket of [second, third]) socket.destroy();
  }),
);

test(
  'the bound is for the address behind the balancer',
  at({ connectionsPerAddressMax: 1, proxies: LOOPBACK }, async (door) => {
    const first = await meetThroughProxy(door, V1);
    const other = await meetThroughProxy(door, V1.replace('192.0.2.7', '192.0.2.8'));
    await assert.rejects(meetThroughProxy(door, V1));
    assert.deepEqual(door.refused, ['address']);
    for (const socket of [first, other]) socket.destroy();
  }),
);

test(
  'connections of one certificate are bounded; another certificate has its own',
  at({ connectionsPerCertificateMax: 1 }, async (door) => {
    const first = await meet(door);
    assert.equal((await ask(first))?.status, 200);
    const second = await meet(door);
    assert.ok(await isClosed(second));
    assert.deepEqual(door.refused, ['certificate_connections']);
    const other = await meet(door, 'merchants/800000000000001');
    assert.equal((await ask(other))?.status, 200);
    for (const socket of [first, other]) socket.destroy();
  }),
);

test(
  'handshakes of one address are bounded',
  at({ handshakesPerSecond: 1, handshakesBurst: 3, monotonicMs: () => 1_000_000 }, async (door) => {
    for (let i = 0; i < 3; i += 1) (await meet(door)).destroy();
    await assert.rejects(async () => {
      for (let i = 0; i < 2; i += 1) (await meet(door)).destroy();
    });
    assert.ok(door.refused.includes('rate'));
  }),
);

test(
  'the answer to the last request of a connection closes it; what was sent behind is not begun',
  at({ requestsPerConnectionMax: 2 }, async (door) => {
    const socket = await meet(door);
    assert.doesNotMatch((await ask(socket))?.head ?? '', /connection: close/i);
    const answer = readAnswer(socket);
    socket.write('GET /2 HTTP/1.1\r\nHost: localhost\r\n\r\nGET /3 HTTP/1.1\r\nHost: localhost\r\n\r\n');
    assert.match((await answer)?.head ?? '', /connection: close/i);
    assert.ok(await isClosed(socket));
    assert.deepEqual(
      door.arrived.map(({ target }) => target),
      ['/', '/2'],
    );
  }),
);

test(
  'full: the merchant that was idle for longest makes room',
  at({ connectionsMax: 3 }, async (door) => {
    const [first, second, third] = [await meet(door), await meet(door), await meet(door)];
    for (const socket of [second, third, first]) assert.equal((await ask(socket))?.status, 200);
    const newcomer = await meet(door);
    assert.equal((await ask(newcomer))?.status, 200);
    assert.ok(await isClosed(second), 'it was asked least recently');
    assert.equal(door.evicted(), 1);
    for (const socket of [first, third, newcomer]) {
      assert.equal((await ask(socket))?.status, 200);
      socket.destroy();
    }
  }),
);

test(
  'full: strangers displace each other, no merchant',
  at({ connectionsMax: 2 }, async (door) => {
    const merchant = await meet(door);
    assert.equal((await ask(merchant))?.status, 200);
    const stranger = await tcp(door.port);
    const next = await tcp(door.port);
    assert.ok(await isClosed(stranger));
    const newcomer = await meet(door);
    assert.ok(await isClosed(next));
    for (const socket of [merchant, newcomer]) {
      assert.equal((await ask(socket))?.status, 200);
      socket.destroy();
    }
  }),
);

test('full of requests under way: the newcomer is closed, they are answered', async () => {
  const release = Promise.withResolvers<void>();
  const begun = Promise.withResolvers<void>();
  const handle: InternetOptions['handle'] = async () => {
    begun.resolve();
    await release.promise;
    return { status: 200, rawHeaders: [], body: Buffer.from('{}'), connection: 'keep' };
  };
  await at({ connectionsMax: 1, handle }, async (door) => {
    const busy = await meet(door);
    const answer = ask(busy);
    await begun.promise;
    assert.ok(await isClosed(await tcp(door.port)));
    assert.deepEqual(door.refused, ['full']);
    release.resolve();
    assert.equal((await answer)?.status, 200);
    busy.destroy();
  })();
});

test(
  'K1, scaled: 100 slow strangers and 50 slow merchants are cut, and disturb nobody',
  at({ handshakeTimeoutMs: 1_000, headersTimeoutMs: 1_000 }, async (door) => {
    const strangers = await Promise.all(Array.from({ length: 100 }, () => tcp(door.port, Buffer.from([22, 3, 1]))));
    const merchants = await Promise.all(Array.from({ length: 50 }, () => meet(door)));
    for (const socket of merchants) socket.write('GET / HTTP/1.1\r\nHost: loc');
    const good = await meet(door);
    assert.equal((await ask(good))?.status, 200);
    await Promise.all([...strangers, ...merchants].map(isClosed));
    assert.equal((await ask(good))?.status, 200);
    good.destroy();
  }),
);
