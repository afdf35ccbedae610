import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { existsSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { ensureDevelopmentCertificates, isDevelopmentCertificate } from '../../src/certificates/development-set.ts';
import { loadCertificateFile } from '../../src/certificates/files.ts';
import { issueCertificate } from '../../src/certificates/issue.ts';
import { createKeyPair, type KeyKind } from '../../src/certificates/key-pair.ts';
import { readPem } from '../../src/certificates/pem.ts';
import { checkAuthorityPolicy, checkLeafPolicy } from '../../src/certificates/policy.ts';
import { readCertificate } from '../../src/certificates/read.ts';
import { parseName, printName, sameName } from '../../src/protocol/distinguished-name.ts';
import { makePki, type Pki } from '../support/pki.ts';

let pki: Pki;
before(async () => {
  pki = await makePki();
});
after(() => pki.dispose());

const x509 = (path: string): X509Certificate => new X509Certificate(readFileSync(join(pki.directory, `${path}.crt`)));
const ignore = (): void => {};

const issued = [
  // path                      issuer                why
  ['server-authority', 'authority', 'below the root'],
  ['merchants-authority', 'authority', 'below the root'],
  ['signing-authority', 'authority', 'below the root'],
  ['server', 'server-authority', 'by the server authority only'],
  ['merchants/800000000000001', 'merchants-authority', 'by the merchants authority only'],
  ['merchants/800000000000002', 'merchants-authority', 'by the merchants authority only'],
  ['signing/platform-ec', 'signing-authority', 'by the signing authority only'],
  ['signing/platform-rsa', 'signing-authority', 'by the signing authority only'],
  ['encryption/platform-enc-ec', 'signing-authority', 'by the signing authority only'],
  ['encryption/platform-enc-rsa', 'signing-authority', 'by the signing authority only'],
] as const;

for (const [path, issuer, why] of issued) {
  test(`${path} is issued ${why}`, () => {
    const authority = x509(issuer);
    assert.ok(x509(path).checkIssued(authority) && x509(path).verify(authority.publicKey));
    const [, chain, ...more] = readPem(readFileSync(join(pki.directory, `${path}.crt`), 'utf8'), path);
    assert.deepEqual(chain, authority.raw, 'the issuer stands behind');
    assert.equal(more.length, 0);
  });
}

test('the set fits our own policies', () => {
  for (const path of ['merchants/800000000000001', 'merchants/800000000000002']) checkLeafPolicy(readCertificate(x509(path).raw));
  for (const path of ['authority', 'server-authority', 'merchants-authority']) checkAuthorityPolicy(readCertificate(x509(path).raw));
  assert.throws(() => checkLeafPolicy(readCertificate(x509('server').raw)), /clientAuth/);
  assert.throws(() => checkLeafPolicy(readCertificate(x509('signing/platform-ec').raw)), /clientAuth/);
});

test('keys are of the promised kinds, names have a Chinese organisation, the server its hosts', () => {
  assert.equal(x509('merchants/800000000000001').publicKey.asymmetricKeyDetails?.modulusLength, 2048);
  assert.equal(x509('merchants/800000000000002').publicKey.asymmetricKeyDetails?.namedCurve, 'prime256v1');
  assert.equal(pki.read('merchants/800000000000001').subject, 'CN=800000000000001,OU=Merchants,O=虎符示例商户一,C=CN');
  assert.ok(x509('server').checkHost('localhost') && x509('server').checkIP('127.0.0.1') && x509('server').checkIP('::1'));
});

test('keys are for their owner only', () => {
  for (const path of ['authority', 'server', 'merchants/800000000000001', 'signing/platform-rsa'])
    assert.equal(statSync(join(pki.directory, `${path}.key`)).mode & 0o777, 0o600);
});

test('production can tell development certificates by authority', () => {
  for (const path of ['merchants/800000000000001', 'signing/platform-ec', 'server', 'authority'])
    assert.ok(isDevelopmentCertificate(readCertificate(x509(path).raw)), path);
});

test('a second call changes nothing and says nothing', async () => {
  const files = ['authority.crt', 'server.key', 'merchants/800000000000002.crt'].map((file) => join(pki.directory, file));
  const contents = files.map((file) => readFileSync(file, 'utf8'));
  const lines: string[] = [];
  await ensureDevelopmentCertificates(pki.directory, (line) => lines.push(line));
  assert.deepEqual(lines, []);
  assert.deepEqual(
    files.map((file) => readFileSync(file, 'utf8')),
    contents,
  );
});

/** Runs against a copy of its own. */
async function withCopy(use: (directory: string, file: (path: string) => string) => Promise<void>): Promise<void> {
  const copy = await makePki();
  try {
    await use(copy.directory, (path) => join(copy.directory, path));
  } finally {
    copy.dispose();
  }
}

test('a missing pair is made again by the authority that is there', () =>
  withCopy(async (directory, file) => {
    for (const extension of ['crt', 'key']) rmSync(file(`merchants/800000000000002.${extension}`));
    const lines: string[] = [];
    await ensureDevelopmentCertificates(directory, (line) => lines.push(line));
    assert.equal(lines.length, 1);
    assert.match(lines[0] as string, /800000000000002\.crt {2}CN=800000000000002,/);
    assert.ok(existsSync(file('merchants/800000000000002.key')));
  }));

const broken: readonly (readonly [(file: (path: string) => string) => void, RegExp, string])[] = [
  [(file) => rmSync(file('server.key')), /server\.crt exists but .*server\.key does not/, 'a certificate without its key'],
  [(file) => rmSync(file('server.crt')), /server\.key exists but .*server\.crt does not/, 'a key without its certificate'],
  [
    (file) => writeFileSync(file('server.key'), readFileSync(file('merchants/800000000000002.key'))),
    /server\.key is not the key of .*server\.crt/,
    "another certificate's key",
  ],
  [(file) => writeFileSync(file('server.key'), 'not a key'), /server\.key holds no private key/, 'a key file with something else'],
  [
    (file) => writeFileSync(file('server.crt'), 'not a certificate'),
    /server\.crt holds no certificate/,
    'a certificate file with something else',
  ],
  [
    (file) => {
      for (const extension of ['crt', 'key']) rmSync(file(`merchants-authority.${extension}`));
    },
    /800000000000001\.crt was not issued by .*merchants-authority\.crt/,
    'an authority that was lost and made again',
  ],
];

for (const [breakIt, message, why] of broken) {
  test(`refused with one clear line: ${why}`, () =>
    withCopy(async (directory, file) => {
      breakIt(file);
      await assert.rejects(ensureDevelopmentCertificates(directory, ignore), { name: 'UserError', message });
    }));
}

test('refused with one clear line: an expired certificate', () =>
  withCopy(async (directory) => {
    const later = Date.now() + 3 * 365 * 86_400_000;
    await assert.rejects(ensureDevelopmentCertificates(directory, ignore, later), {
      name: 'UserError',
      message: /server\.crt is valid from .* delete/,
    });
  }));

const kinds: readonly KeyKind[] = ['rsa-2048', 'rsa-3072', 'p-256', 'p-384', 'ed25519'];
const multi = 'CN=a\\,O=b+OU=x,O=虎符\\, Inc,ST=上海,C=CN';

for (const kind of kinds) {
  test(`issueCertificate: a merchant's ${kind} key, with the name exactly as asked`, async () => {
    const leaf = await pki.issueMerchant({ kind, subject: multi });
    const { facts, x509: certificate } = loadCertificateFile(leaf.certificate);
    checkLeafPolicy(facts);
    assert.ok(sameName(facts.subject, parseName(multi)));
    assert.equal(printName(facts.subject).length, multi.length);
    assert.ok(certificate.verify(x509('merchants-authority').publicKey));
  });
}

test('issueCertificate: two certificates never share a serial number', async () => {
  const [one, other] = await Promise.all([pki.issueMerchant({ number: '1' }), pki.issueMerchant({ number: '1' })]);
  assert.notEqual(loadCertificateFile(one.certificate).facts.serialNumber, loadCertificateFile(other.certificate).facts.serialNumber);
});

test('issueCertificate: IPv6 and IPv4 hosts, and an end after 2049', async () => {
  const keys = await createKeyPair('p-256');
  const name = parseName('CN=host');
  const notAfterMs = Date.UTC(2060, 0, 1);
  const hosts = ['a.example', '10.1.2.3', '2001:db8::1:0', '::'];
  const pem = await issueCertificate({
    subject: name,
    publicKey: keys.publicKey,
    issuer: { name, keys },
    notBeforeMs: 0,
    notAfterMs,
    profile: 'server',
    hosts,
  });
  const certificate = new X509Certificate(pem);
  for (const host of hosts.slice(1)) assert.ok(certificate.checkIP(host), host);
  assert.ok(certificate.checkHost('a.example'));
  assert.equal(certificate.validToDate.getTime(), notAfterMs);
});
