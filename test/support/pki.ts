import type { KeyObject } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ensureDevelopmentCertificates } from '../../src/certificates/development-set.ts';
import { loadCertificateFile, loadPrivateKey } from '../../src/certificates/files.ts';
import { issueCertificate } from '../../src/certificates/issue.ts';
import { createKeyPair, type KeyKind } from '../../src/certificates/key-pair.ts';
import { pemOf, readPem } from '../../src/certificates/pem.ts';
import { type DistinguishedName, parseName, printName } from '../../src/protocol/distinguished-name.ts';
import { keyidOf } from '../../src/protocol/keyid.ts';

/** A certificate with its key, as files and in memory. `certificatePem` has the issuing authority behind the leaf, as the file has. */
export type Leaf = {
  readonly certificate: string;
  readonly key: string;
  readonly certificatePem: string;
  readonly keyPem: string;
  readonly privateKey: KeyObject;
  readonly publicKey: KeyObject;
  /** Default keyid of the public key. */
  readonly keyid: string;
  /** RFC 4514 text. */
  readonly subject: string;
  readonly name: DistinguishedName;
};

export type IssueMerchant = {
  /** Default: a number no one has had. File names and, unless `subject` is given, the CN are made from it. */
  readonly number?: string;
  /** RFC 4514 text. */
  readonly subject?: string;
  /** Default: p-256, the fastest. */
  readonly kind?: KeyKind;
  readonly notBeforeMs?: number;
  readonly notAfterMs?: number;
  /** Path of another authority in the directory, without extension. Default: merchants-authority. */
  readonly authority?: string;
  /** `server` makes a certificate for the wrong purpose. */
  readonly profile?: 'merchant' | 'server' | 'signing' | 'authority';
};

export type Pki = {
  /** A certificates directory as `hufu up` makes it. */
  readonly directory: string;
  /** A certificate of the directory by its path without extension: `server`, `merchants/800000000000001`. */
  readonly read: (path: string) => Leaf;
  /** Issues one more, below `merchants/`. */
  readonly issueMerchant: (options?: IssueMerchant) => Promise<Leaf>;
  readonly dispose: () => void;
};

const FILES = [
  ...['authority', 'server-authority', 'merchants-authority', 'signing-authority', 'server'],
  ...['merchants/800000000000001', 'merchants/800000000000002', 'signing/platform-ec', 'signing/platform-rsa'],
  ...['encryption/platform-enc-ec', 'encryption/platform-enc-rsa'],
].flatMap((path) => [`${path}.crt`, `${path}.key`]);

const temporary = (): string => mkdtempSync(join(tmpdir(), 'hufu-pki-'));
const DAY_MS = 86_400_000;

/** The development set is made once in a process; each caller gets a copy of its own. */
let template: Promise<ReadonlyMap<string, string>> | undefined;

async function createTemplate(): Promise<ReadonlyMap<string, string>> {
  const directory = temporary();
  try {
    await ensureDevelopmentCertificates(directory, () => {});
    return new Map(FILES.map((file) => [file, readFileSync(join(directory, file), 'utf8')]));
  } finally {
    rmSync(directory, { recursive: true });
  }
}

/** A temporary directory with the development certificates, and more on demand. Call `dispose` at the end. */
export async function makePki(): Promise<Pki> {
  template ??= createTemplate();
  const files = await template;
  const directory = temporary();
  for (const folder of ['merchants', 'signing', 'encryption']) mkdirSync(join(directory, folder));
  for (const [file, content] of files) writeFileSync(join(directory, file), content, { mode: file.endsWith('.key') ? 0o600 : 0o644 });
  const read = (path: string): Leaf => readLeaf(join(directory, path));
  let issued = 0;
  return {
    directory,
    read,
    issueMerchant: async (options = {}) => {
      issued += 1;
      const number = options.number ?? String(800_000_000_001_000 + issued);
      const path = join(directory, 'merchants', `${number}-${issued}`);
      await issue(join(directory, options.authority ?? 'merchants-authority'), path, { ...options, number });
      return readLeaf(path);
    },
    dispose: () => rmSync(directory, { recursive: true, force: true }),
  };
}

async function issue(authorityPath: string, path: string, options: IssueMerchant): Promise<void> {
  const authority = readLeaf(authorityPath);
  const keys = await createKeyPair(options.kind ?? 'p-256');
  const certificate = await issueCertificate({
    subject: parseName(options.subject ?? `CN=${options.number},OU=Merchants,O=虎符测试商户,C=CN`),
    publicKey: keys.publicKey,
    issuer: { name: authority.name, keys: authority },
    notBeforeMs: options.notBeforeMs ?? Date.now() - DAY_MS,
    notAfterMs: options.notAfterMs ?? Date.now() + DAY_MS,
    profile: options.profile ?? 'merchant',
  });
  const [issuing] = readPem(authority.certificatePem, authority.certificate);
  writeFileSync(`${path}.crt`, certificate + pemOf(issuing));
  writeFileSync(`${path}.key`, keys.privateKey.export({ type: 'pkcs8', format: 'pem' }), { mode: 0o600 });
}

function readLeaf(path: string): Leaf {
  const [certificate, key] = [`${path}.crt`, `${path}.key`];
  const { facts, pem } = loadCertificateFile(certificate);
  return {
    certificate,
    key,
    certificatePem: pem,
    keyPem: readFileSync(key, 'utf8'),
    privateKey: loadPrivateKey(key),
    publicKey: facts.publicKey,
    keyid: keyidOf(facts.publicKey),
    subject: printName(facts.subject),
    name: facts.subject,
  };
}
