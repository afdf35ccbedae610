import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { after, before, describe, test } from 'node:test';
import { issueCertificate } from '../../src/certificates/issue.ts';
import { createKeyPair, type KeyPair } from '../../src/certificates/key-pair.ts';
import { parseName } from '../../src/protocol/distinguished-name.ts';
import { readPlatformKeys } from '../../src/sdk/platform-list.ts';
import { thumbprintOf } from '../../src/sdk/trust.ts';
import { type Leaf, makePki, type Pki } from '../support/pki.ts';

const NOW_MS = Date.now();
const HOUR_MS = 3_600_000;
const FAR = { notBeforeMs: NOW_MS - HOUR_MS, notAfterMs: NOW_MS + HOUR_MS };

let pki: Pki;
let forged: KeyPair;
before(async () => {
  pki = await makePki();
  forged = await createKeyPair('p-256');
});
after(() => pki.dispose());

const authority = (): Leaf => pki.read('signing-authority');
const x509 = (leaf: Leaf): X509Certificate => new X509Certificate(leaf.certificatePem);
const list = (...rows: object[]): Buffer => Buffer.from(JSON.stringify({ certificates: rows }));
const trusted = (body: Buffer, by = x509(authority()), nowMs = NOW_MS) => [...readPlatformKeys(body, by, nowMs).keys()];

/** A signing certificate by an issuer that we choose freely. */
const issue = (issuer: Parameters<typeof issueCertificate>[0]['issuer'], more: object = {}): Promise<string> =>
  issueCertificate({ subject: parseName('CN=platform'), publicKey: forged.publicKey, issuer, profile: 'signing', ...FAR, ...more });

describe('a listed certificate is trusted only when the platform-signing authority itself issued it', () => {
  const cases: readonly [why: string, pem: () => string | Promise<string>, isTrusted: boolean][] = [
    ['the one that signs now', () => pki.read('signing/platform-ec').certificatePem, true],
    ['a fresh one', () => issue({ name: authority().name, keys: authority() }), true],
    ['one of an authority with the same name and another key', () => issue({ name: authority().name, keys: forged }), false],
    [
      'one that names its key too, and is signed by another',
      () => issue({ name: authority().name, keys: { publicKey: authority().publicKey, privateKey: forged.privateKey } }),
      false,
    ],
    ['one signed by its key under another name', () => issue({ name: parseName('CN=Other'), keys: authority() }), false],
    ['one of the root', () => issue({ name: pki.read('authority').name, keys: pki.read('authority') }), false],
    ['one of a merchant', () => pki.read('merchants/800000000000001').certificatePem, false],
    ['the authority itself', () => authority().certificatePem, false],
    ['another authority below it', () => issue({ name: authority().name, keys: authority() }, { profile: 'authority' }), false],
    ['one that has ended', () => issue({ name: authority().name, keys: authority() }, { notAfterMs: NOW_MS - 60_000 }), false],
    ['one that has not begun', () => issue({ name: authority().name, keys: authority() }, { notBeforeMs: NOW_MS + 60_000 }), false],
    ['text that is no certificate', () => 'x', false],
  ];
  for (const [why, pem, isTrusted] of cases) {
    test(why, async () => assert.deepEqual(trusted(list({ keyid: 'k', pem: await pem() })), isTrusted ? ['k'] : []));
  }
  test('the authority must itself be an authority, and within validity', async () => {
    const leaf = pki.read('signing/platform-ec');
    const below = await issue({ name: leaf.name, keys: leaf });
    assert.deepEqual(trusted(list({ keyid: 'k', pem: below }), x509(leaf)), []);
    const pem = pki.read('signing/platform-ec').certificatePem;
    assert.deepEqual(trusted(list({ keyid: 'k', pem }), x509(authority()), NOW_MS + 20 * 365 * 24 * HOUR_MS), []);
  });
});

describe('the list', () => {
  const pem = () => pki.read('signing/platform-rsa').certificatePem;
  test('leaves out revoked rows and rows of another shape, and keeps the others', () => {
    const rows = [
      null,
      1,
      [],
      { keyid: 1, pem: pem() },
      { keyid: 'a' },
      { keyid: 'b', pem: pem(), status: 'revoked' },
      { keyid: 'c', pem: pem() },
    ];
    assert.deepEqual(trusted(list(...(rows as object[]))), ['c']);
  });
  test('names the algorithm only where the key can have it', () => {
    const algorithmOf = (alg: unknown) =>
      readPlatformKeys(list({ keyid: 'k', pem: pem(), alg }), x509(authority()), NOW_MS).get('k')?.algorithm;
    assert.deepEqual(['rsa-pss-sha512', 'ed25519', 'none', 1].map(algorithmOf), ['rsa-pss-sha512', ...Array(3).fill('rsa-v1_5-sha256')]);
  });
  for (const body of ['', 'x', 'null', '[]', '{}', '{"certificates":1}', '{"certificates":{"length":1}}', '\u0000']) {
    test(`that is ${JSON.stringify(body)} trusts nobody`, () => assert.deepEqual(trusted(Buffer.from(body)), []));
  }
});

test('the thumbprint is that of the first certificate of a chain, as RFC 8705 has it', () => {
  const { certificatePem } = pki.read('merchants/800000000000002');
  const expected = new X509Certificate(certificatePem).fingerprint256.replaceAll(':', '');
  assert.equal(Buffer.from(thumbprintOf(certificatePem), 'base64url').toString('hex').toUpperCase(), expected);
});
