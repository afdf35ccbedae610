import assert from 'node:assert/strict';
import { createHash, generateKeyPairSync, type KeyObject, X509Certificate } from 'node:crypto';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { type ListenerAuthority, loadAuthorities } from '../../src/identity/authorities.ts';
import { readPeer } from '../../src/identity/peer.ts';
import { bindingKeyOf, type DistinguishedName, parseName } from '../../src/protocol/distinguished-name.ts';
import {
  basicConstraints,
  CLIENT_AUTH,
  extendedKeyUsage,
  type HostileCertificate,
  hostilePem,
  name,
  type RawName,
} from '../support/hostile-certificate.ts';
import { type Leaf, makePki, type Pki } from '../support/pki.ts';
import { type Client, type PeerServer, startPeerServer } from './tls-peer.ts';

const DAY_MS = 86_400_000;
const SERVER_AUTH = '1.3.6.1.5.5.7.3.1';
const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const strangersKey = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;
const pemOfKey = (key: KeyObject): string => key.export({ type: 'pkcs8', format: 'pem' }).toString();

let pki: Pki;
let authority: Leaf;
let authorities: readonly ListenerAuthority[];
let server: PeerServer;

before(async () => {
  pki = await makePki();
  authority = pki.read('merchants-authority');
  authorities = loadAuthorities([{ name: 'merchants', certificates: [join(pki.directory, 'merchants-authority.crt')] }]);
  server = await startPeerServer(pki, authorities);
});
after(async () => {
  await server.close();
  pki.dispose();
});

const asClient = ({ certificatePem, keyPem }: Leaf): Client => ({ cert: certificatePem, key: keyPem });
const rawName = (dn: DistinguishedName): RawName =>
  dn.map((relative) => relative.map(({ oid, value }) => [oid, value, oid === '2.5.4.6' ? 0x13 : 0x0c] as const));

/** A certificate with the authority's name as issuer; signed by its key unless another signer is given. */
const forged = (changes: Partial<HostileCertificate> = {}, privateKey: KeyObject = ec.privateKey): Client => ({
  cert: hostilePem({
    issuer: name(rawName(authority.name)),
    subject: name([['CN', '800000000000001']]),
    publicKey: ec.publicKey,
    signer: authority.privateKey,
    ...changes,
  }),
  key: pemOfKey(privateKey),
  // Lets the client offer what a careful client would not.
  ciphers: 'DEFAULT@SECLEVEL=0',
});

for (const number of ['800000000000001', '800000000000002']) {
  test(`merchant ${number} of the development set is known by its certificate`, async () => {
    const leaf = pki.read(`merchants/${number}`);
    const { peer, authorized } = await server.meet(asClient(leaf));
    const certificate = new X509Certificate(leaf.certificatePem);
    assert.equal(authorized, true);
    assert.deepEqual(peer, {
      thumbprint: createHash('sha256').update(certificate.raw).digest('base64url'),
      bindingKey: bindingKeyOf('merchants', leaf.name),
      subject: leaf.subject,
      serialNumber: certificate.serialNumber,
      authority: 'merchants',
      trust: server.authorities[0]?.trust,
      keyid: leaf.keyid,
      publicKey: certificate.publicKey,
      issuerKeyid: authority.keyid,
      responders: [],
      notBeforeMs: certificate.validFromDate.getTime(),
      notAfterMs: certificate.validToDate.getTime(),
    });
  });
}

test('a certificate that our authority signed by hand is known too: the hostile ones below fail for their own reasons', async () => {
  const { peer } = await server.meet(forged());
  assert.equal(peer?.refusal, undefined);
  assert.equal(peer?.bindingKey, bindingKeyOf('merchants', parseName('CN=800000000000001')));
});

test('a comma in a CN makes another identity, not two attributes', async () => {
  const { peer } = await server.meet(forged({ subject: name([['CN', '800000000000001,OU=Merchants']]) }));
  assert.equal(peer?.bindingKey, bindingKeyOf('merchants', [[{ oid: '2.5.4.3', value: '800000000000001,OU=Merchants' }]]));
  assert.equal(peer?.subject, 'CN=800000000000001\\,OU=Merchants');
});

const strangers: readonly (readonly [() => Client | Promise<Client>, string])[] = [
  [() => ({}), 'no certificate'],
  [() => forged({ signer: strangersKey }), "our authority's name, another key"],
  [() => forged({ signer: strangersKey, notAfterMs: Date.now() - DAY_MS / 2 }), "our authority's name, another key, expired"],
  [() => forged({ issuer: name([['CN', '800000000000001']]), signer: ec.privateKey }), 'a self-signed certificate'],
  [() => forged({ issuer: name([['CN', 'Another']]) }), "our authority's key under another name"],
  [
    () => {
      const own = forged({ signer: strangersKey });
      return { ...own, cert: `${own.cert}${pki.read('merchants/800000000000002').certificatePem}` };
    },
    "a merchant's public certificates sent along as a chain (hole 11)",
  ],
  [() => asClient(pki.read('server')), "a certificate of the root's other branch"],
  [
    async () => asClient(await pki.issueMerchant({ authority: 'server-authority' })),
    "a merchant's certificate of another authority below the same root",
  ],
  [async () => asClient(await pki.issueMerchant({ authority: 'authority' })), 'a certificate that the root itself signed'],
];

for (const [client, why] of strangers) {
  test(`a stranger gets no answer at all: ${why}`, async () => {
    const { peer } = await server.meet(await client());
    assert.equal(peer, undefined);
  });
}

test('the trap: OpenSSL calls a forged certificate expired, and looks at its signature no more', async () => {
  const seen = await server.meet(forged({ signer: strangersKey, notAfterMs: Date.now() - DAY_MS / 2 }));
  assert.equal(seen.authorizationError, 'CERT_HAS_EXPIRED');
});

const weak = generateKeyPairSync('rsa', { modulusLength: 1024 });
const odd = generateKeyPairSync('ec', { namedCurve: 'prime192v1' });
const refused: readonly (readonly [() => Client | Promise<Client>, string, RegExp, string])[] = [
  [async () => asClient(await pki.issueMerchant({ notAfterMs: Date.now() - DAY_MS / 2 })), 'CERTIFICATE_EXPIRED', /expired/, 'expired'],
  [
    async () => asClient(await pki.issueMerchant({ notBeforeMs: Date.now() + DAY_MS / 2 })),
    'CERTIFICATE_EXPIRED',
    /not valid yet/,
    'not valid yet',
  ],
  [async () => asClient(await pki.issueMerchant({ profile: 'server' })), 'CERTIFICATE_PURPOSE', /clientAuth/, 'serverAuth only'],
  [async () => asClient(await pki.issueMerchant({ profile: 'signing' })), 'CERTIFICATE_PURPOSE', /clientAuth/, 'a signing certificate'],
  [
    () => forged({ extensions: [basicConstraints(false)] }),
    'CERTIFICATE_PURPOSE',
    /clientAuth/,
    'no extended key usage, which OpenSSL accepts',
  ],
  [() => forged({ extensions: [extendedKeyUsage('2.5.29.37.0')] }), 'CERTIFICATE_PURPOSE', /clientAuth/, 'anyExtendedKeyUsage'],
  [
    () => forged({ extensions: [extendedKeyUsage(CLIENT_AUTH), basicConstraints(true)] }),
    'CERTIFICATE_IS_AUTHORITY',
    /authority/,
    'CA:TRUE',
  ],
  [() => forged({ version: 1 }), 'CERTIFICATE_VERSION', /version 3/, 'version 1, which OpenSSL accepts'],
  [() => forged({ publicKey: weak.publicKey }, weak.privateKey), 'CERTIFICATE_KEY', /2048/, 'RSA of 1024 bits'],
  [() => forged({ signature: 'ecdsa-sha1' }), 'CERTIFICATE_SIGNATURE', /SHA-256/, 'signed with SHA-1'],
  [
    () =>
      forged({
        subject: name([
          ['CN', '800000000000002'],
          ['CN', '800000000000001'],
        ]),
      }),
    'CERTIFICATE_NAME',
    /more than one CN/,
    'two CNs (hole 16)',
  ],
  [
    () =>
      forged({
        subject: name([
          ['CN', '800000000000001'],
          ['CN', '800000000000002'],
        ]),
      }),
    'CERTIFICATE_NAME',
    /more than one CN/,
    'two CNs, reversed',
  ],
  [() => forged({ subject: name([['CN', '800000000000001\0.evil']]) }), 'CERTIFICATE_NAME', /control/, 'NUL in the CN'],
  [() => forged({ subject: name([['CN', '800000000000001\u200b']]) }), 'CERTIFICATE_NAME', /zero-width/, 'a zero-width space in the CN'],
  [() => forged({ subject: name([['CN', '\u202e100000000000008']]) }), 'CERTIFICATE_NAME', /direction/, 'a right-to-left override'],
  [
    () =>
      forged({
        issuer: name(rawName(authority.name.map((relative) => relative.map(({ oid, value }) => ({ oid, value: value.toUpperCase() }))))),
      }),
    'CERTIFICATE_ISSUER',
    /issuer/,
    "the authority's name in another case, which OpenSSL folds",
  ],
];

for (const [client, code, reason, why] of refused) {
  test(`one of ours that is unfit gets a reason: ${why}`, async () => {
    const { peer } = await server.meet(await client());
    assert.equal(peer?.refusal?.code, code);
    assert.match(peer?.refusal?.reason ?? '', reason);
  });
}

test('P-192 does not get through the handshake', async () => {
  await assert.rejects(server.meet({ ...forged({ publicKey: odd.publicKey }, odd.privateKey), maxVersion: 'TLSv1.2' }), {
    code: /ILLEGAL_PARAMETER/,
  });
});

test("extended usages are OpenSSL's to judge as well: serverAuth beside clientAuth passes both", async () => {
  const { peer, authorized } = await server.meet(forged({ extensions: [extendedKeyUsage(SERVER_AUTH, CLIENT_AUTH)] }));
  assert.equal(authorized, true);
  assert.equal(peer?.refusal, undefined);
});

test('a certificate that OpenSSL refuses is not accepted though our own checks find nothing', () => {
  const leaf = new X509Certificate(pki.read('merchants/800000000000002').certificatePem);
  const socket = { getPeerX509Certificate: () => leaf, authorized: false } as Parameters<typeof readPeer>[0];
  assert.equal(readPeer(socket, authorities, Date.now())?.refusal?.code, 'CERTIFICATE_INVALID');
});

for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const) {
  test(`a resumed ${maxVersion} session is judged again (hole 15), by the authorities and the time of now`, async () => {
    const client: Client = { ...asClient(pki.read('merchants/800000000000002')), maxVersion };
    const { promise, resolve } = Promise.withResolvers<Buffer>();
    const first = await server.meet({ ...client, onSession: resolve });
    const session = await promise;
    const again = await server.meet({ ...client, session });
    assert.ok(!first.isResumed && again.isResumed);
    assert.deepEqual(again.peer, first.peer);
    try {
      server.authorities = loadAuthorities([{ name: 'others', certificates: [join(pki.directory, 'signing-authority.crt')] }]);
      const distrusted = await server.meet({ ...client, session });
      assert.ok(distrusted.isResumed && distrusted.authorized, 'TLS does not look again');
      assert.equal(distrusted.peer, undefined);
      server.authorities = authorities;
      server.nowMs = Date.now() + 1000 * DAY_MS;
      assert.equal((await server.meet({ ...client, session })).peer?.refusal?.code, 'CERTIFICATE_EXPIRED');
    } finally {
      server.authorities = authorities;
      server.nowMs = Date.now();
    }
  });
}
