import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import * as crypto from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { readPem } from '../../src/certificates/pem.ts';
import { createPkcs12 } from '../../src/certificates/pkcs12.ts';
import { openssl, opensslOk } from '../support/openssl.ts';
import { makePki, type Pki } from '../support/pki.ts';

type Opened = {
  readonly privateKey: crypto.KeyObject | null;
  readonly certificate: crypto.X509Certificate | null;
  readonly additionalCertificates: crypto.X509Certificate[];
};
/** New in Node 26, and not in its types yet. */
const { parsePKCS12 } = crypto as unknown as { parsePKCS12: (bytes: Buffer, options: { passphrase: string }) => Opened };

const PASSWORD = 'correct horse & "battery"';
const NAME = '示例商户';

let pki: Pki;
let directory: string;
before(async () => {
  pki = await makePki();
  directory = mkdtempSync(join(tmpdir(), 'hufu-pkcs12-'));
});
after(() => {
  pki.dispose();
  rmSync(directory, { recursive: true });
});

for (const kind of ['rsa-2048', 'rsa-3072', 'p-256', 'p-384', 'ed25519'] as const) {
  test(`openssl and node open what was written for ${kind}, and get back key and chain to the byte`, async (t) => {
    // Two attributes in one set: a library that parses and writes again changes them, and the signature fails.
    const leaf = await pki.issueMerchant({ kind, subject: 'CN=800000000000003+UID=x,O=示例茶行' });
    const certificates = readPem(leaf.certificatePem, leaf.certificate);
    const bytes = await createPkcs12({ privateKey: leaf.privateKey, certificates, friendlyName: NAME, password: PASSWORD });
    const file = join(directory, `${kind}.p12`);
    writeFileSync(file, bytes);

    const parsed = parsePKCS12(bytes, { passphrase: PASSWORD });
    assert.ok(parsed.privateKey && crypto.createPrivateKey(leaf.keyPem).equals(parsed.privateKey));
    assert.deepEqual(parsed.certificate?.raw, certificates[0]);
    assert.deepEqual(
      parsed.additionalCertificates.map(({ raw }) => raw),
      certificates.slice(1),
    );

    const environment = { P: PASSWORD };
    const info = opensslOk(['pkcs12', '-in', file, '-info', '-noout', '-passin', 'env:P'], environment);
    assert.match(info, /MAC: sha256/);
    assert.equal(info.match(/PBES2, PBKDF2, AES-256-CBC/g)?.length, 2, 'key and certificates');
    const opened = join(directory, `${kind}.pem`);
    opensslOk(['pkcs12', '-in', file, '-nodes', '-out', opened, '-passin', 'env:P'], environment);
    assert.match(opensslOk(['verify', '-CAfile', join(pki.directory, 'merchants-authority.crt'), opened]), /OK/);
    assert.notEqual(openssl(['pkcs12', '-in', file, '-noout', '-passin', 'env:P'], { P: 'another one' }).status, 0);

    const java = spawnSync('keytool', ['-list', '-keystore', file, '-storetype', 'PKCS12', '-storepass:env', 'P'], {
      encoding: 'utf8',
      env: { ...process.env, ...environment },
    });
    if (java.error) t.diagnostic('no keytool here: Java was not asked');
    else assert.match(java.stdout, /PrivateKeyEntry/, java.stdout + java.stderr);
  });
}
