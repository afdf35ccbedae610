import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect as connectPlain } from 'node:net';
import { after, before, describe, test } from 'node:test';
import { type DialOptions, handshake } from './line.ts';
import { get, lineOf, order, type Sender, senderOf, tell, wireOf } from './requests.ts';
import { startWorld, type World } from './world.ts';

/** TLS and what comes before HTTP (A). */
describe('connections that must not become requests', { timeout: 120_000 }, () => {
  let world: World;
  let sender: Sender;
  let ours: { readonly cert: string; readonly key: string };
  before(async () => {
    world = await startWorld();
    sender = senderOf(world.system);
    ours = { cert: sender.tls.certificatePem, key: sender.tls.keyPem };
  });
  after(() => world?.end());

  const WEAK = 'DEFAULT@SECLEVEL=0';
  const suites = (ciphers: string): DialOptions => ({ maxVersion: 'TLSv1.2', ciphers });
  const refusedHandshakes: readonly (readonly [options: DialOptions, alert: RegExp, why: string])[] = [
    [{ minVersion: 'TLSv1', maxVersion: 'TLSv1', ciphers: WEAK }, /PROTOCOL_VERSION/, 'TLS 1.0'],
    [{ minVersion: 'TLSv1.1', maxVersion: 'TLSv1.1', ciphers: WEAK }, /PROTOCOL_VERSION/, 'TLS 1.1'],
    [suites('AES128-SHA'), /HANDSHAKE_FAILURE/, 'RSA key exchange with CBC'],
    [suites('AES128-GCM-SHA256'), /HANDSHAKE_FAILURE/, 'RSA key exchange: no forward secrecy'],
    [suites('ECDHE-RSA-AES128-SHA:ECDHE-ECDSA-AES128-SHA'), /HANDSHAKE_FAILURE/, 'CBC with SHA-1'],
    [suites('ECDHE-RSA-AES256-SHA384:ECDHE-ECDSA-AES256-SHA384'), /HANDSHAKE_FAILURE/, 'CBC with SHA-384'],
    [suites('DHE-RSA-AES128-GCM-SHA256'), /HANDSHAKE_FAILURE/, 'finite-field Diffie-Hellman'],
    [{ ecdhCurve: 'secp521r1' }, /HANDSHAKE_FAILURE/, 'a group that is not on the list'],
    [{ ALPNProtocols: ['h2'] }, /NO_APPLICATION_PROTOCOL/, 'HTTP/2 only'],
    [{ ALPNProtocols: ['http/0.9', '\x00', 'x'.repeat(255)] }, /NO_APPLICATION_PROTOCOL/, 'protocols that nobody knows'],
  ];
  for (const [options, alert, why] of refusedHandshakes) {
    test(`no handshake: ${why}`, () =>
      world.harmless(async () => {
        const met = await handshake(world.system, { ...ours, ...options });
        assert.ok(typeof met === 'string', 'the handshake succeeded');
        assert.match(met, alert);
      }));
  }

  const accepted: readonly (readonly [options: DialOptions, why: string])[] = [
    [{ maxVersion: 'TLSv1.2' }, 'TLS 1.2'],
    [{ minVersion: 'TLSv1.3' }, 'TLS 1.3'],
    [{ ecdhCurve: 'X25519MLKEM768' }, 'the post-quantum group only'],
    [{ ecdhCurve: 'prime256v1' }, 'P-256 only'],
    [{ ALPNProtocols: ['h2', 'http/1.1'] }, 'HTTP/1.1 as second choice'],
    [{ ALPNProtocols: [] }, 'no ALPN'],
  ];
  for (const [options, why] of accepted) {
    test(`a merchant is served: ${why}`, async () => {
      const line = await lineOf(sender, options);
      const { bytes, request } = wireOf(order(sender));
      line.send(bytes);
      const answer = await line.answer();
      assert.equal(answer && tell(sender, request, answer).status, 201);
      line.leave();
    });
  }

  test('another name in SNI than in Host: 421, signed', async () => {
    const line = await lineOf(sender, { servername: 'evil.example', checkServerIdentity: () => undefined });
    const { bytes, request } = wireOf(order(sender));
    line.send(bytes);
    const answer = await line.answer();
    const told = answer && tell(sender, request, answer);
    assert.deepEqual([told?.status, told?.code], [421, 'MISDIRECTED']);
    line.leave();
  });

  const strangers: readonly (readonly [client: () => DialOptions | Promise<DialOptions>, why: string])[] = [
    [() => ({}), 'no certificate'],
    [() => clientOf('server'), "the gateway's own certificate"],
    [() => clientOf('signing/platform-ec'), 'a certificate that signs our answers'],
    [async () => issuedBy('server-authority'), 'another authority below the same root'],
    [async () => issuedBy('authority'), 'the root itself'],
  ];
  const clientOf = (path: string): DialOptions => {
    const { certificatePem: cert, keyPem: key } = world.system.pki.read(path);
    return { cert, key };
  };
  const issuedBy = async (authority: string): Promise<DialOptions> => {
    const { certificatePem: cert, keyPem: key } = await world.system.pki.issueMerchant({ authority, subject: sender.leaf.subject });
    return { cert, key };
  };
  for (const [client, why] of strangers) {
    test(`a stranger's well-signed request in the first flight finds a closed connection: ${why}`, () =>
      world.harmless(async () => {
        const line = await handshake(world.system, await client());
        assert.ok(typeof line !== 'string', `handshake: ${line}`);
        line.send(wireOf(order(sender)).bytes);
        assert.equal(await line.answer(), undefined);
        await line.closed;
      }));
  }

  test('a merchant cannot renegotiate, and the connection goes on as it was', async () => {
    const line = await lineOf(sender, { maxVersion: 'TLSv1.2' });
    line.socket.renegotiate({ requestCert: true }, () => assert.fail('renegotiated'));
    const { bytes, request } = wireOf(get(sender, '/v1/platform-certificates'));
    line.send(bytes);
    const answer = await line.answer();
    assert.ok(answer === undefined || tell(sender, request, answer).status === 200);
    line.leave();
    await world.invariants();
  });

  for (const [bytes, why] of [
    ['GET /v1/orders HTTP/1.1\r\nHost: localhost\r\n\r\n', 'HTTP without TLS'],
    ['PROXY TCP4 1.2.3.4 5.6.7.8 1 443\r\n', 'a PROXY header that nobody configured'],
    [Buffer.from('80400103010017000000200000', 'hex'), 'an SSL 2 hello'],
    [Buffer.from(`16030103ff${'00'.repeat(1000)}`, 'hex'), 'a broken hello'],
    [Buffer.alloc(100_000, 0x16), 'a hundred kilobytes of nothing'],
    ['', 'a connection closed at once'],
  ] as const) {
    test(`before the handshake: ${why}`, () =>
      world.harmless(async () => {
        const socket = connectPlain(Number(new URL(world.system.gateways[0]?.url ?? '').port), '127.0.0.1');
        await once(socket, 'connect');
        socket.on('error', () => {});
        socket.end(Buffer.from(bytes as string));
        let length = 0;
        socket.on('data', (chunk) => {
          length += chunk.length;
        });
        await new Promise((resolve) => socket.once('close', resolve));
        // At most a TLS alert: no word of HTTP.
        assert.ok(length <= 7);
      }));
  }
});
