import { once } from 'node:events';
import { connect as connectTcp, type Socket } from 'node:net';
import { type ConnectionOptions, connect, type TLSSocket } from 'node:tls';
import { loadAuthorities, trustOptions } from '../../src/identity/authorities.ts';
import { readPeer } from '../../src/identity/peer.ts';
import { createSecretKey } from '../../src/keys/secret-key.ts';
import type { RefusedReason } from '../../src/listeners/gate.ts';
import { type InternetOptions, listenInternet } from '../../src/listeners/internet.ts';
import { errorRow, Refusal } from '../../src/protocol/errors.ts';
import type { Arrived, Sealed } from '../../src/protocol/messages.ts';
import type { Pki } from '../support/pki.ts';
import { onlyKey } from '../support/secret-keys.ts';

/** The real listener with real TLS, in this process. Its pipeline answers every request with what arrived. */
export type Door = {
  readonly port: number;
  readonly arrived: readonly Arrived[];
  readonly refused: readonly RefusedReason[];
  readonly forged: readonly string[];
  readonly evicted: () => number;
  readonly connections: () => number;
  readonly close: () => Promise<void>;
};

const replyWith = (status: number, value: object, connection: Sealed['connection'] = 'keep'): Sealed => ({
  status,
  rawHeaders: ['content-type', 'application/json'],
  body: Buffer.from(JSON.stringify(value)),
  connection,
});

export async function openDoor(pki: Pki, more: Partial<InternetOptions> = {}): Promise<Door> {
  const server = pki.read('server');
  const authorities = loadAuthorities([{ name: 'merchants', certificates: [pki.read('merchants-authority').certificate] }]);
  const [arrived, refused, forged]: [Arrived[], RefusedReason[], string[]] = [[], [], []];
  let [evicted, open] = [0, 0];
  const listener = await listenInternet({
    name: 'internet',
    channel: 'internet',
    address: '127.0.0.1',
    port: 0,
    hosts: new Set(['localhost', '127.0.0.1']),
    certificates: [{ certificate: server.certificatePem, key: server.privateKey }],
    authorities: trustOptions(authorities).ca,
    proxies: [],
    ticketKeys: onlyKey(createSecretKey('tls-tickets', Buffer.alloc(32, 7))),
    bodyBytesMax: () => 1_000,
    ready: () => undefined,
    isServed: () => true,
    connectionsMax: 1_000,
    connectionsPerAddressMax: 1_000,
    connectionsPerCertificateMax: 1_000,
    handshakesPerSecond: 1_000,
    handshakesBurst: 10_000,
    requestsPerConnectionMax: 1_000,
    headersTimeoutMs: 10_000,
    requestTimeoutMs: 30_000,
    idleTimeoutMs: 60_000,
    headerBytesMax: 16_384,
    handshakeTimeoutMs: 10_000,
    readPeer: (socket) => readPeer(socket, authorities, Date.now()),
    handle: async (request) => {
      arrived.push(request);
      return replyWith(200, { subject: request.peer.subject, address: request.address, channel: request.channel });
    },
    refuse: async (_arrived, error) =>
      error instanceof Refusal
        ? replyWith(errorRow(error.code).status, { code: error.code }, error.options.closes ? 'close' : 'keep')
        : replyWith(500, { code: String(error) }),
    nowMs: Date.now,
    monotonicMs: () => performance.now(),
    onConnections: (count) => {
      open = count;
    },
    onRefused: (reason) => refused.push(reason),
    onFault: (error) => {
      throw error;
    },
    onEvicted: () => {
      evicted += 1;
    },
    onForgedIdentity: (header) => forged.push(header),
    ...more,
  });
  return {
    port: listener.port,
    arrived,
    refused,
    forged,
    evicted: () => evicted,
    connections: () => open,
    close: () => listener.drain(0),
  };
}

/** Options of a merchant's client: certificate, key, and whom it trusts. */
export function clientOf(pki: Pki, path = 'merchants/800000000000002'): ConnectionOptions {
  const { certificatePem: cert, keyPem: key } = pki.read(path);
  return { cert, key, ca: pki.read('authority').certificatePem, host: '127.0.0.1', servername: 'localhost', ALPNProtocols: ['http/1.1'] };
}

/** Resolves when the handshake is complete; rejects when there was none. */
export async function handshake(options: ConnectionOptions): Promise<TLSSocket> {
  const socket = connect(options);
  await once(socket, 'secureConnect');
  socket.on('error', () => undefined);
  return socket;
}

export type Answer = { readonly status: number; readonly head: string; readonly value: Record<string, string> };

/** Writes a request and reads its answer; undefined when the socket ended first. */
export function ask(socket: TLSSocket, { path = '/', host = 'localhost', headers = [] as string[] } = {}): Promise<Answer | undefined> {
  const answer = readAnswer(socket);
  socket.write([`GET ${path} HTTP/1.1`, `Host: ${host}`, ...headers, '', ''].join('\r\n'));
  return answer;
}

export function readAnswer(socket: Socket): Promise<Answer | undefined> {
  return new Promise((resolve) => {
    let text = '';
    const end = (answer?: Answer) => {
      socket.off('data', onData).off('close', onClose);
      resolve(answer);
    };
    const onClose = () => end();
    const onData = (chunk: Buffer) => {
      text += chunk.toString('latin1');
      const [head = '', body] = text.split('\r\n\r\n');
      const length = Number(/content-length: (\d+)/i.exec(head)?.[1] ?? 0);
      if (body === undefined || body.length < length) return;
      end({ status: Number(head.slice(9, 12)), head, value: length > 0 ? JSON.parse(body.slice(0, length)) : {} });
    };
    socket.on('data', onData).on('close', onClose);
    if (socket.destroyed) end();
  });
}

/** A plain TCP connection that has been told to say something first. */
export async function tcp(port: number, first?: Uint8Array | string): Promise<Socket> {
  const socket = connectTcp({ port, host: '127.0.0.1' });
  await once(socket, 'connect');
  socket.on('error', () => undefined);
  if (first !== undefined) socket.write(first);
  return socket;
}

/** Whether the peer ends the connection; what it says before is not looked at. */
export async function isClosed(socket: Socket): Promise<true> {
  socket.resume();
  if (!socket.destroyed) await once(socket, 'close');
  return true;
}
