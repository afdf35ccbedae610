// A process of clients, forked by tests and benches: idle connections that are held, and slow senders that come back when they are cut.
import { once } from 'node:events';
import { connect as connectTcp, type Socket } from 'node:net';
import { type ConnectionOptions, connect, type TLSSocket } from 'node:tls';

/** What to open. Slow senders are half in TLS, half in HTTP. */
export type Orders = { readonly options: ConnectionOptions & { readonly port: number }; readonly idle: number; readonly slow: number };
/** How many idle connections stand, and how many slow senders have been begun. */
export type Standing = { readonly held: number; readonly begun: number };

/** At once: what the queue of a listening socket takes without a moment's rest. */
const AT_ONCE = 50;
const DRIP_MS = 500;

const REQUEST = 'GET /v1/orders/1 HTTP/1.1\r\nHost: localhost\r\n\r\n';

/**
 * A connection that is idle after its first answer: before it, the bound for headers would end it. The session of another saves
 * both sides the signatures of a handshake.
 */
async function open(options: ConnectionOptions, session?: Buffer): Promise<TLSSocket> {
  const socket = connect({ ...options, ...(session && { session }) });
  socket.on('error', () => undefined).write(REQUEST);
  await once(socket, 'data');
  return socket.resume();
}

async function openIdle({ options, idle }: Orders): Promise<TLSSocket[]> {
  const first = connect(options);
  first.on('error', () => undefined).write(REQUEST);
  const [[session]] = (await Promise.all([once(first, 'session'), once(first, 'data')])) as [[Buffer], unknown];
  const sockets = [first.resume()];
  while (sockets.length < idle)
    sockets.push(...(await Promise.all(Array.from({ length: Math.min(AT_ONCE, idle - sockets.length) }, () => open(options, session)))));
  return sockets;
}

/** Sends a byte now and then for as long as it is let, then begins anew. */
function drip(begin: () => Socket, text: Buffer, onBegun: () => void): void {
  const socket = begin();
  let at = 0;
  const timer = setInterval(() => {
    socket.write(text.subarray(at, at + 1));
    at = (at + 1) % text.length;
  }, DRIP_MS);
  socket
    .on('error', () => undefined)
    .on('close', () => {
      clearInterval(timer);
      drip(begin, text, onBegun);
    })
    .resume();
  onBegun();
}

if (process.send) {
  let begun = 0;
  const noteBegun = (): void => {
    begun += 1;
  };
  process.once('disconnect', () => process.exit(0));
  process.once('message', async (orders: Orders) => {
    const { options, slow } = orders;
    const sockets = await openIdle(orders);
    // A ClientHello that never ends, and a request that never ends.
    const hello = Buffer.from([22, 3, 1, 63, 0, 1, 0, 62, 252, 3, 3]);
    const head = Buffer.from('GET /v1/orders/1 HTTP/1.1\r\nHost: localhost\r\nX-Slow: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa');
    for (let i = 0; i < slow; i += 1)
      if (i % 2 === 0) drip(() => connectTcp(options.port, options.host as string), hello, noteBegun);
      else drip(() => connect(options), head, noteBegun);
    const tell = () => process.send?.({ held: sockets.filter((socket) => !socket.destroyed).length, begun } satisfies Standing);
    process.on('message', tell);
    tell();
  });
}
