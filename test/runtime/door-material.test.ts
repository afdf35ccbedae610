import assert from 'node:assert/strict';
import { chmodSync, cpSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { inspect } from 'node:util';
import type { GatewayConfig } from '../../src/config/schema.ts';
import { createSecretKey } from '../../src/keys/secret-key.ts';
import { createTlsServers, type TlsMaterial } from '../../src/listeners/tls-servers.ts';
import { readMaterial, sameTls } from '../../src/runtime/door-material.ts';
import { makePki, type Pki } from '../support/pki.ts';
import { onlyKey } from '../support/secret-keys.ts';

const ticketKeysOf = (octet: number) => onlyKey(createSecretKey('tls-tickets', Buffer.alloc(32, octet)));

describe('what a door is made from', () => {
  let pki: Pki;
  before(async () => {
    pki = await makePki();
  });
  after(() => pki.dispose());

  const read = (changes: object = {}, octet = 1): TlsMaterial => {
    const [certificate, key] = ['server.crt', 'server.key'].map((name) => join(pki.directory, name));
    const internet = { certificate, key, certificates: [], authorities: [], ...changes };
    const config = { listeners: { internet }, hosts: ['localhost'] } as unknown as GatewayConfig;
    return readMaterial(config, [], 'internet', ticketKeysOf(octet)).tls;
  };

  test('a TLS key that others may read is refused, also a further one', () => {
    const file = join(pki.directory, 'readable.key');
    cpSync(join(pki.directory, 'server.key'), file);
    chmodSync(file, 0o640);
    const certificate = join(pki.directory, 'server.crt');
    for (const changes of [{ key: file }, { certificates: [{ certificate, key: file }] }])
      assert.throws(() => read(changes), { name: 'UserError', message: /readable\.key may be read by others than its owner \(mode 640\)/ });
  });

  test('keys are key objects, and a server that was made keeps no text of them', () => {
    const material = read();
    assert.equal(material.certificates[0].key.type, 'private');
    const servers = createTlsServers(
      { ...material, name: 'internet', handshakeTimeoutMs: 1_000, onRefused: () => undefined, nowMs: Date.now },
      () => undefined,
    );
    const seen = inspect(servers.serverOf(undefined), { depth: 12, showHidden: true, maxStringLength: null, maxArrayLength: null });
    assert.match(seen, /BEGIN CERTIFICATE/, 'the look is deep enough');
    assert.doesNotMatch(seen, /PRIVATE KEY/);
  });

  test('another key, certificate or ticket secret is another TLS; the same files read again are the same', () => {
    assert.ok(sameTls(read(), read()));
    assert.ok(!sameTls(read(), read({}, 2)), 'ticket secret');
    assert.ok(!sameTls(read(), read({ key: join(pki.directory, 'merchants/800000000000001.key') })), 'key');
    assert.ok(!sameTls(read(), read({ certificate: join(pki.directory, 'merchants/800000000000001.crt') })), 'certificate');
  });
});
