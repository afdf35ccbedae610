import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { connect, createServer, type SecureContextOptions, type TLSSocket } from 'node:tls';
import { type ListenerAuthority, trustOptions } from '../../src/identity/authorities.ts';
import { readPeer } from '../../src/identity/peer.ts';
import type { Peer } from '../../src/protocol/messages.ts';
import type { Pki } from '../support/pki.ts';

/** What the server saw of one connection. */
export type Seen = {
  readonly peer: Peer | undefined;
  readonly authorized: boolean;
  readonly authorizationError: string;
  readonly isResumed: boolean;
};

export type PeerServer = {
  /** Connects as a client and tells what the server made of it. */
  readonly meet: (client: Client) => Promise<Seen>;
  /** What the next connections are judged by. */
  authorities: readonly ListenerAuthority[];
  nowMs: number;
  readonly close: () => Promise<void>;
};

export type Client = SecureContextOptions & { readonly session?: Buffer; readonly onSession?: (session: Buffer) => void };

/** A TLS server as the merchant listener is set up: client certificates asked for, judged by readPeer alone. */
export async function startPeerServer(pki: Pki, authorities: readonly ListenerAuthority[]): Promise<PeerServer> {
  const { certificatePem: cert, keyPem: key } = pki.read('server');
  const options = { cert, key, ...trustOptions(authorities), requestCert: true, rejectUnauthorized: false, minVersion: 'TLSv1.2' } as const;
  const server = createServer(options);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const running: PeerServer = {
    authorities,
    nowMs: Date.now(),
    meet: async ({ session, onSession, ...client }) => {
      const arrived = once(server, 'secureConnection');
      const socket = connect({
        host: '127.0.0.1',
        port,
        ca: pki.read('authority').certificatePem,
        servername: 'localhost',
        ...client,
        ...(session && { session }),
      });
      if (onSession) socket.once('session', onSession);
      socket.resume();
      const [accepted] = (await Promise.race([arrived, failed(socket)])) as [TLSSocket];
      const seen = look(accepted, running);
      const closed = once(socket, 'close');
      accepted.end('bye');
      accepted.resume();
      await closed;
      return seen;
    },
    close: async () => {
      server.close();
      await once(server, 'close');
    },
  };
  return running;
}

async function failed(socket: TLSSocket): Promise<never> {
  const [error] = await once(socket, 'error');
  throw error;
}

function look(socket: TLSSocket, running: PeerServer): Seen {
  return {
    peer: readPeer(socket, running.authorities, running.nowMs),
    authorized: socket.authorized,
    authorizationError: String(socket.authorizationError),
    isResumed: socket.isSessionReused(),
  };
}
