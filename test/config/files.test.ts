import assert from 'node:assert/strict';
import { chmodSync, cpSync, mkdtempSync, rmSync, unlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { ensureDevelopmentCertificates } from '../../src/certificates/development-set.ts';
import { loadConfig } from '../../src/config/load.ts';
import { problemsOf, temporaryDirectory, unmark, writeFiles } from './workbench.ts';

const made = mkdtempSync(join(tmpdir(), 'hufu-config-certs-'));
before(() => ensureDevelopmentCertificates(made, () => {}));
after(() => rmSync(made, { recursive: true, force: true }));

/** Everything written out, so that problems have a place. */
const TEXT = `listeners:
  internet:
    certificate: server.crt
    key: server.key
authorities:
  - name: merchants
    certificates: [merchants-authority.crt]
answers:
  keys:
    - { keyid: ec, certificate: signing/platform-ec.crt, key: signing/platform-ec.key }
    - { keyid: rsa, certificate: signing/platform-rsa.crt, key: signing/platform-rsa.key }
`;

const FAR_MS = Date.UTC(2200, 0, 1);

type Row = readonly [why: string, find: string, replace: string, message: string, spoil?: (certs: string) => void, nowMs?: number];
const MISTAKES: readonly Row[] = [
  ['a missing certificate', 'server.crt', '§none.crt', 'CERTS/none.crt cannot be read (ENOENT): check the path and who may read it'],
  ['a missing key', 'server.key', '§none.key', 'CERTS/none.key cannot be read (ENOENT): check the path and who may read it'],
  [
    'the key of another certificate',
    'server.key',
    '§merchants-authority.key',
    'CERTS/merchants-authority.key is not the key of CERTS/server.crt: name the two files that were made together',
  ],
  [
    'a key where a certificate belongs',
    '[merchants-authority.crt]',
    '[§server.key]',
    'CERTS/server.key holds no certificate: write one or more PEM blocks "BEGIN CERTIFICATE" into it',
  ],
  [
    'a leaf as an authority',
    '[merchants-authority.crt]',
    '[§server.crt]',
    'CERTS/server.crt is not the certificate of an authority (basicConstraints CA:TRUE)',
  ],
  [
    'rubbish as a key',
    'server.key',
    '§server.key',
    'CERTS/server.key holds no private key that can be read: write an unencrypted PEM key (PKCS#8) into it',
    (certs) => writeFileSync(join(certs, 'server.key'), 'rubbish'),
  ],
  [
    'only RSA keys for answers',
    'answers:\n  keys:\n    - { keyid: ec, certificate: signing/platform-ec.crt, key: signing/platform-ec.key }\n',
    'answers:\n  §keys:\n',
    'answers.keys: at least one that is current for all merchants must be an EC or Ed25519 key, since refusals are signed with it',
  ],
];
for (const [why, find, replace, message, spoil] of MISTAKES) {
  test(`certificate files: ${why}`, async (t) => {
    const directory = temporaryDirectory(t);
    const certs = join(directory, 'certs');
    cpSync(made, certs, { recursive: true });
    spoil?.(certs);
    assert.ok(TEXT.includes(find));
    const { text, line, column } = unmark(TEXT.replace(find, replace));
    const file = join(directory, 'gateway.yaml');
    await writeFiles(directory, { 'gateway.yaml': text });
    const run = () => loadConfig({ file, environment: { HUFU_CERTS: certs }, profile: 'development' });
    assert.deepEqual(problemsOf(run, file), [`${line}:${column} ${message.replaceAll('CERTS', certs)}`]);
  });
}

async function loaded(
  t: Parameters<typeof temporaryDirectory>[0],
  profile: 'development' | 'production',
  nowMs?: number,
  spoil?: (directory: string) => void,
) {
  const directory = temporaryDirectory(t);
  cpSync(made, join(directory, 'certs'), { recursive: true });
  await writeFiles(directory, { 'gateway.yaml': TEXT, 'data/keys/answer-seal.key': 'x' });
  chmodSync(join(directory, 'data/keys/answer-seal.key'), 0o600);
  spoil?.(directory);
  const file = join(directory, 'gateway.yaml');
  const environment = { HUFU_CERTS: join(directory, 'certs'), HUFU_DATA: join(directory, 'data') };
  return problemsOf(() => loadConfig({ file, environment, profile, ...(nowMs !== undefined && { nowMs }) }), file).map((line) =>
    line.replaceAll(`${directory}/`, ''),
  );
}

test('the development set is fine in development', async (t) => assert.deepEqual(await loaded(t, 'development'), []));

test('certificates that have expired, or are not valid yet, are told each', async (t) => {
  const late = await loaded(t, 'development', FAR_MS);
  assert.equal(late.length, 4);
  assert.match(late[0] as string, /^3:18 certs\/server\.crt has expired on \d{4}-.*; put a valid certificate there$/);
  const early = await loaded(t, 'development', 0);
  assert.match(early[3] as string, /^11:34 certs\/signing\/platform-rsa\.crt is not valid before/);
});

test('production takes no development certificate', async (t) => {
  const told = await loaded(t, 'production');
  assert.deepEqual(
    told,
    [
      ['3:18', 'certs/server.crt'],
      ['7:20', 'certs/merchants-authority.crt'],
      ['10:33', 'certs/signing/platform-ec.crt'],
      ['11:34', 'certs/signing/platform-rsa.crt'],
    ].map(([place, name]) => `${place} ${name} is a development certificate; production needs one of your own authority`),
  );
});

test('production takes no key that others may read', async (t) => {
  const told = await loaded(t, 'production', undefined, (directory) => {
    chmodSync(join(directory, 'certs/server.key'), 0o640);
    chmodSync(join(directory, 'data/keys/answer-seal.key'), 0o604);
  });
  const open = told.filter((line) => line.includes('others'));
  assert.deepEqual(open, [
    '4:10 certs/server.key may be read by others (mode 640); run: chmod 600 certs/server.key',
    'data/keys/answer-seal.key 0:0 data/keys/answer-seal.key may be read by others (mode 604); run: chmod 600 data/keys/answer-seal.key',
  ]);
});

test('a missing file is told once, not by every check that wants it', async (t) => {
  const told = await loaded(t, 'production', undefined, (directory) => unlinkSync(join(directory, 'certs/signing/platform-ec.crt')));
  assert.equal(told.filter((line) => line.includes('platform-ec')).length, 1);
});
