// The TLS part of a door in a process of its own, whose command line is another. Forked by server-names.test.ts; ends with its parent.
import type { AddressInfo } from 'node:net';
import { createTlsServers } from '../../src/listeners/tls-servers.ts';

process.once('disconnect', () => process.exit(0));
process.on('message', (text: string) => {
  const { hosts, secret, atMs, ...more } = JSON.parse(text);
  const material = { ...more, hosts: new Set(hosts), ticketSecret: Buffer.from(secret, 'hex') };
  const servers = createTlsServers({ ...material, handshakeTimeoutMs: 10_000, onRefused: () => undefined, nowMs: () => atMs }, (socket) =>
    socket.on('error', () => undefined).end(),
  );
  const server = servers.serverOf(undefined);
  server.listen(0, '127.0.0.1', () => process.send?.((server.address() as AddressInfo).port));
});
