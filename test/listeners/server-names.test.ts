import assert from 'node:assert/strict';
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { type ConnectionOptions, connect } from 'node:tls';
import { issueCertificate } from '../../src/certificates/issue.ts';
import { createKeyPair, type KeyKind } from '../../src/certificates/key-pair.ts';
import { loadAuthorities, trustOptions } from '../../src/identity/authorities.ts';
import { createSecretKey, type SecretKey } from '../../src/keys/secret-key.ts';
import type { InternetOptions } from '../../src/listeners/internet.ts';
import { ticketKeysOf, ticketScope } from '../../src/listeners/ticket-keys.ts';
import { parseName } from '../../src/protocol/distinguished-name.ts';
import { makePki, type Pki } from '../support/pki.ts';
import { onlyKey } from '../support/secret-keys.ts';
import { ask, clientOf, type Door, handshake, openDoor } from './door.ts';

const HOSTS = new Set(['localhost', '127.0.0.1', 'pay.example', 'line.bank.example']);
const DAY_MS = 86_400_000;
/** Noon of some day: what is about midnight must not hang on when the test runs. */
const NOON_MS = Date.UTC(2026, 10, 23, 12);

async function serverPair(pki: Pki, hosts: readonly string[], kind: KeyKind) {
  const authority = pki.read('server-authority');
  const keys = await createKeyPair(kind);
  const certificate = await issueCertificate({
    subject: parseName(`CN=${kind} ${hosts[0]}`),
    publicKey: keys.publicKey,
    issuer: { name: authority.name, keys: authority },
    notBeforeMs: Date.now() - DAY_MS,
    notAfterMs: Date.now() + DAY_MS,
    profile: 'server',
    hosts,
  });
  return {
    certificate: certificate + authority.certificatePem,
    key: keys.privateKey,
  };
}

const [SAME, OTHER] = [7, 8].map((byte) => createSecretKey('tls-tickets', Buffer.alloc(32, byte))) as [SecretKey, SecretKey];

describe('several server certificates', () => {
  let pki: Pki;
  let door: Door;
  let certificates: InternetOptions['certificates'];
  before(async () => {
    pki = await makePki();
    const server = pki.read('server');
    certificates = [
      { certificate: server.certificatePem, key: server.privateKey },
      await serverPair(pki, ['localhost'], 'rsa-2048'),
      await serverPair(pki, ['pay.example'], 'p-256'),
      await serverPair(pki, ['pay.example'], 'rsa-2048'),
      await serverPair(pki, ['*.bank.example'], 'p-384'),
    ];
    door = await openDoor(pki, { hosts: HOSTS, certificates, nowMs: () => NOON_MS });
  });
  after(async () => {
    await door.close();
    pki.dispose();
  });

  const ECDSA = { sigalgs: 'ECDSA+SHA256:ECDSA+SHA384' };
  const RSA = { sigalgs: 'RSA-PSS+SHA256:RSA+SHA256' };
  const shown: readonly (readonly [string, ConnectionOptions, string, string])[] = [
    // server name    what the client takes  the certificate's name  why
    ['localhost', ECDSA, 'localhost', 'the single certificate of the configuration'],
    ['localhost', RSA, 'rsa-2048 localhost', 'for a client that takes RSA only'],
    ['pay.example', ECDSA, 'p-256 pay.example', 'another host'],
    ['pay.example', RSA, 'rsa-2048 pay.example', 'both kinds of another host'],
    ['PAY.example', RSA, 'rsa-2048 pay.example', 'names have no case'],
    ['line.bank.example', ECDSA, 'p-384 *.bank.example', 'a wildcard'],
    ['unknown.test', ECDSA, 'localhost', 'a name that is none of ours gets the default'],
    ['', RSA, 'rsa-2048 localhost', 'no name: the default, in both kinds'],
  ];
  // The client's own certificate must be of the kind it offers to verify.
  const clients = { ECDSA: 'merchants/800000000000002', RSA: 'merchants/800000000000001' };
  for (const [servername, takes, name, why] of shown) {
    for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const) {
      test(`${maxVersion} ${servername || '(none)'} ${takes.sigalgs} -> ${name}: ${why}`, async () => {
        const client = clientOf(pki, takes === RSA ? clients.RSA : clients.ECDSA);
        const socket = await handshake({
          ...client,
          port: door.port,
          servername,
          maxVersion,
          ...takes,
          checkServerIdentity: () => undefined,
        });
        assert.equal(socket.getPeerCertificate().subject.CN, name);
        socket.destroy();
      });
    }
  }

  const named: readonly (readonly [string, string, number, string])[] = [
    // server name   Host                  status  why
    ['localhost', 'localhost', 200, 'one name'],
    ['localhost', 'LOCALHOST:8443', 200, 'case and port do not count'],
    ['', 'pay.example', 200, 'without a server name there is nothing to differ from'],
    ['', '127.0.0.1', 200, 'IP addresses have no server name'],
    ['localhost', 'pay.example', 421, 'another host of ours'],
    ['pay.example', 'localhost', 421, 'the other way round'],
    ['pay.example', 'line.bank.example', 421, 'also where one certificate would be good for both'],
    ['localhost', '127.0.0.1', 421, 'an address is another name'],
    ['unknown.test', 'localhost', 421, 'a server name that is none of ours'],
    ['localhost', 'evil.test', 200, 'no host of ours: left to the signature check, which refuses it'],
  ];
  for (const [servername, host, status, why] of named) {
    test(`server name ${servername || '(none)'}, Host ${host}: ${status}, ${why}`, async () => {
      const socket = await handshake({ ...clientOf(pki), port: door.port, servername, checkServerIdentity: () => undefined });
      const answer = await ask(socket, { host });
      assert.equal(answer?.status, status);
      if (status === 421) assert.equal(answer?.value.code, 'MISDIRECTED');
      socket.destroy();
    });
  }

  /** A session of a connection to a port; sessions of TLS 1.3 arrive after the handshake. */
  async function sessionOf(port: number, more: ConnectionOptions): Promise<Buffer> {
    const socket = connect({ ...clientOf(pki), port, checkServerIdentity: () => undefined, ...more });
    const session = new Promise<Buffer>((resolve, reject) => socket.once('session', resolve).once('error', reject));
    assert.equal((await ask(socket))?.status, 200);
    const found = await session;
    socket.destroy();
    return found;
  }
  async function resumes(
    port: number,
    session: Buffer,
    more: ConnectionOptions,
    host = 'localhost',
  ): Promise<[boolean, number | undefined]> {
    const socket = await handshake({ ...clientOf(pki), port, session, checkServerIdentity: () => undefined, ...more });
    const answer = await ask(socket, { host });
    const reused = socket.isSessionReused();
    socket.destroy();
    return [reused, answer?.status];
  }

  for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const) {
    test(`${maxVersion}: a session is resumed, at this door and at another process's, and only for its own name`, async () => {
      const session = await sessionOf(door.port, { maxVersion });
      assert.deepEqual(await resumes(door.port, session, { maxVersion }), [true, 200]);
      const twin = await openDoor(pki, { hosts: HOSTS, certificates, nowMs: () => NOON_MS });
      assert.deepEqual(await resumes(twin.port, session, { maxVersion }), [true, 200]);
      await twin.close();
      const [reused] = await resumes(door.port, session, { maxVersion, servername: 'pay.example' }, 'pay.example');
      assert.equal(reused, false, 'the session of one host is of no use at another');
    });

    test(`${maxVersion}: a resumed session does not hide its server name from the check of Host (hole 12)`, async () => {
      const session = await sessionOf(door.port, { maxVersion });
      assert.deepEqual(await resumes(door.port, session, { maxVersion }, 'pay.example'), [true, 421]);
    });

    test(`${maxVersion}: a session is resumed in a process with another command line`, async () => {
      const session = await sessionOf(door.port, { maxVersion });
      const child = fork(join(import.meta.dirname, 'other-process.ts'), ['another', 'command line']);
      const authorities = trustOptions(
        loadAuthorities([{ name: 'merchants', certificates: [pki.read('merchants-authority').certificate] }]),
      ).ca;
      const secret = Buffer.alloc(32, 7).toString('hex');
      const texts = certificates.map(({ certificate, key }) => ({ certificate, key: key.export({ type: 'pkcs8', format: 'pem' }) }));
      child.send(JSON.stringify({ name: 'internet', hosts: [...HOSTS], certificates: texts, authorities, secret, atMs: NOON_MS }));
      const [port] = (await once(child, 'message')) as [number];
      const socket = await handshake({ ...clientOf(pki), port, session, maxVersion });
      assert.equal(socket.isSessionReused(), true);
      socket.destroy();
      const exited = once(child, 'exit');
      child.kill();
      await exited;
    });

    const elsewhere: readonly (readonly [Partial<InternetOptions>, boolean, string])[] = [
      [{ name: 'dedicated' }, false, 'another listener'],
      [{ ticketKeys: onlyKey(OTHER) }, false, 'another secret'],
      [{ ticketKeys: { writing: (ms) => (ms < NOON_MS ? SAME : OTHER), all: [OTHER, SAME] } }, false, 'a secret exchanged since then'],
      [
        {
          ticketKeys: { writing: (ms) => (ms < NOON_MS + DAY_MS / 2 ? SAME : OTHER), all: [OTHER, SAME] },
          nowMs: () => NOON_MS + DAY_MS / 2,
        },
        true,
        'midnight, from which a dated secret writes: the one of yesterday still opens',
      ],
      [{ nowMs: () => NOON_MS + DAY_MS / 2 - 1 }, true, 'the end of the same day'],
      [{ nowMs: () => NOON_MS + DAY_MS / 2 }, true, 'midnight: the key of yesterday still opens'],
      [{ nowMs: () => NOON_MS + DAY_MS / 2 + 7_199_999 }, true, 'two hours later, but a millisecond'],
      [{ nowMs: () => NOON_MS + DAY_MS / 2 + 7_200_000 }, false, 'two hours after midnight: no session of yesterday lives so long'],
      [{ nowMs: () => NOON_MS + 1.5 * DAY_MS }, false, 'the midnight after: two days are too many'],
      [{ nowMs: () => NOON_MS - DAY_MS }, false, 'the day before'],
    ];
    for (const [more, isResumed, why] of elsewhere) {
      test(`${maxVersion}: ${isResumed ? 'a' : 'no'} resumption at ${why}`, async () => {
        const session = await sessionOf(door.port, { maxVersion });
        const other = await openDoor(pki, { hosts: HOSTS, certificates, nowMs: () => NOON_MS, ...more });
        assert.deepEqual(await resumes(other.port, session, { maxVersion }), [isResumed, 200]);
        await other.close();
      });
    }

    test(`${maxVersion}: a change of the trusted authorities ends every ticket`, async () => {
      const session = await sessionOf(door.port, { maxVersion });
      const authorities = ['merchants-authority', 'authority', 'signing-authority'].map((path) => pki.read(path).certificatePem);
      const other = await openDoor(pki, { hosts: HOSTS, certificates, authorities });
      assert.deepEqual(await resumes(other.port, session, { maxVersion }), [false, 200]);
      await other.close();
    });
  }
});

test('ticket keys: the same for one day everywhere, others for every day, listener, host and set of authorities', () => {
  const secret = Buffer.alloc(32, 1);
  const scope = ticketScope('internet', 'localhost', ['a']);
  const keys = ticketKeysOf(secret, scope, 5 * DAY_MS);
  assert.equal(keys.length, 48);
  assert.deepEqual(ticketKeysOf(secret, scope, 6 * DAY_MS - 1), keys);
  const others = [
    ticketKeysOf(secret, scope, 6 * DAY_MS),
    ticketKeysOf(secret, scope, 5 * DAY_MS - 1),
    ticketKeysOf(Buffer.alloc(32, 2), scope, 5 * DAY_MS),
    ticketKeysOf(secret, ticketScope('dedicated', 'localhost', ['a']), 5 * DAY_MS),
    ticketKeysOf(secret, ticketScope('internet', 'pay.example', ['a']), 5 * DAY_MS),
    ticketKeysOf(secret, ticketScope('internet', 'localhost', ['a', 'b']), 5 * DAY_MS),
  ];
  assert.equal(new Set([keys, ...others].map((key) => key.toString('hex'))).size, others.length + 1);
});
