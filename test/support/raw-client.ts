import { once } from 'node:events';
import { connect, type TLSSocket } from 'node:tls';
import type { Leaf, Pki } from './pki.ts';

/** One TLS connection that is kept, with a request at a time on it. */
export type RawClient = {
  readonly isResumed: boolean;
  readonly isClosed: () => boolean;
  /** Resolves when the other side has closed. */
  readonly closed: Promise<void>;
  /** The newest ticket of the session, for a resumption. */
  readonly session: () => Buffer | undefined;
  /** Sends an unsigned GET and gives the status and the problem document's members. */
  readonly ask: () => Promise<{ readonly status: number; readonly problem: Readonly<Record<string, unknown>> }>;
  readonly close: () => void;
};

/** Connects to a gateway with a merchant's certificate. */
export async function connectRaw(pki: Pki, url: string, leaf: Leaf, session?: Buffer): Promise<RawClient> {
  const { port } = new URL(url);
  const socket: TLSSocket = connect({
    host: '127.0.0.1',
    port: Number(port),
    servername: 'localhost',
    ca: pki.read('authority').certificatePem,
    cert: leaf.certificatePem,
    key: leaf.keyPem,
    ...(session && { session }),
  });
  let ticket: Buffer | undefined;
  socket.on('session', (newest) => {
    ticket = newest;
  });
  // What is not read never ends: an idle client would not notice that it was closed.
  socket.on('error', () => undefined).resume();
  const closed = once(socket, 'close').then(() => undefined);
  await once(socket, 'secureConnect');
  return {
    isResumed: socket.isSessionReused(),
    isClosed: () => socket.destroyed,
    closed,
    session: () => ticket,
    ask: () => ask(socket, port),
    close: () => socket.destroy(),
  };
}

async function ask(socket: TLSSocket, port: string): ReturnType<RawClient['ask']> {
  let received = '';
  const answered = new Promise<{ status: number; problem: Record<string, unknown> }>((resolve, reject) => {
    const done = () => reject(new Error(`the connection ended: ${received}`));
    const take = (chunk: Buffer) => {
      received += chunk.toString();
      const [head = '', body] = received.split('\r\n\r\n');
      const length = Number(/content-length: (\d+)/i.exec(head)?.[1]);
      if (body === undefined || Buffer.byteLength(body) < length) return;
      socket.off('data', take).off('close', done);
      resolve({ status: Number(head.split(' ')[1]), problem: JSON.parse(body) as Record<string, unknown> });
    };
    socket.on('data', take).once('close', done);
  });
  socket.write(`GET /v1/platform-certificates HTTP/1.1\r\nhost: localhost:${port}\r\n\r\n`);
  return answered;
}
