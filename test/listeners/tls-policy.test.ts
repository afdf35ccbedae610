import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { type ConnectionOptions, connect } from 'node:tls';
import { TLS_POLICY } from '../../src/listeners/tls-policy.ts';
import { makePki, type Pki } from '../support/pki.ts';
import { ask, clientOf, type Door, handshake, openDoor } from './door.ts';

const GUIDELINE = resolve(import.meta.dirname, '../../../shared/vectors/mozilla-tls/6.0.json');

test('suites, groups and versions are exactly those of Mozilla 6.0 intermediate', (t) => {
  if (!existsSync(GUIDELINE)) return t.diagnostic('the guideline is not here; not compared');
  const { intermediate } = JSON.parse(readFileSync(GUIDELINE, 'utf8')).configurations;
  assert.deepEqual(TLS_POLICY.ciphers.split(':'), [...intermediate.ciphersuites, ...intermediate.ciphers.openssl]);
  assert.deepEqual(TLS_POLICY.ecdhCurve.split(':'), intermediate.tls_curves);
  assert.deepEqual([TLS_POLICY.minVersion, TLS_POLICY.maxVersion], intermediate.tls_versions);
  assert.equal(TLS_POLICY.honorCipherOrder, intermediate.server_preferred_order);
});

describe('what the door speaks', () => {
  let pki: Pki;
  let door: Door;
  before(async () => {
    pki = await makePki();
    door = await openDoor(pki);
  });
  after(async () => {
    await door.close();
    pki.dispose();
  });

  /** Runs `openssl s_client` with a client certificate until it ends, or until `untilText` was seen; gives all it printed. */
  async function client(args: readonly string[], input = 'Q\n', untilText?: RegExp): Promise<string> {
    const { certificate, key } = pki.read('merchants/800000000000002');
    const identity = ['-cert', certificate, '-cert_chain', certificate, '-key', key, '-servername', 'localhost'];
    const child = spawn('openssl', ['s_client', '-connect', `127.0.0.1:${door.port}`, ...identity, ...args]);
    let text = '';
    const read = (chunk: Buffer) => {
      text += chunk.toString('latin1');
      if (untilText?.test(text)) child.kill();
    };
    child.stdout.on('data', read);
    child.stderr.on('data', read);
    child.stdin.on('error', () => undefined).write(input);
    await once(child, 'close');
    return text;
  }

  const oldVersions = [
    // args        why
    ['-tls1', 'A1: TLS 1.0'],
    ['-tls1_1', 'A1: TLS 1.1'],
  ] as const;
  for (const [version, why] of oldVersions) {
    test(`${why} gets alert 70, protocol version`, async () => {
      assert.match(await client([version, '-cipher', 'ALL:@SECLEVEL=0']), /alert number 70|alert protocol version/);
    });
  }

  const refusedSuites = [
    // OpenSSL's name                why
    ['AES128-SHA', 'RSA key exchange, CBC'],
    ['AES256-GCM-SHA384', 'RSA key exchange: no forward secrecy'],
    ['ECDHE-ECDSA-AES128-SHA', 'CBC with SHA-1'],
    ['ECDHE-ECDSA-AES256-SHA384', 'CBC'],
    ['ECDHE-ECDSA-AES128-CCM', 'not one of the six'],
    ['DHE-RSA-AES128-GCM-SHA256', 'finite-field Diffie-Hellman'],
    ['ECDHE-ECDSA-NULL-SHA', 'no encryption'],
    ['AECDH-AES128-SHA', 'no authentication'],
  ] as const;
  for (const [suite, why] of refusedSuites) {
    test(`A2: ${suite} is refused: ${why}`, async () => {
      assert.match(await client(['-tls1_2', '-cipher', `${suite}:@SECLEVEL=0`]), /alert handshake failure/);
    });
  }

  const accepted: readonly (readonly [ConnectionOptions, string, string])[] = [
    [{ maxVersion: 'TLSv1.2' }, 'TLSv1.2', 'old but good'],
    [{}, 'TLSv1.3', 'by default'],
    [{ ecdhCurve: 'X25519MLKEM768' }, 'TLSv1.3', 'A10: a client that speaks only the post-quantum group'],
    [{ ecdhCurve: 'X25519' }, 'TLSv1.3', 'X25519'],
    [{ ecdhCurve: 'P-256' }, 'TLSv1.3', 'P-256'],
    [{ ecdhCurve: 'P-384' }, 'TLSv1.3', 'P-384'],
  ];
  for (const [options, version, why] of accepted) {
    test(`${version} is spoken: ${why}`, async () => {
      const socket = await handshake({ ...clientOf(pki), port: door.port, ...options });
      assert.equal(socket.getProtocol(), version);
      assert.equal((await ask(socket))?.status, 200);
      socket.destroy();
    });
  }

  test('P-521, which is in no list of ours, is refused', async () => {
    await assert.rejects(handshake({ ...clientOf(pki), port: door.port, ecdhCurve: 'P-521' }), /HANDSHAKE_FAILURE|alert/i);
  });

  test('the client chooses among the suites', async () => {
    for (const suite of ['ECDHE-ECDSA-CHACHA20-POLY1305', 'ECDHE-ECDSA-AES256-GCM-SHA384', 'ECDHE-ECDSA-AES128-GCM-SHA256']) {
      const ciphers = `${suite}:${TLS_POLICY.ciphers}`;
      const socket = await handshake({ ...clientOf(pki), port: door.port, maxVersion: 'TLSv1.2', ciphers });
      assert.equal(socket.getCipher().name, suite);
      socket.destroy();
    }
  });

  test('A3: no client certificate, request in the first flight: closed before HTTP, no handler call', async () => {
    const before = door.arrived.length;
    const { cert, key, ...stranger } = clientOf(pki);
    assert.ok(cert && key);
    for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const) {
      const socket = connect({ ...stranger, port: door.port, maxVersion }).on('error', () => undefined);
      assert.equal(await ask(socket), undefined);
    }
    assert.equal(door.arrived.length, before);
    assert.deepEqual(door.refused.slice(-2), ['certificate', 'certificate']);
  });

  test('A7: a session allows no early data, and sending some is of no use', async () => {
    const session = join(pki.directory, 'session.pem');
    const early = join(pki.directory, 'early.txt');
    writeFileSync(early, 'GET /early HTTP/1.1\r\nHost: localhost\r\n\r\n');
    const first = await client(['-tls1_3', '-sess_out', session, '-ign_eof'], 'GET / HTTP/1.1\r\nHost: localhost\r\n\r\n', /"channel"/);
    assert.match(first, /Max Early Data: 0/);
    const text = await client(['-tls1_3', '-sess_in', session, '-early_data', early]);
    assert.doesNotMatch(text, /Early data was accepted/);
    assert.equal(
      door.arrived.some(({ target }) => target === '/early'),
      false,
    );
  });

  test('A9: a client that offers h2 beside http/1.1 gets http/1.1; one that offers only h2 gets an alert', async () => {
    const socket = await handshake({ ...clientOf(pki), port: door.port, ALPNProtocols: ['h2', 'http/1.1'] });
    assert.equal(socket.alpnProtocol, 'http/1.1');
    socket.destroy();
    await assert.rejects(
      handshake({ ...clientOf(pki), port: door.port, ALPNProtocols: ['h2'] }),
      /alert no application protocol|NO_APPLICATION_PROTOCOL/i,
    );
    await assert.rejects(handshake({ ...clientOf(pki), port: door.port, ALPNProtocols: ['\u0001\u00ff'] }), /application.protocol/i);
  });

  test('renegotiation is refused', async () => {
    const socket = await handshake({ ...clientOf(pki), port: door.port, maxVersion: 'TLSv1.2' });
    const error = await new Promise<Error | null>((resolve) => {
      socket.on('error', resolve);
      socket.renegotiate({}, resolve);
    });
    assert.match(String(error), /NO_RENEGOTIATION|no renegotiation/i);
  });

  test('what testssl cannot reach behind mutual TLS: no renegotiation by the client, no compression of TLS or of answers', async () => {
    const head = 'GET / HTTP/1.1\r\nHost: localhost\r\nAccept-Encoding: gzip, deflate, br\r\n\r\n';
    const asked = await client(['-tls1_2', '-ign_eof'], head, /"channel"/);
    assert.match(asked, /Compression: NONE/);
    assert.match(asked, /Secure Renegotiation IS supported/, 'the extension that protects clients who would renegotiate');
    assert.doesNotMatch(asked, /content-encoding/i);
    // A line that begins with R has s_client renegotiate.
    const again = await client(['-tls1_2'], 'R\n', /NO_RENEGOTIATION|no renegotiation|handshake failure/i);
    assert.match(again, /no renegotiation|NO_RENEGOTIATION/i);
  });
});
