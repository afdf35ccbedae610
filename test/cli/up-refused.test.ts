import assert from 'node:assert/strict';
import { once } from 'node:events';
import { appendFileSync, chownSync, cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { loadCertificateFile, loadPrivateKey } from '../../src/certificates/files.ts';
import { issueCertificate } from '../../src/certificates/issue.ts';
import { parseName } from '../../src/protocol/distinguished-name.ts';
import { runHufu } from '../support/process.ts';
import { checkGone, makeSite, type Ports, PROJECT, type Site } from './site.ts';

/** Exit status 1, every line for people, nothing left running. */
async function checkRefused(site: Site, lines: readonly RegExp[], environment: NodeJS.ProcessEnv = {}) {
  const { code, stderr } = await runHufu(['up'], { ...site.environment, ...environment });
  const said = stderr.trimEnd().split('\n');
  assert.equal(said.length, lines.length, stderr);
  for (const [index, line] of lines.entries()) assert.match(said[index] as string, line);
  for (const line of said) assert.match(line, /^hufu: /);
  assert.equal(code, 1);
  await checkGone(site);
}

describe('a port in use is one line that names port and variable', () => {
  const PORTS: readonly (readonly [port: keyof Ports, said: (port: number) => string])[] = [
    [
      'internet',
      (port) =>
        `hufu: the merchant listener: port ${port} on 127.0.0.1 is in use; stop what uses it or choose another with HUFU_PORT_INTERNET=PORT`,
    ],
    [
      'status',
      (port) =>
        `hufu: the status listener: port ${port} on 127.0.0.1 is in use; stop what uses it or choose another with HUFU_PORT_STATUS=PORT`,
    ],
    ['core', (port) => `hufu: core: 127.0.0.1:${port} is in use; stop the other program or set HUFU_PORT_CORE`],
  ];
  for (const [name, said] of PORTS) {
    test(name, async (t) => {
      const site = await makeSite();
      t.after(site.dispose);
      const port = site.ports[name];
      const other = createServer().listen(port, '127.0.0.1');
      t.after(() => other.close());
      await once(other, 'listening');
      const { code, stderr } = await runHufu(['up'], site.environment);
      // What the gateway logs is JSON; this is what it says to people.
      assert.deepEqual(
        stderr.split('\n').filter((line) => line !== '' && !line.startsWith('{')),
        [said(port)],
      );
      assert.equal(code, 1);
      await checkGone(site, [port]);
    });
  }

  test('the same port twice', async (t) => {
    const site = await makeSite();
    t.after(site.dispose);
    const { code, stderr } = await runHufu(['up'], { ...site.environment, HUFU_PORT_STATUS: String(site.ports.internet) });
    assert.equal(code, 1);
    assert.match(stderr, /\nhufu: the status listener: port \d+ on 127\.0\.0\.1 is in use[^\n]*\n$/);
    await checkGone(site);
  });
});

type Mistake = readonly [why: string, make: (site: Site) => unknown, lines: readonly RegExp[], environment?: NodeJS.ProcessEnv];

const inConfig = (site: Site, name: string): string => join(site.data, 'config', name);
const edit = (name: string, from: string | RegExp, to: string) => (site: Site) => {
  const file = inConfig(site, name);
  const text = readFileSync(file, 'utf8');
  assert.match(text, from instanceof RegExp ? from : new RegExp(from.replace(/[[\]]/g, '\\$&')));
  writeFileSync(file, text.replace(from, to));
};

/** The server's certificate, as it will look when nobody has renewed it. */
async function expireServerCertificate({ certificates }: Site): Promise<void> {
  const pair = (name: string) => ({
    facts: loadCertificateFile(join(certificates, `${name}.crt`)).facts,
    key: loadPrivateKey(join(certificates, `${name}.key`)),
  });
  const [server, authority] = [pair('server'), pair('server-authority')];
  const pem = await issueCertificate({
    subject: parseName('CN=localhost,O=Test,C=CN'),
    publicKey: server.facts.publicKey,
    issuer: { name: authority.facts.subject, keys: { publicKey: authority.facts.publicKey, privateKey: authority.key } },
    notBeforeMs: Date.parse('2024-01-01T00:00:00Z'),
    notAfterMs: Date.parse('2025-01-01T00:00:00Z'),
    profile: 'server',
    hosts: ['localhost'],
  });
  writeFileSync(join(certificates, 'server.crt'), pem);
}

const MISTAKES: readonly Mistake[] = [
  [
    'a syntax error',
    (site) => appendFileSync(inConfig(site, 'gateway.yaml'), '\nhosts: [localhost\n'),
    [/gateway\.yaml:\d+:\d+: Map keys must be unique/, /gateway\.yaml:\d+:\d+: /],
  ],
  [
    'unknown keys and wrong values, all at once',
    edit('gateway.yaml', 'port: 8443', 'prot: 8443\n    idleTimeoutMs: fast'),
    [
      /gateway\.yaml:\d+:\d+: unknown key "prot" in listeners\.internet; did you mean "port"\?/,
      /gateway\.yaml:\d+:\d+: listeners\.internet\.idleTimeoutMs: expected an integer 1000 to 600000 \(ms\), found "fast"/,
    ],
  ],
  ['no folder of merchants', (site) => rmSync(inConfig(site, 'merchants'), { recursive: true }), [/config\/merchants/]],
  ['no operations', (site) => rmSync(inConfig(site, 'operations/payments.yaml')), [/operations\/payments\.yaml: there is no such file/]],
  [
    "a merchant's plan that does not exist",
    edit('merchants/800000000000001.yaml', /plan: standard/, 'plan: gold'),
    [/merchants\/800000000000001\.yaml:\d+:\d+: .*gold/],
  ],
  [
    "a merchant's certificate that is not there",
    edit('merchants/800000000000001.yaml', /merchants\/800000000000001\.crt/g, 'merchants/none.crt'),
    ['name', 'signing key', 'encryption key'].map(() => /800000000000001\.yaml:\d+:\d+: .*merchants\/none\.crt/),
  ],
  [
    'wrong here and wrong there: gateway.yaml and a merchant at once',
    (site) => {
      edit('gateway.yaml', /port: 9100/, 'port: 9100\nanswers: { keys: [{ keyid: x, certificate: server.crt, key: nowhere.key }] }')(site);
      edit('merchants/800000000000001.yaml', /plan: standard/, 'plan: gold')(site);
    },
    [/gateway\.yaml:\d+:\d+: .*nowhere\.key/, /800000000000001\.yaml:\d+:\d+: .*gold/],
  ],
  [
    'half a pair: the key file is missing',
    ({ certificates }) => rmSync(join(certificates, 'server.key')),
    [/server\.crt exists but \S+server\.key does not: put it back, or delete/],
  ],
  [
    "a key that is another certificate's",
    ({ certificates }) => cpSync(join(certificates, 'signing', 'platform-ec.key'), join(certificates, 'server.key')),
    [/server\.key/],
  ],
  [
    'a server certificate that has expired',
    expireServerCertificate,
    [/server\.crt is valid from 2024-01-01T00:00:00\.000Z to 2025-01-01T00:00:00\.000Z, which is not now: delete it and \S+server\.key/],
  ],
  [
    'a secret key that is none',
    ({ data }) => {
      mkdirSync(join(data, 'keys'));
      writeFileSync(join(data, 'keys', 'fingerprint.key'), 'not hexadecimal\n', { mode: 0o600 });
    },
    [/keys\/fingerprint\.key/],
  ],
  [
    'a port that is none',
    () => undefined,
    [/^hufu: environment: HUFU_PORT_INTERNET: expected a port 0 to 65535, found "eight"$/],
    { HUFU_PORT_INTERNET: 'eight' },
  ],
  [
    'a configuration that is not there',
    () => undefined,
    [/nowhere\.yaml: there is no such file/],
    { HUFU_CONFIG: '/tmp/hufu-nowhere.yaml' },
  ],
  [
    'a core that is not ours to start',
    edit('gateway.yaml', 'http://127.0.0.1:7001', 'https://core.example:7001'),
    [
      /^hufu: core\.url is https:\/\/core\.example:\d+, and `hufu up` brings the reference core on this machine; for another core use `hufu gateway/,
    ],
  ],
  [
    'all addresses',
    edit('gateway.yaml', 'port: 8443', 'port: 8443\n    address: 0.0.0.0'),
    [/gateway\.yaml:\d+:\d+: the development profile listens on loopback only/],
  ],
];

describe('a bad configuration is one line for each problem', () => {
  for (const [why, make, lines, environment] of MISTAKES) {
    test(why, async (t) => {
      const site = await makeSite();
      t.after(site.dispose);
      cpSync(join(PROJECT, 'config'), join(site.data, 'config'), { recursive: true });
      await make(site);
      await checkRefused(site, lines, environment);
    });
  }
});

describe('a directory that may not be written', () => {
  const isRoot = process.getuid?.() === 0;
  const NOBODY = 65_534;
  const PLACES: readonly (readonly [why: string, folder: (site: Site) => string])[] = [
    ['data', ({ data }) => data],
    ['certificates', ({ certificates }) => certificates],
  ];
  for (const [why, folderOf] of PLACES) {
    test(why, { skip: process.platform === 'win32' && 'Windows has no such modes' }, async (t) => {
      const site = await makeSite({ withCertificates: false });
      t.after(site.dispose);
      if (isRoot) chownSync(site.directory, NOBODY, NOBODY);
      const folder = folderOf(site);
      mkdirSync(folder, { mode: 0o555 });
      // Root may write anywhere, so the command runs as nobody.
      const { code, stderr } = await runHufu(['up'], { ...site.environment, NODE_COMPILE_CACHE: undefined }, isRoot ? { uid: NOBODY } : {});
      assert.match(stderr, /^hufu: EACCES: permission denied, [^\n]+; mend that, or name another place\n$/);
      assert.ok(stderr.includes(folder), stderr);
      assert.equal(code, 1);
      await checkGone(site);
    });
  }
});
