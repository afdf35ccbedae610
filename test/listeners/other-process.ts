// The TLS part of a door in a process of its own, whose command line is another. Forked by server-names.test.ts; ends with its parent.
import type { AddressInfo } from 'node:net';
import { rotateTicketKeys } from '../../src/listeners/ticket-keys.ts';
import { createTlsServers } from '../../src/listeners/tls-servers.ts';

process.once('disconnect', () => process.exit(0));
process.on('message', (text: string) => {
  const { hosts, secret, ...more } = JSON.parse(text);
  const servers = createTlsServers({ ...more, hosts: new Set(hosts), handshakeTimeoutMs: 10_000, onRefused: () => undefined });
  rotateTicketKeys(Buffer.from(secret, 'hex'), servers, Date.now);
  const [{ server }] = servers;
  server.on('secureConnection', (socket) => socket.on('error', () => undefined).end());
  server.listen(0, '127.0.0.1', () => process.send?.((server.address() as AddressInfo).port));
});
