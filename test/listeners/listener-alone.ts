import { once } from 'node:events';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { type ConnectionOptions, connect, type TLSSocket } from 'node:tls';
import { loadAuthorities, trustOptions } from '../../src/identity/authorities.ts';
import { readPeer } from '../../src/identity/peer.ts';
import { createSecretKey } from '../../src/keys/secret-key.ts';
import { type InternetOptions, type Listener, listenInternet } from '../../src/listeners/internet.ts';
import type { Arrived, Sealed } from '../../src/protocol/messages.ts';
import { makePki, type Pki } from '../support/pki.ts';
import { onlyKey } from '../support/secret-keys.ts';

export const MERCHANT = '800000000000001';

/** The merchant listener alone, with a handler of the test's own behind it. */
export type Door = {
  readonly pki: Pki;
  readonly listener: Listener;
  /** Everything that reached the handler. */
  readonly arrived: Arrived[];
  readonly refused: string[];
  readonly faults: unknown[];
  /** Open connections, as last told. */
  readonly connections: () => number;
  /** Connects as the merchant, or as `identity` says; resolves after the handshake. */
  readonly dial: (options?: ConnectionOptions) => Promise<Caller>;
  /** As dial, with bytes that go out with the end of the handshake; never rejects. */
  readonly burst: (bytes: string, options?: ConnectionOptions) => Promise<string>;
};

export type Caller = {
  readonly socket: TLSSocket;
  /** The newest session it may resume. */
  readonly session: () => Buffer | undefined;
  /** Resolves with everything when the connection has ended. */
  readonly ended: Promise<string>;
};

export const REQUEST = 'GET /v1/orders/1 HTTP/1.1\r\nHost: localhost\r\n\r\n';

export const sealed = (status: number, text = 'ok', more: Partial<Sealed> = {}): Sealed => ({
  status,
  rawHeaders: ['content-type', 'text/plain'],
  body: Buffer.from(text),
  connection: 'keep',
  ...more,
});

/** A door on loopback. Times are long: a test that is about one of them shortens it. */
export const LIMITS = {
  name: 'internet',
  channel: 'internet' as const,
  address: '127.0.0.1',
  port: 0,
  hosts: new Set(['localhost', '127.0.0.1']),
  proxies: [],
  ticketKeys: onlyKey(createSecretKey('tls-tickets', Buffer.alloc(32, 7))),
  monotonicMs: () => performance.now(),
  onEvicted: () => undefined,
  onForgedIdentity: () => undefined,
  nowMs: Date.now,
  connectionsMax: 100,
  handshakeTimeoutMs: 20_000,
  headersTimeoutMs: 20_000,
  requestTimeoutMs: 20_000,
  idleTimeoutMs: 20_000,
  headerBytesMax: 8_192,
  bodyBytesMax: () => 1_000,
  connectionsPerAddressMax: 100,
  connectionsPerCertificateMax: 100,
  handshakesPerSecond: 1_000,
  handshakesBurst: 10_000,
  requestsPerConnectionMax: 1_000,
  ready: () => undefined,
  isServed: () => true,
};

/** Opens the door for one test; it is closed with it. */
export async function openDoor(t: TestContext, options: Partial<InternetOptions> = {}): Promise<Door> {
  const pki = await makePki();
  t.after(pki.dispose);
  const authorities = loadAuthorities([{ name: 'merchants', certificates: [join(pki.directory, 'merchants-authority.crt')] }]);
  const { certificatePem, privateKey } = pki.read('server');
  const [arrived, refused, faults]: [Arrived[], string[], unknown[]] = [[], [], []];
  let connections = 0;
  const listener = await listenInternet({
    ...LIMITS,
    certificates: [{ certificate: certificatePem, key: privateKey }],
    authorities: trustOptions(authorities).ca,
    readPeer: (socket) => readPeer(socket, authorities, Date.now()),
    onConnections: (count) => {
      connections = count;
    },
    onRefused: (reason) => refused.push(reason),
    onFault: (error) => faults.push(error),
    refuse: async () => sealed(400, 'refused', { connection: 'close' }),
    ...options,
    handle: async (request) => {
      arrived.push(request);
      return (await options.handle?.(request)) ?? sealed(200);
    },
  });
  t.after(() => listener.drain(0));
  const leaf = pki.read(`merchants/${MERCHANT}`);
  const own = { cert: leaf.certificatePem, key: leaf.keyPem };
  const call = (more: ConnectionOptions): Caller => {
    const socket = connect({
      host: '127.0.0.1',
      port: listener.port,
      servername: 'localhost',
      ca: pki.read('authority').certificatePem,
      ...('cert' in more || 'pfx' in more ? {} : own),
      ...more,
    });
    t.after(() => socket.destroy());
    let text = '';
    socket.setEncoding('latin1').on('data', (chunk: string) => {
      text += chunk;
    });
    // The listener closes on purpose; `ended` tells, an error would only tell it again.
    socket.on('error', () => undefined);
    let session: Buffer | undefined;
    socket.on('session', (fresh) => {
      session = fresh;
    });
    const ended = new Promise<string>((resolve) => {
      socket.once('close', () => resolve(text));
    });
    return { socket, session: () => session, ended };
  };
  return {
    pki,
    listener,
    arrived,
    refused,
    faults,
    connections: () => connections,
    dial: async (more = {}) => {
      const caller = call(more);
      await Promise.race([
        once(caller.socket, 'secureConnect'),
        caller.ended.then((text) => Promise.reject(new Error(`no handshake ${text}`))),
      ]);
      return caller;
    },
    burst: (bytes, more = {}) => {
      const { socket, ended } = call(more);
      socket.write(bytes); // goes with the first flight after the client's Finished
      return ended;
    },
  };
}
