import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { after, before, describe, test } from 'node:test';
import { type ConnectionOptions, connect } from 'node:tls';
import { issueCertificate } from '../../src/certificates/issue.ts';
import { createKeyPair, type KeyKind } from '../../src/certificates/key-pair.ts';
import { chooseKind, type Offer, readOffer } from '../../src/listeners/client-offer.ts';
import { parseName } from '../../src/protocol/distinguished-name.ts';
import { makePki, type Pki } from '../support/pki.ts';
import { ask, clientOf, type Door, openDoor } from './door.ts';

const DAY_MS = 86_400_000;

async function serverPair(pki: Pki, kind: KeyKind) {
  const authority = pki.read('server-authority');
  const keys = await createKeyPair(kind);
  const certificate = await issueCertificate({
    subject: parseName(`CN=${kind}`),
    publicKey: keys.publicKey,
    issuer: { name: authority.name, keys: authority },
    notBeforeMs: Date.now() - DAY_MS,
    notAfterMs: Date.now() + DAY_MS,
    profile: 'server',
    hosts: ['localhost'],
  });
  return { certificate: certificate + authority.certificatePem, key: keys.privateKey };
}

describe('stapling where a name has an RSA and an elliptic-curve certificate', () => {
  let pki: Pki;
  let door: Door;
  let elliptic: X509Certificate;
  before(async () => {
    pki = await makePki();
    const certificates = [await serverPair(pki, 'p-256'), await serverPair(pki, 'rsa-2048')] as const;
    elliptic = new X509Certificate(certificates[0].certificate);
    // What is stapled names the certificate it is for; a client of Node does not look into it.
    const findStaple = (der: Uint8Array) => Buffer.from(`status of ${new X509Certificate(der).subject}`);
    door = await openDoor(pki, { certificates, findStaple });
  });
  after(async () => {
    await door.close();
    pki.dispose();
  });

  /** The certificate a client is shown, what is stapled, and whether it is served; another connection may be resumed with the session. */
  async function meet(more: ConnectionOptions) {
    const socket = connect({
      ...clientOf(pki, more.cert ? undefined : 'merchants/800000000000001'),
      port: door.port,
      requestOCSP: true,
      ...more,
    });
    const stapled = new Promise<string>((resolve) => {
      socket.once('OCSPResponse', (bytes: Buffer | null) => resolve(bytes?.toString() ?? 'nothing'));
      socket.once('secureConnect', () => setImmediate(resolve, 'nothing'));
    });
    let ticket: Buffer | undefined;
    socket.on('session', (newest) => {
      ticket = newest;
    });
    await once(socket, 'secureConnect');
    const shown = socket.getPeerX509Certificate()?.subject ?? '';
    const answer = await ask(socket);
    const isResumed = socket.isSessionReused();
    socket.destroy();
    return { shown, stapled: await stapled, status: answer?.status, isResumed, ticket };
  }

  const RSA_ONLY = 'RSA-PSS+SHA256:RSA+SHA256';
  const rows: readonly (readonly [ConnectionOptions, string, string, string])[] = [
    // the client                                                         shown          stapled                    why
    [{}, 'CN=p-256', 'status of CN=p-256', 'takes everything'],
    [{ sigalgs: RSA_ONLY }, 'CN=rsa-2048', 'status of CN=rsa-2048', 'RSA only'],
    [{ sigalgs: `ECDSA+SHA256:${RSA_ONLY}` }, 'CN=p-256', 'status of CN=p-256', 'both, elliptic curves first'],
    [
      { sigalgs: `ECDSA+SHA384:${RSA_ONLY}`, maxVersion: 'TLSv1.3', minVersion: 'TLSv1.3' },
      'CN=rsa-2048',
      'nothing',
      'another curve’s scheme: not sure',
    ],
    [{ requestOCSP: false, sigalgs: RSA_ONLY }, 'CN=rsa-2048', 'nothing', 'not asked for'],
    [{ requestOCSP: false, maxVersion: 'TLSv1.3' }, 'CN=p-256', 'nothing', 'not asked for'],
    [
      { maxVersion: 'TLSv1.2', ciphers: 'ECDHE-RSA-AES128-GCM-SHA256' },
      'CN=rsa-2048',
      'nothing',
      'schemes for both, but no suite that would show elliptic curves: not sure',
    ],
    [{ maxVersion: 'TLSv1.2', ecdhCurve: 'secp384r1' }, 'CN=rsa-2048', 'nothing', 'a curve it does not take'],
  ];
  for (const [client, shown, stapled, why] of rows)
    for (const maxVersion of client.maxVersion ? [client.maxVersion] : (['TLSv1.2', 'TLSv1.3'] as const))
      test(`${maxVersion}: ${shown}, ${stapled}: ${why}`, async () => {
        const met = await meet({ maxVersion, ...client });
        assert.deepEqual([met.shown, met.stapled, met.status], [shown, stapled, 200]);
      });

  for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const)
    test(`${maxVersion}: a session of one of the three contexts is resumed in the others`, async () => {
      const { ticket } = await meet({ maxVersion });
      const { isResumed, status } = await meet({ maxVersion, requestOCSP: false, session: ticket });
      assert.deepEqual([isResumed, status], [true, 200]);
      const back = await meet({ maxVersion, session: (await meet({ maxVersion, requestOCSP: false })).ticket });
      assert.deepEqual([back.isResumed, back.status], [true, 200]);
    });

  test('what a client must have said before it is shown one certificate alone', () => {
    const sure: Offer = {
      suites: [0x1301, 0xc02b],
      isTls13: true,
      schemes: [0x0403, 0x0804, 0x0401],
      certificateSchemes: undefined,
      groups: [0x001d, 0x0017],
      pointFormats: undefined,
    };
    const cases: readonly (readonly [Partial<Offer>, ReturnType<typeof chooseKind>, string])[] = [
      [{}, 'ec', 'all of it'],
      [{ isTls13: false }, 'ec', 'TLS 1.2 with a suite for it'],
      [{ isTls13: false, suites: [0xc02f] }, undefined, 'TLS 1.2 without'],
      [{ schemes: undefined }, undefined, 'no schemes: TLS would take SHA-1'],
      [{ schemes: [] }, 'rsa', 'none at all: no elliptic curve, and TLS decides whether RSA'],
      [{ schemes: [0x0804, 0x0401] }, 'rsa', 'RSA only'],
      [{ schemes: [0x0804, 0x0203] }, undefined, 'ECDSA with SHA-1'],
      [{ schemes: [0x0804, 0x0807] }, undefined, 'Ed25519'],
      [{ schemes: [0x0804, 0x3a3a] }, undefined, 'something nobody knows yet'],
      [{ certificateSchemes: [0x0403] }, 'ec', 'the certificate is signed so'],
      [{ certificateSchemes: [0x0401] }, undefined, 'it cannot verify how the certificate is signed'],
      [{ groups: [0x001d] }, undefined, 'not this curve'],
      [{ pointFormats: Buffer.from([0, 1]) }, 'ec', 'uncompressed points'],
      [{ pointFormats: Buffer.from([1]) }, undefined, 'compressed points only'],
    ];
    for (const [change, kind, why] of cases) assert.equal(chooseKind({ ...sure, ...change }, elliptic), kind, why);
  });

  test('an offer is read only where a stapled answer is asked for; what is malformed was not said', () => {
    const suites = Buffer.from([0x13, 0x01, 0xc0]);
    const status = [5, Buffer.alloc(0)] as const;
    assert.equal(readOffer({ suites, extensions: new Map([[13, Buffer.from([0, 2, 4, 3])]]) }), undefined);
    const read = (...more: (readonly [number, Buffer])[]) => readOffer({ suites, extensions: new Map([status, ...more]) });
    assert.deepEqual(read()?.suites, [0x1301]);
    assert.deepEqual(read([13, Buffer.from([0, 2, 4, 3])])?.schemes, [0x0403]);
    for (const bytes of [[], [0], [0, 2, 4], [0, 1, 4, 3], [0, 4, 4, 3]]) assert.equal(read([13, Buffer.from(bytes)])?.schemes, undefined);
    assert.equal(read([43, Buffer.from([2, 3, 4])])?.isTls13, true);
    assert.equal(read([43, Buffer.from([2, 3, 3])])?.isTls13, false);
  });
});
