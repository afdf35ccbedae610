import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer as createTlsServer } from 'node:https';
import { createServer, type Socket } from 'node:net';
import { test } from 'node:test';
import type { CoreReply } from '../../src/ports/core.ts';
import { makePki } from '../support/pki.ts';
import { coreAt, okJson, onRequest, payment, startRawCore } from './raw-core.ts';

/** A port that nobody listens on. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, 'close');
  return port;
}

test('exactly the given bytes and headers go out, with nothing added but framing', async (t) => {
  const raw = await startRawCore(t, (socket) => onRequest(socket, () => socket.write(okJson('{}'))));
  const core = coreAt(t, raw.port, { connections: 1 });
  const reply = await core.call(payment());
  assert.deepEqual(reply, {
    kind: 'answered',
    answer: { status: 200, contentType: 'application/json', body: Buffer.from('{}') },
    replayed: false,
  });
  await core.call({ ...payment(), method: 'GET', target: '/v1/orders/o1', headers: ['Accept', 'application/json'], body: Buffer.alloc(0) });
  assert.equal(
    raw.received(),
    `POST /v1/orders/o1/payments?x=%41 HTTP/1.1\r\nhost: 127.0.0.1:${raw.port}\r\nconnection: keep-alive\r\n` +
      'Content-Type: application/json\r\nHufu-Request-Id: r1\r\ncontent-length: 17\r\n\r\n{"amountFen":100}' +
      `GET /v1/orders/o1 HTTP/1.1\r\nhost: 127.0.0.1:${raw.port}\r\nconnection: keep-alive\r\nAccept: application/json\r\n\r\n`,
  );
  assert.equal(raw.sockets.length, 1, 'the socket is kept');
});

test('a path in the url stands before every target', async (t) => {
  const raw = await startRawCore(t, (socket) => onRequest(socket, () => socket.write(okJson('{}', 'Idempotency-Replayed: true\r\n'))));
  const reply = await coreAt(t, raw.port, { url: `http://127.0.0.1:${raw.port}/pay/` }).call(payment());
  assert.equal(reply.kind === 'answered' && reply.replayed, true);
  assert.match(raw.received(), /^POST \/pay\/v1\/orders\/o1\/payments\?x=%41 HTTP/);
});

type Case = {
  readonly name: string;
  readonly why: string;
  readonly behave: (socket: Socket) => void;
  readonly expected: CoreReply['kind'];
  readonly timeoutMs?: number;
  readonly body?: Buffer;
};

const end = (answer: string) => (socket: Socket) => onRequest(socket, () => socket.end(answer));

const afterAccept: readonly Case[] = [
  {
    name: 'closes at once',
    why: 'the request may have been on its way',
    behave: (socket) => socket.on('data', () => socket.destroy()),
    expected: 'noAnswer',
  },
  {
    name: 'resets after half of the request',
    why: 'half a request may be logged, queued or misread',
    behave: (socket) => socket.once('data', () => socket.resetAndDestroy()),
    expected: 'noAnswer',
    body: Buffer.alloc(8_000_000, 0x20),
  },
  {
    name: 'closes after all of it',
    why: 'O1: executed, then died',
    behave: (socket) => onRequest(socket, () => socket.destroy()),
    expected: 'noAnswer',
  },
  {
    name: 'resets after all of it',
    why: 'O3',
    behave: (socket) => onRequest(socket, () => socket.resetAndDestroy()),
    expected: 'noAnswer',
  },
  { name: 'never answers', why: 'O1: a timeout is not a failure', behave: () => undefined, expected: 'noAnswer', timeoutMs: 150 },
  { name: 'answers garbage', why: 'O5', behave: end('\0\x01SSH-2.0-OpenSSH\r\n\r\n'), expected: 'noAnswer' },
  { name: 'answers half of the head', why: 'O3', behave: end('HTTP/1.1 200 OK\r\nContent-Ty'), expected: 'noAnswer' },
  { name: 'answers half of the body', why: 'O3', behave: end('HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n{"a"'), expected: 'noAnswer' },
  {
    name: 'answers half of the chunks',
    why: 'O3',
    behave: end('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n'),
    expected: 'noAnswer',
  },
  {
    name: 'answers with two lengths',
    why: 'two readings of one answer',
    behave: end('HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 4\r\n\r\n{}  '),
    expected: 'noAnswer',
  },
  {
    name: 'answers with length and chunks',
    why: 'two readings of one answer',
    behave: end('HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n'),
    expected: 'noAnswer',
  },
  {
    name: 'drips beyond the timeout',
    why: 'every byte would start an idle timer anew',
    behave: (socket) =>
      onRequest(socket, () => {
        socket.write('HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n');
        const drip = setInterval(() => socket.write('x'), 20);
        socket.on('close', () => clearInterval(drip));
      }),
    expected: 'noAnswer',
    timeoutMs: 200,
  },
  {
    name: 'answers 100 MB',
    why: 'memory is bounded',
    behave: (socket) =>
      onRequest(socket, () => {
        socket.write('HTTP/1.1 200 OK\r\nContent-Length: 104857600\r\n\r\n');
        const pour = (): void => {
          while (!socket.destroyed && socket.write(Buffer.alloc(65_536, 0x20)));
        };
        socket.on('drain', pour);
        pour();
      }),
    expected: 'noAnswer',
  },
  {
    name: 'answers with 1 MB of headers',
    why: 'memory is bounded',
    behave: (socket) => onRequest(socket, () => socket.write(`HTTP/1.1 200 OK\r\nX: ${'x'.repeat(1_000_000)}\r\n\r\n`)),
    expected: 'noAnswer',
  },
  {
    name: 'switches protocols',
    why: 'nobody asked for it',
    behave: end('HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n'),
    expected: 'noAnswer',
  },
  {
    name: 'answers 302',
    why: 'O5: passed on as it is, nothing is followed',
    behave: end('HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n'),
    expected: 'answered',
  },
  {
    name: 'answers HTML',
    why: 'complete HTTP; what it means is decided elsewhere',
    behave: end('HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 6\r\n\r\n<html>'),
    expected: 'answered',
  },
  {
    name: 'sends early hints first',
    why: 'RFC 9110 section 15.2: one final answer follows',
    behave: end(`HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n${okJson('{}')}`),
    expected: 'answered',
  },
];

for (const { name, why, behave, expected, timeoutMs = 2_000, body = payment().body } of afterAccept) {
  test(`a core that ${name}: ${expected} (${why})`, async (t) => {
    const raw = await startRawCore(t, behave);
    const reply = await coreAt(t, raw.port).call(payment({ timeoutMs, body }));
    assert.equal(reply.kind, expected, JSON.stringify(reply));
    assert.equal(raw.received().split('POST ').length - 1, 1, 'sent once, never again');
  });
}

test('O3: nobody listens: proven that nothing was sent', async (t) => {
  const reply = await coreAt(t, await freePort()).call(payment());
  assert.equal(reply.kind, 'notSent');
});

test('a host that does not exist: nothing was sent', async (t) => {
  const reply = await coreAt(t, 1, { url: 'http://core.invalid:1/' }).call(payment());
  assert.equal(reply.kind, 'notSent');
});

test('a TLS handshake that fails: nothing was sent', async (t) => {
  const raw = await startRawCore(t, (socket) => socket.once('data', () => socket.end('this is not TLS')));
  const reply = await coreAt(t, raw.port, { url: `https://127.0.0.1:${raw.port}` }).call(payment());
  assert.equal(reply.kind, 'notSent');
  assert.ok(!raw.received().includes('amountFen'));
});

test('a TLS handshake that hangs: nothing was sent within the connect timeout', async (t) => {
  const raw = await startRawCore(t, () => undefined);
  const reply = await coreAt(t, raw.port, { url: `https://127.0.0.1:${raw.port}`, connectTimeoutMs: 100 }).call(payment());
  assert.equal(reply.kind, 'notSent');
});

test('a request that got no socket was not sent, and is not sent later either', async (t) => {
  let answer = (): void => undefined;
  const raw = await startRawCore(t, (socket) =>
    onRequest(socket, (_, number) => {
      if (number === 0) answer = () => socket.write(okJson('{}'));
      else socket.write(okJson('{}'));
    }),
  );
  const core = coreAt(t, raw.port, { connections: 1, connectTimeoutMs: 100 });
  const first = core.call(payment({ target: '/first' }));
  const waited = await core.call(payment({ target: '/second' }));
  assert.equal(waited.kind, 'notSent');
  answer();
  assert.equal((await first).kind, 'answered');
  assert.equal((await core.call(payment({ target: '/third' }))).kind, 'answered', 'the socket is still good');
  assert.deepEqual(raw.received().match(/POST (\S+)/g), ['POST /first', 'POST /third']);
});

test('more waiting requests than allowed are turned away at once', async (t) => {
  const raw = await startRawCore(t, () => undefined);
  const core = coreAt(t, raw.port, { connections: 1, waitingMax: 2, connectTimeoutMs: 1_000 });
  const calls = Array.from({ length: 6 }, (_, i) => core.call(payment({ timeoutMs: i === 0 ? 1_000 : 200 })));
  const kinds = (await Promise.all(calls)).map(({ kind }) => kind);
  assert.equal(kinds.filter((kind) => kind === 'noAnswer').length, 1, 'the one that was sent');
  assert.equal(kinds.filter((kind) => kind === 'notSent').length, 5);
});

test('a keep-alive socket that the core closes just when a request comes: unknown, and never repeated', async (t) => {
  const raw = await startRawCore(t, (socket) =>
    onRequest(socket, (_, number) => {
      if (number === 0) socket.write(okJson('{}'));
      else socket.resetAndDestroy();
    }),
  );
  const core = coreAt(t, raw.port, { connections: 1 });
  assert.equal((await core.call(payment({ target: '/first' }))).kind, 'answered');
  assert.equal((await core.call(payment({ target: '/second' }))).kind, 'noAnswer');
  assert.equal(raw.received().match(/POST \/second/g)?.length, 1);
});

test('a keep-alive socket that the core closed before: the request goes over a fresh one, once', async (t) => {
  const raw = await startRawCore(t, (socket) => onRequest(socket, () => socket.end(okJson('{}'))));
  const core = coreAt(t, raw.port, { connections: 1 });
  for (const target of ['/first', '/second', '/third']) {
    assert.equal((await core.call(payment({ target }))).kind, 'answered');
    await once(raw.sockets.at(-1) as Socket, 'close');
  }
  assert.equal(raw.received().split('POST ').length - 1, 3);
});

test('bytes that an idle socket brought before a request are no answer to it', async (t) => {
  const raw = await startRawCore(t, (socket) =>
    onRequest(socket, (_, number) =>
      socket.write(number === 0 ? okJson('{"answer":1}') + okJson('{"planted":1}') : okJson('{"answer":2}')),
    ),
  );
  const core = coreAt(t, raw.port, { connections: 1 });
  await core.call(payment({ target: '/first' }));
  const second = await core.call(payment({ target: '/second' }));
  assert.equal(second.kind === 'answered' && second.answer.body.toString(), '{"answer":1}', 'the first answer of a fresh socket');
});

test('after close nothing is sent, and what was under way ends', async (t) => {
  const raw = await startRawCore(t, (socket) => onRequest(socket, () => setImmediate(() => socket.write(okJson('{}')))));
  const core = coreAt(t, raw.port);
  const under = core.call(payment());
  await once((await eventually(() => raw.sockets[0])) as Socket, 'data');
  await core.close();
  assert.equal((await under).kind, 'answered');
  assert.equal((await core.call(payment())).kind, 'notSent');
});

test('a request that timed out gives its socket up: the next one gets a fresh one and not the late answer', async (t) => {
  const raw = await startRawCore(t, (socket, number) =>
    onRequest(socket, () => {
      if (number > 0) socket.write(okJson('{"answer":2}'));
    }),
  );
  const core = coreAt(t, raw.port, { connections: 1 });
  assert.equal((await core.call(payment({ target: '/first', timeoutMs: 100 }))).kind, 'noAnswer');
  raw.sockets[0]?.write(okJson('{"answer":1}'));
  const second = await core.call(payment({ target: '/second' }));
  assert.equal(second.kind === 'answered' && second.answer.body.toString(), '{"answer":2}');
});

test('O7: only a core with a certificate we trust, for its name, gets a byte', async (t) => {
  const pki = await makePki();
  t.after(pki.dispose);
  const { certificatePem, keyPem } = pki.read('server');
  let requests = 0;
  const server = createTlsServer({ cert: certificatePem, key: keyPem }, (_request, response) => {
    requests += 1;
    response.setHeader('content-type', 'application/json').end('{}');
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  const { port } = server.address() as { port: number };
  const trusted = { ca: pki.read('authority').certificatePem };
  const url = `https://127.0.0.1:${port}`;
  assert.equal((await coreAt(t, port, { url }).call(payment())).kind, 'notSent', 'an authority we do not know');
  assert.equal(
    (await coreAt(t, port, { url, tls: { ...trusted, servername: 'core.bank' } }).call(payment())).kind,
    'notSent',
    'another name',
  );
  assert.equal(requests, 0);
  assert.equal((await coreAt(t, port, { url, tls: trusted }).call(payment())).kind, 'answered');
  assert.equal(requests, 1);
});

async function eventually<T>(look: () => T | undefined): Promise<T> {
  for (;;) {
    const found = look();
    if (found !== undefined) return found;
    await new Promise((resolve) => setImmediate(resolve));
  }
}
