import assert from 'node:assert/strict';
import { chmodSync, cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { expiryOf } from '../../src/certificates/expiry.ts';
import type { Inventory } from '../../src/cli/inventory/collect.ts';
import { ensureDevelopmentKeys } from '../../src/keys/development-keys.ts';
import { makeCrl } from '../support/crl.ts';
import { makePki, type Pki } from '../support/pki.ts';
import { PROJECT, type Ran, runHufu } from './run-hufu.ts';

const DAY_MS = 86_400_000;
const NUMBER = '800000000000001';

let pki: Pki;
let folder: string;
before(async () => {
  pki = await makePki();
  folder = mkdtempSync(join(tmpdir(), 'hufu-inventory-'));
  cpSync(join(PROJECT, 'config'), join(folder, 'config'), { recursive: true });
  ensureDevelopmentKeys(join(folder, 'data', 'keys'));
});
after(() => {
  pki.dispose();
  rmSync(folder, { recursive: true });
});

const run = (...args: string[]): Promise<Ran> => {
  const environment = { HUFU_CERTS: pki.directory, HUFU_DATA: join(folder, 'data'), HUFU_CONFIG: join(folder, 'config', 'gateway.yaml') };
  return runHufu(['inventory', ...args], { environment });
};
const collect = async (): Promise<Inventory> => JSON.parse((await run('--json')).stdout) as Inventory;

describe('expiryOf', () => {
  const cases = [
    // left, days, warning, why
    [61 * DAY_MS, 61, undefined, 'more than 60 days'],
    [60 * DAY_MS + 1, 60, undefined, 'a millisecond more than 60 days'],
    [60 * DAY_MS, 60, '60 days', '60 days'],
    [30 * DAY_MS, 30, '30 days', '30 days'],
    [7 * DAY_MS + 1, 7, '30 days', 'a millisecond more than 7 days'],
    [7 * DAY_MS, 7, '7 days', '7 days'],
    [0, 0, '7 days', 'the last moment, which belongs to it'],
    [-1, -1, 'expired', 'over'],
  ] as const;
  for (const [leftMs, daysLeft, warning, why] of cases)
    test(why, () => {
      const expiry = expiryOf(1e12, 1e12 - leftMs);
      assert.deepEqual([expiry.daysLeft, expiry.warning], [daysLeft, warning]);
    });
});

describe('hufu inventory', () => {
  test('has every key, certificate, suite and binding of the development set', async () => {
    const { certificates, merchantKeys, bindings, privateKeys, suites, problems } = await collect();
    assert.deepEqual(problems, []);
    const used = new Map(certificates.map(({ subject, uses }) => [subject, uses]));
    assert.equal(certificates.length, 11);
    assert.deepEqual(used.get(pki.read('server').subject), ['listeners.internet.certificate']);
    assert.deepEqual(used.get(pki.read(`merchants/${NUMBER}`).subject), [`merchant ${NUMBER}`]);
    assert.ok((used.get(pki.read('authority').subject)?.length ?? 0) > 0, 'the root stands in the file of the authority');
    assert.deepEqual(
      merchantKeys.map(({ keyid }) => keyid),
      ['1', '2'].map((last) => pki.read(`merchants/80000000000000${last}`).keyid),
    );
    assert.deepEqual(bindings[0], { authority: 'merchants', subject: pki.read(`merchants/${NUMBER}`).subject, merchants: [NUMBER] });
    assert.equal(privateKeys.length, 11 + 5);
    assert.ok(suites.ciphers.length >= 9 && suites.groups.includes('X25519MLKEM768') && suites.signatures.includes('ed25519'));
    const text = await run();
    assert.match(text.stdout, /Nothing in use ends within 60 days\.\n$/);
    assert.equal(text.code, 0);
  });

  test('tells what ends soon and is in use; a successor quietens it; the exit status changes only when asked', async () => {
    const subject = pki.read(`merchants/${NUMBER}`).subject;
    rmSync(join(pki.directory, 'merchants', `${NUMBER}.crt`));
    rmSync(join(pki.directory, 'merchants', `${NUMBER}.key`));
    const soon = await pki.issueMerchant({ number: NUMBER, subject, notAfterMs: Date.now() + 6.5 * DAY_MS });
    cpSync(soon.certificate, join(pki.directory, 'merchants', `${NUMBER}.crt`));
    await pki.issueMerchant({ number: '800000000000009', notAfterMs: Date.now() + DAY_MS });
    const text = await run();
    assert.equal(text.code, 0, text.stderr);
    assert.match(text.stdout, new RegExp(`ends within 7 days, .*certificate ${subject}`));
    assert.match(text.stdout, new RegExp(`ends within 7 days, .*signing key .* of merchant ${NUMBER}`));
    assert.doesNotMatch(text.stdout, /ends within .*800000000000009/, 'nobody is bound to it');
    assert.deepEqual([(await run('--fail-before-days', '6')).code, (await run('--fail-before-days', '7')).code], [0, 1]);
    await pki.issueMerchant({ number: NUMBER, subject, notAfterMs: Date.now() + 300 * DAY_MS });
    assert.doesNotMatch((await run()).stdout, /ends within .*certificate CN=/);
  });

  test('certificates of every listener, revocation lists with their ages, and what tickets are made of', async () => {
    const file = join(folder, 'config', 'gateway.yaml');
    const shipped = readFileSync(file, 'utf8');
    const authority = pki.read('merchants-authority');
    const hour = 3_600_000;
    const times = { thisUpdateMs: Date.now() - 30 * hour, nextUpdateMs: Date.now() + 10 * hour };
    writeFileSync(join(pki.directory, 'merchants.crl'), makeCrl(authority, { ...times, revoked: ['0A0B'] }));
    const pair = 'certificate: server.crt, key: server.key';
    const listeners = `listeners:
  dedicated: { address: 127.0.0.1, port: 8444, networks: [10.0.0.0/8], certificates: [{ ${pair} }] }
  balancer: { address: 127.0.0.1, balancerAuthorities: [merchants], balancers: [{ subject: "CN=lb" }] }
`;
    const lists = `authorities:
  - { name: merchants, certificates: [merchants-authority.crt], crls: [merchants.crl, "http://127.0.0.1:9/none.crl"] }
`;
    const secret = join(folder, 'data', 'keys', 'tls-tickets.key');
    const shared = readFileSync(secret);
    rmSync(secret);
    writeFileSync(file, shipped.replace('listeners:\n', listeners) + lists);
    const { certificates, crls, tickets, problems } = await collect();
    const server = certificates.find(({ subject }) => subject === pki.read('server').subject);
    const uses = ['internet', 'dedicated', 'dedicated.certificates.0', 'balancer'].map((name) => `listeners.${name}.certificate`);
    assert.deepEqual([...(server?.uses ?? [])].sort(), uses.sort());
    const [list, fetched] = crls;
    assert.deepEqual([list?.ageHours, list?.revoked, list?.warning, list?.daysLeft], [30, 1, '7 days', 0]);
    assert.deepEqual([fetched?.source, fetched?.nextUpdate], ['http://127.0.0.1:9/none.crl', undefined]);
    assert.ok(problems.some((problem) => /none\.crl .*there is no such file/.test(problem)));
    assert.equal(tickets.isShared, false);
    writeFileSync(secret, shared, { mode: 0o600 });
    const text = (await run()).stdout;
    assert.match(text, /TLS tickets: keys of \d{4}-\d\d-\d\d, in use for [\d.]+ h; their secret is 0 days old/);
    assert.match(text, /ends within 7 days, .*: revocation list .*merchants\.crl of merchants/);
    writeFileSync(file, shipped);
  });

  test('what cannot be read, and keys that others may read, are problems and no reason to stop', async () => {
    writeFileSync(join(pki.directory, 'broken.crt'), '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n');
    writeFileSync(join(folder, 'data', 'keys', 'odd.key'), 'no key at all', { mode: 0o600 });
    chmodSync(join(pki.directory, 'server.key'), 0o644);
    writeFileSync(join(folder, 'config', 'merchants', 'x.yaml'), 'number: 1\n');
    const { problems, certificates } = await collect();
    for (const said of [
      /broken\.crt: the certificate is not well-formed/,
      /odd\.key holds no private key/,
      /server\.key may be read by others/,
      /x\.yaml:1:9: number/,
    ])
      assert.ok(
        problems.some((problem) => said.test(problem)),
        `${said} in\n${problems.join('\n')}`,
      );
    assert.ok(!problems.join().includes('no key at all'), 'nothing of a key file is repeated');
    assert.ok(certificates.length >= 9);
  });

  test('wrong use', async () => assert.equal((await run('--fail-before-days', 'soon')).code, 2));
});
