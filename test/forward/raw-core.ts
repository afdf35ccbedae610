import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import type { TestContext } from 'node:test';
import { type CoreOptions, createCore } from '../../src/forward/core-client.ts';
import type { Core, CoreCall } from '../../src/ports/core.ts';

/** A core that is nothing but sockets, so that it can misbehave in every way. */
export type RawCore = {
  readonly port: number;
  /** Connections so far, in order. */
  readonly sockets: readonly Socket[];
  /** Everything received so far on all connections. */
  readonly received: () => string;
  readonly stop: () => Promise<void>;
};

/** Starts it with one behaviour for each connection: `number` counts from 0. It ends with the test. */
export async function startRawCore(t: TestContext, behave: (socket: Socket, number: number) => void): Promise<RawCore> {
  const sockets: Socket[] = [];
  const chunks: Buffer[] = [];
  const server = createServer((socket) => {
    sockets.push(socket);
    socket.on('error', () => undefined);
    socket.on('data', (chunk: Buffer) => chunks.push(chunk));
    behave(socket, sockets.length - 1);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const stop = async (): Promise<void> => {
    for (const socket of sockets) socket.destroy();
    if (!server.listening) return;
    server.close();
    await once(server, 'close');
  };
  t.after(stop);
  return { port: (server.address() as AddressInfo).port, sockets, received: () => Buffer.concat(chunks).toString('latin1'), stop };
}

/** Calls `act` with each whole request: head and the body its Content-Length promises. */
export function onRequest(socket: Socket, act: (request: string, number: number) => void): void {
  let seen = '';
  let number = 0;
  socket.on('data', (chunk) => {
    seen += chunk.toString('latin1');
    for (;;) {
      const head = seen.indexOf('\r\n\r\n');
      if (head < 0) return;
      const length = Number(/^content-length: (\d+)/im.exec(seen.slice(0, head))?.[1] ?? 0);
      const end = head + 4 + length;
      if (seen.length < end) return;
      const request = seen.slice(0, end);
      seen = seen.slice(end);
      act(request, number);
      number += 1;
    }
  });
}

export const okJson = (body: string, headers = ''): string =>
  `HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\n${headers}\r\n${body}`;

/** A client to a port of this machine that is closed when the test ends. */
export function coreAt(t: TestContext, port: number, options: Partial<CoreOptions> = {}): Core {
  const core = createCore({ url: `http://127.0.0.1:${port}`, connections: 2, connectTimeoutMs: 2_000, answerBytesMax: 65_536, ...options });
  t.after(() => core.close());
  return core;
}

export const payment = (over: Partial<CoreCall> = {}): CoreCall => ({
  method: 'POST',
  target: '/v1/orders/o1/payments?x=%41',
  headers: ['Content-Type', 'application/json', 'Hufu-Request-Id', 'r1'],
  body: Buffer.from('{"amountFen":100}'),
  timeoutMs: 2_000,
  ...over,
});
