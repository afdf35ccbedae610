import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { once } from 'node:events';
import { connect as connectPlain } from 'node:net';
import { describe, test } from 'node:test';
import type { ConnectionOptions } from 'node:tls';
import { issueCertificate } from '../../src/certificates/issue.ts';
import { parseName } from '../../src/protocol/distinguished-name.ts';
import { eventually } from '../support/eventually.ts';
import { type Caller, type Door, MERCHANT, openDoor, REQUEST, sealed } from './listener-alone.ts';

const HOUR_MS = 3_600_000;

/** A merchant's certificate signed by a stranger who took the name of our authority. */
async function forged({ pki }: Door): Promise<ConnectionOptions> {
  const keys = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const cert = await issueCertificate({
    subject: pki.read(`merchants/${MERCHANT}`).name,
    publicKey: keys.publicKey,
    issuer: { name: pki.read('merchants-authority').name, keys },
    notBeforeMs: Date.now() - HOUR_MS,
    notAfterMs: Date.now() + HOUR_MS,
    profile: 'merchant',
  });
  return { cert, key: keys.privateKey.export({ type: 'pkcs8', format: 'pem' }) };
}

async function selfSigned(): Promise<ConnectionOptions> {
  const keys = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const name = parseName(`CN=${MERCHANT}`);
  const span = { notBeforeMs: Date.now() - HOUR_MS, notAfterMs: Date.now() + HOUR_MS };
  const cert = await issueCertificate({ subject: name, publicKey: keys.publicKey, issuer: { name, keys }, ...span, profile: 'merchant' });
  return { cert, key: keys.privateKey.export({ type: 'pkcs8', format: 'pem' }) };
}

const VERSIONS = ['TLSv1.2', 'TLSv1.3'] as const;
const only = (version: (typeof VERSIONS)[number]): ConnectionOptions => ({ minVersion: version, maxVersion: version });

describe('strangers', { timeout: 30_000 }, () => {
  const STRANGERS: readonly (readonly [why: string, identity: (door: Door) => ConnectionOptions | Promise<ConnectionOptions>])[] = [
    ['without a certificate', () => ({ cert: undefined })],
    ['with a certificate of their own', selfSigned],
    ['with a certificate forged in our name', forged],
    ["with the server's certificate", ({ pki }) => ({ cert: pki.read('server').certificatePem, key: pki.read('server').keyPem })],
  ];
  for (const [why, identity] of STRANGERS) {
    test(`${why}, who send requests in their first flight, never reach the handler`, async (t) => {
      const door = await openDoor(t);
      const options = await identity(door);
      for (const version of VERSIONS) {
        for (let i = 0; i < 3; i += 1) assert.equal(await door.burst(REQUEST.repeat(3), { ...options, ...only(version) }), '');
      }
      assert.deepEqual(door.arrived, []);
      assert.deepEqual(new Set(door.refused), new Set(['certificate']));
      // The door stands, and a merchant's first flight does reach it.
      assert.match(await door.burst(REQUEST.replace('\r\n\r\n', '\r\nConnection: close\r\n\r\n')), /^HTTP\/1\.1 200 /);
      assert.equal(door.arrived.length, 1);
    });
  }

  test('a certificate that cannot be judged is a stranger, and an alarm', async (t) => {
    const broken = new Error('no such algorithm');
    const door = await openDoor(t, {
      readPeer: () => {
        throw broken;
      },
    });
    assert.equal(await door.burst(REQUEST), '');
    assert.deepEqual([door.arrived, door.faults], [[], [broken]]);
  });
});

describe('a resumed session', { timeout: 30_000 }, () => {
  for (const version of VERSIONS) {
    test(`${version}: the certificate is read again, though it was not sent again`, async (t) => {
      const door = await openDoor(t);
      const first = await door.dial(only(version));
      first.socket.write(REQUEST);
      await eventually(() => assert.equal(door.arrived.length, 1));
      const session = await eventually(() => first.session() ?? assert.fail('no session was given'));
      first.socket.end();
      await first.ended;
      const second = await door.dial({ ...only(version), session });
      assert.equal(second.socket.isSessionReused(), true);
      second.socket.write(REQUEST);
      await eventually(() => assert.equal(door.arrived.length, 2));
      assert.deepEqual(door.arrived[1]?.peer, door.arrived[0]?.peer);
      assert.match(door.arrived[1]?.peer.subject ?? '', new RegExp(MERCHANT));
    });
  }
});

describe('what the parser refuses, or what takes too long, is unsigned and closes', { timeout: 30_000 }, () => {
  const SHORT = { headersTimeoutMs: 300, requestTimeoutMs: 400, idleTimeoutMs: 1_000, handshakeTimeoutMs: 500 };
  const CASES: readonly (readonly [why: string, bytes: string, said: RegExp, calls: number])[] = [
    [
      'headers beyond their bound',
      `GET / HTTP/1.1\r\nHost: localhost\r\nX: ${'x'.repeat(9_000)}\r\n\r\n`,
      /^HTTP\/1\.1 431 Request Header Fields Too Large\r\nconnection: close\r\ncontent-length: 0\r\n\r\n$/,
      0,
    ],
    [
      'headers that never end',
      'GET / HTTP/1.1\r\nHost: localhost\r\nX: ',
      /^HTTP\/1\.1 408 Request Timeout\r\nconnection: close\r\ncontent-length: 0\r\n\r\n$/,
      0,
    ],
    ['a connection that says nothing', '', /^(HTTP\/1\.1 408 [\s\S]*)?$/, 0],
    ['a body that never ends', 'POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\n123', /^HTTP\/1\.1 408 [\s\S]*$/, 0],
    ['nothing after an answer', REQUEST, /^HTTP\/1\.1 200 OK\r\n[\s\S]*ok$/, 1],
  ];
  for (const [why, bytes, said, calls] of CASES) {
    test(why, async (t) => {
      const door = await openDoor(t, SHORT);
      const caller = await door.dial();
      caller.socket.write(bytes);
      assert.match(await caller.ended, said);
      assert.equal(door.arrived.length, calls);
      await eventually(() => assert.equal(door.connections(), 0));
      assert.deepEqual(door.faults, []);
    });
  }

  test('a handshake that never begins', async (t) => {
    const door = await openDoor(t, SHORT);
    const socket = connectPlain(door.listener.port, '127.0.0.1');
    await once(socket, 'close');
    assert.deepEqual(door.refused, ['handshake']);
  });

  test('more connections than the bound: a newcomer takes the place of the one that was idle for longest', async (t) => {
    const door = await openDoor(t, { connectionsMax: 2 });
    const first = await door.dial();
    const second = await door.dial();
    // A client has done its part of the handshake before we have: those still in it are let go first.
    await eventually(() => assert.equal(door.connections(), 2));
    const third = await door.dial();
    await first.ended;
    await eventually(() => assert.equal(door.connections(), 2));
    assert.deepEqual([second.socket.destroyed, third.socket.destroyed], [false, false]);
  });
});

describe('a merchant that leaves', { timeout: 30_000 }, () => {
  test('before its answer: the pipeline ends its work, nothing is written, nothing falls', async (t) => {
    const begun = Promise.withResolvers<void>();
    const left = Promise.withResolvers<void>();
    let finished = false;
    const door = await openDoor(t, {
      handle: async () => {
        begun.resolve();
        await left.promise;
        finished = true;
        return sealed(201);
      },
    });
    const caller = await door.dial();
    caller.socket.write(REQUEST);
    await begun.promise;
    caller.socket.destroy();
    await eventually(() => assert.equal(door.connections(), 0));
    left.resolve();
    await eventually(() => assert.equal(finished, true));
    assert.match(await door.burst(REQUEST.replace('\r\n\r\n', '\r\nConnection: close\r\n\r\n')), /^HTTP\/1\.1 201 /);
    assert.deepEqual(door.faults, []);
  });

  test('before its body is whole: the pipeline is not asked', async (t) => {
    const door = await openDoor(t);
    const caller = await door.dial();
    caller.socket.write('POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\n123');
    caller.socket.end();
    assert.match(await caller.ended, /^(HTTP\/1\.1 400 Bad Request\r\n[\s\S]*)?$/);
    assert.deepEqual([door.arrived, door.faults], [[], []]);
  });
});

describe('a fault of ours closes the connection without an answer, and only that one', { timeout: 30_000 }, () => {
  const FAULTS: readonly (readonly [why: string, options: Parameters<typeof openDoor>[1], fault: RegExp])[] = [
    [
      'a refusal that cannot be signed',
      { handle: () => Promise.reject(new Error('first')), refuse: () => Promise.reject(new Error('signer')) },
      /signer/,
    ],
    [
      'an answer whose header is none',
      { handle: async () => sealed(200, 'x', { rawHeaders: ['content-type', 'a\r\nb'] }) },
      /Invalid character/,
    ],
  ];
  for (const [why, options, fault] of FAULTS) {
    test(why, async (t) => {
      const door = await openDoor(t, options);
      assert.equal(await door.burst(REQUEST), '');
      assert.match(String(door.faults[0]), fault);
      assert.equal(door.faults.length, 1);
      assert.equal((await door.dial()).socket.authorized, true);
    });
  }

  test('an error of the pipeline is refused by the pipeline', async (t) => {
    const door = await openDoor(t, { handle: () => Promise.reject(new Error('x')) });
    assert.match(await door.burst(REQUEST), /^HTTP\/1\.1 400 [\s\S]*connection: close[\s\S]*refused$/i);
    assert.deepEqual(door.faults, []);
  });

  const ENDS: readonly (readonly [connection: 'keep' | 'close' | 'destroy', said: RegExp])[] = [
    ['close', /^HTTP\/1\.1 200 OK\r\n[\s\S]*\r\nconnection: close\r\n[\s\S]*ok$/i],
    ['destroy', /^$/],
  ];
  for (const [connection, said] of ENDS) {
    test(`the pipeline says ${connection}`, async (t) => {
      const door = await openDoor(t, { handle: async () => sealed(200, 'ok', { connection }) });
      assert.match(await door.burst(REQUEST), said);
    });
  }
});

describe('drain', { timeout: 30_000 }, () => {
  /** A door whose handler waits for `go`. */
  async function slowDoor(t: Parameters<typeof openDoor>[0]) {
    const go = Promise.withResolvers<void>();
    const door = await openDoor(t, {
      handle: async () => {
        await go.promise;
        return sealed(200, 'at last');
      },
    });
    const caller = await door.dial();
    caller.socket.write(REQUEST);
    await eventually(() => assert.equal(door.arrived.length, 1));
    return { door, caller, go: go.resolve };
  }

  test('what is under way is answered with Connection: close; everything else is closed at once', async (t) => {
    const { door, caller, go } = await slowDoor(t);
    const unused: Caller = await door.dial();
    const half = await door.dial();
    half.socket.write('GET / HT');
    const shaking = connectPlain(door.listener.port, '127.0.0.1');
    await once(shaking, 'connect');
    await eventually(() => assert.equal(door.connections(), 3));
    let isDrained = false;
    const drained = door.listener.drain(20_000).then(() => {
      isDrained = true;
    });
    assert.deepEqual(await Promise.all([unused.ended, half.ended]), ['', '']);
    const late = connectPlain(door.listener.port, '127.0.0.1');
    const [refusal] = await once(late, 'error');
    assert.equal(refusal.code, 'ECONNREFUSED');
    // Another request on the connection that is still open is served too: its sender cannot know.
    caller.socket.write(REQUEST);
    await eventually(() => assert.equal(door.arrived.length, 2));
    assert.equal(isDrained, false);
    const gone = once(shaking, 'close');
    go();
    const answer = await caller.ended;
    assert.match(answer, /^HTTP\/1\.1 200 OK\r\n[\s\S]*?connection: close\r\n[\s\S]*?\r\n\r\nat last/i);
    await drained;
    await gone;
    assert.equal(door.connections(), 0);
  });

  test('after its time what is under way is cut', async (t) => {
    const { door, caller } = await slowDoor(t);
    await door.listener.drain(50);
    assert.equal(await caller.ended, '');
    await eventually(() => assert.equal(door.connections(), 0));
  });

  test('a merchant whose handshake ends while it drains is not let in', async (t) => {
    const { door, go } = await slowDoor(t);
    const raw = connectPlain(door.listener.port, '127.0.0.1');
    await once(raw, 'connect');
    const drained = door.listener.drain(20_000);
    const leaf = door.pki.read(`merchants/${MERCHANT}`);
    const bytes = door.burst(REQUEST, { socket: raw, cert: leaf.certificatePem, key: leaf.keyPem } as ConnectionOptions);
    assert.equal(await bytes, '');
    go();
    await drained;
    assert.equal(door.arrived.length, 1);
  });
});
