// The TLS part of a door in a process of its own, whose command line is another. Forked by server-names.test.ts; ends with its parent.
import { createPrivateKey } from 'node:crypto';
import type { AddressInfo } from 'node:net';
import { createSecretKey } from '../../src/keys/secret-key.ts';
import { createTlsServers } from '../../src/listeners/tls-servers.ts';
import { onlyKey } from '../support/secret-keys.ts';

process.once('disconnect', () => process.exit(0));
process.on('message', (text: string) => {
  const { hosts, secret, atMs, certificates: pairs, ...more } = JSON.parse(text);
  const certificates = pairs.map(({ certificate, key }: { certificate: string; key: string }) => ({
    certificate,
    key: createPrivateKey(key),
  }));
  const ticketKeys = onlyKey(createSecretKey('tls-tickets', Buffer.from(secret, 'hex')));
  const material = { ...more, certificates, ticketKeys, hosts: new Set(hosts) };
  const servers = createTlsServers({ ...material, handshakeTimeoutMs: 10_000, onRefused: () => undefined, nowMs: () => atMs }, (socket) =>
    socket.on('error', () => undefined).end(),
  );
  const server = servers.serverOf(undefined);
  server.listen(0, '127.0.0.1', () => process.send?.((server.address() as AddressInfo).port));
});
