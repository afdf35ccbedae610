import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type CertificateRequest, issueCertificate } from '../../src/certificates/issue.ts';
import { createKeyPair, type KeyPair } from '../../src/certificates/key-pair.ts';
import { DEVELOPMENT_MARKER, ensureDevelopmentKeys } from '../../src/keys/development-keys.ts';
import { type DistinguishedName, parseName } from '../../src/protocol/distinguished-name.ts';
import { makeSite, PROJECT, type Site } from './site.ts';

type Authority = { readonly name: DistinguishedName; readonly keys: KeyPair; readonly pem: string };

const HOUR_MS = 3_600_000;

async function issue(subject: string, profile: CertificateRequest['profile'], issuer?: Authority): Promise<Authority> {
  const name = parseName(`CN=${subject},O=Example Bank,C=CN`);
  const keys = await createKeyPair('p-256');
  const pem = await issueCertificate({
    subject: name,
    publicKey: keys.publicKey,
    issuer: issuer ?? { name, keys },
    notBeforeMs: Date.now() - HOUR_MS,
    notAfterMs: Date.now() + HOUR_MS,
    profile,
    hosts: profile === 'server' ? ['localhost', '127.0.0.1'] : [],
  });
  return { name, keys, pem: pem + (issuer && profile !== 'merchant' ? issuer.pem : '') };
}

/**
 * What a bank prepares: certificates of its own authority, keys of its own, a configuration for this machine only. The merchant
 * 801000000000001 is bound. `settings` are added to gateway.yaml.
 */
export async function makeProductionSite(settings = ''): Promise<Site> {
  const site = await makeSite({ withCertificates: false });
  const root = await issue('Example Root', 'root');
  const authority = await issue('Example Merchants', 'authority', root);
  const [server, signing, merchant] = [
    await issue('localhost', 'server', root),
    await issue('answers', 'signing', root),
    await issue('shop', 'merchant', authority),
  ];
  mkdirSync(site.certificates, { recursive: true });
  const write = (name: string, { pem, keys }: Authority) => {
    writeFileSync(join(site.certificates, `${name}.crt`), pem);
    writeFileSync(join(site.certificates, `${name}.key`), keys.privateKey.export({ type: 'pkcs8', format: 'pem' }), { mode: 0o600 });
  };
  for (const [name, one] of Object.entries({ server, signing, merchant, 'merchants-authority': authority })) write(name, one);
  ensureDevelopmentKeys(join(site.data, 'keys'));
  rmSync(join(site.data, 'keys', DEVELOPMENT_MARKER)); // these keys are the bank's own now
  writeConfig(site, settings);
  return site;
}

function writeConfig({ data }: Site, settings: string): void {
  const folder = join(data, 'config');
  cpSync(join(PROJECT, 'config'), folder, { recursive: true });
  const file = join(folder, 'gateway.yaml');
  // Nothing is encrypted to this bank: it has no keys for that.
  const text = readFileSync(file, 'utf8')
    .replace('port: 8443', 'port: 8443\n    address: 127.0.0.1')
    .replace(/^encryption:\n( {2}.*\n)+/m, '');
  writeFileSync(file, `${text}\nanswers: { keys: [{ keyid: bank, certificate: signing.crt, key: signing.key }] }\n${settings}\n`);
  rmSync(join(folder, 'merchants'), { recursive: true });
  mkdirSync(join(folder, 'merchants'));
  writeFileSync(
    join(folder, 'merchants', '801000000000001.yaml'),
    "number: '801000000000001'\nname: Shop\nnames: [{ certificate: merchant.crt }]\nkeys: [{ certificate: merchant.crt }]\nplan: standard\n",
  );
}
