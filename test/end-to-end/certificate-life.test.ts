import assert from 'node:assert/strict';
import { once } from 'node:events';
import { cpSync, globSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join, resolve } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { connect } from 'node:tls';
import { DEVELOPMENT_MARKER, ensureDevelopmentKeys } from '../../src/keys/development-keys.ts';
import { createMerchant, type MerchantClient, type MerchantOptions } from '../../src/sdk/merchant.ts';
import { eventually } from '../support/eventually.ts';
import { opensslOk } from '../support/openssl.ts';
import { freePorts, type Running, runHufu, startHufu } from '../support/process.ts';
import { createOrder, freshOrderNo, MERCHANT_1, MERCHANT_2, orderBody, payOrder, startSystem } from '../support/system.ts';

const PROJECT = resolve(import.meta.dirname, '..', '..');
/** Accounts that the reference core knows; their certificates here are all made by `hufu certificate`. */
const [SHOP, TEA] = [MERCHANT_1, MERCHANT_2];

type Issued = { certificate: string; key?: string; serial: string; subject: string };

/** From an empty folder to a payment, and past a renewal, by the command line alone. */
describe('the life of a certificate', { timeout: 120_000 }, () => {
  let folder: string;
  let environment: NodeJS.ProcessEnv;
  let port: number;
  const running: Running[] = [];
  const clients: MerchantClient[] = [];
  let shop: Issued;
  let tea: Issued;

  const certificate = async <T = Issued>(...args: string[]): Promise<T> => {
    const { code, stdout, stderr } = await runHufu(['certificate', ...args, '--json'], environment);
    assert.equal(code, 0, `hufu certificate ${args.join(' ')}\n${stderr}`);
    return JSON.parse(stdout) as T;
  };
  const path = (file: string): string => join(folder, 'certs', file);
  const read = (file: string): string => readFileSync(file, 'utf8');
  const client = (
    merchantNumber: string,
    files: { certificate: string; key: string },
    more: Partial<MerchantOptions> = {},
  ): MerchantClient => {
    const made = createMerchant({
      url: `https://localhost:${port}`,
      merchantNumber,
      certificate: read(files.certificate),
      key: read(files.key),
      authority: read(path('authority.crt')),
      platformAuthority: read(path('signing-authority.crt')),
      ...more,
    });
    clients.push(made);
    return made;
  };
  const pays = async (merchant: MerchantClient): Promise<void> => {
    const paid = await payOrder(merchant, await createOrder(merchant, 1234), 1234);
    assert.deepEqual([paid.outcome, paid.accepted], ['succeeded', true], paid.why ?? paid.body.toString());
  };

  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'hufu-life-'));
    const [core, internet, status] = (await freePorts(3)) as [number, number, number];
    port = internet;
    environment = {
      HUFU_DATA: join(folder, 'data'),
      HUFU_CERTS: join(folder, 'certs'),
      HUFU_CONFIG: join(folder, 'config', 'gateway.yaml'),
      HUFU_PORT_CORE: String(core),
      HUFU_PORT_INTERNET: String(internet),
      HUFU_PORT_STATUS: String(status),
    };
    mkdirSync(join(folder, 'data'), { mode: 0o700 });
    ensureDevelopmentKeys(join(folder, 'data', 'keys'));
    // These are the test's own keys; production is asked below what it thinks of the certificates.
    rmSync(join(folder, 'data', 'keys', DEVELOPMENT_MARKER));
    cpSync(join(PROJECT, 'config'), join(folder, 'config'), { recursive: true });
  });
  after(async () => {
    for (const made of clients) made.close();
    for (const process of running) await process.end('SIGKILL');
    rmSync(folder, { recursive: true });
  });

  test('init and issue; a merchant keeps its key and sends a request', async () => {
    await certificate('authority', 'init', '--organisation', '示例银行', '--key-kind', 'p-384');
    await certificate('issue', '--profile', 'server', '--host', 'localhost', '--host', '127.0.0.1');
    await certificate('issue', '--profile', 'signing', '--keyid', 'platform-ec');
    shop = await certificate('issue', '--merchant', SHOP, '--organisation', '示例商户', '--name-style', 'cfca', '--key-kind', 'rsa-2048');
    const [key, csr] = [join(folder, 'tea.key'), join(folder, 'tea.csr')];
    opensslOk([
      'req',
      '-new',
      '-newkey',
      'ec',
      '-pkeyopt',
      'ec_paramgen_curve:P-256',
      '-nodes',
      '-keyout',
      key,
      '-out',
      csr,
      '-subj',
      `/CN=${TEA}`,
    ]);
    tea = await certificate('sign', '--request', csr, '--merchant', TEA, '--organisation', '示例茶行');
  });

  test('a gateway configured with them takes payments of both', async () => {
    for (const file of readdirSync(join(folder, 'config', 'merchants'))) rmSync(join(folder, 'config', 'merchants', file));
    for (const [number, { subject, certificate: file }] of [
      [SHOP, shop],
      [TEA, tea],
    ] as const)
      writeFileSync(
        join(folder, 'config', 'merchants', `${number}.json`),
        JSON.stringify({ number, name: '示例', names: [{ subject }], keys: [{ certificate: file }], plan: 'standard' }),
      );
    const yaml = join(folder, 'config', 'gateway.yaml');
    const keys = 'answers: { keys: [{ keyid: platform-ec, certificate: signing/platform-ec.crt, key: signing/platform-ec.key }] }';
    // What merchants encrypt to is another story, with certificates of its own.
    const plain = read(yaml).replace(/^encryption:\n( {2}.*\n)+/m, '');
    writeFileSync(yaml, `${plain}\n${keys}\nidentity: { chainDepthMax: 3 }\n`);
    const check = await runHufu(['check', '--profile', 'production'], environment);
    assert.equal(check.code, 0, `fit for production: ${check.stderr}`);
    writeFileSync(yaml, read(yaml).replace('chainDepthMax: 3', 'chainDepthMax: 2'));
    const near = await runHufu(['check', '--profile', 'production'], environment);
    assert.deepEqual([near.code, /path of 3 certificates/.test(near.stderr)], [1, true], near.stderr);
    writeFileSync(yaml, read(yaml).replace('chainDepthMax: 2', 'chainDepthMax: 3'));
    running.push(await startHufu(['core', '--profile', 'development'], environment));
    running.push(await startHufu(['gateway', '--profile', 'development'], environment));
    await pays(client(SHOP, { certificate: shop.certificate, key: shop.key as string }));
    await pays(client(TEA, { certificate: tea.certificate, key: join(folder, 'tea.key') }));
  });

  test('renewed with the same key: the running gateway takes it under the same name', async () => {
    const renewed = await certificate('renew', '--certificate', shop.certificate, '--out', join(folder, 'shop-renewed.crt'));
    assert.notEqual(renewed.serial, shop.serial);
    await pays(client(SHOP, { certificate: renewed.certificate, key: shop.key as string }));
    await pays(client(SHOP, { certificate: shop.certificate, key: shop.key as string }));
  });

  test('renewed with a new key for TLS: the same name, and the signing key stays the one that is registered', async () => {
    const [key, csr] = [join(folder, 'tea-2.key'), join(folder, 'tea-2.csr')];
    opensslOk(['req', '-new', '-newkey', 'rsa:2048', '-nodes', '-keyout', key, '-out', csr, '-subj', '/CN=anything']);
    const renewed = await certificate('renew', '--serial', tea.serial, '--request', csr, '--out', join(folder, 'tea-renewed.crt'));
    assert.equal(renewed.subject, tea.subject);
    await pays(client(TEA, { certificate: renewed.certificate, key }, { signingKey: read(join(folder, 'tea.key')) }));
  });

  test('exported: the gateway takes the PKCS#12 file in a handshake', async () => {
    environment.HUFU_EXPORT_PASSWORD = 'a long password';
    const file = join(folder, 'shop.p12');
    await certificate('export', '--certificate', shop.certificate, '--key', shop.key as string, '--out', file);
    const socket = connect({
      port,
      host: '127.0.0.1',
      servername: 'localhost',
      ca: read(path('authority.crt')),
      pfx: readFileSync(file),
      passphrase: 'a long password',
    });
    socket.write('GET /v1/platform-certificates HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n');
    const [answer] = (await once(socket, 'data')) as [Buffer];
    socket.destroy();
    assert.match(answer.toString(), /^HTTP\/1\.1 401 /, 'known by its certificate, and asked for a signature');
  });

  test('each act of an authority is in the journal of the gateway: who, why, before and after', async () => {
    const who = ['--actor', '李四', '--note', 'ticket 77'];
    const issued = await certificate('issue', '--merchant', '800000000000003', '--organisation', '示例书店', ...who);
    const renewed = await certificate('renew', '--certificate', issued.certificate, '--out', join(folder, 'book.crt'), ...who);
    await certificate('revoke', '--serial', issued.serial, '--reason', 'keyCompromise', ...who);
    await certificate('crl', '--out', join(folder, 'merchants.crl'), ...who);
    const acts = () => {
      const journal = join(folder, 'data', 'journal', 'gateway-1');
      const text = globSync(join(journal, '*'))
        .filter((file) => !/lock|db/.test(basename(file)))
        .map(read)
        .join('');
      return text.split('\n').filter((line) => line.includes('"ticket 77"'));
    };
    await eventually(() => assert.equal(acts().length, 5), 5_000);
    const expected = [
      `issue ${issued.serial}`,
      `renew ${renewed.serial}`,
      `revoke ${issued.serial}`,
      `revoke ${renewed.serial}`,
      'crl merchants',
    ];
    for (const [index, line] of acts().entries()) {
      assert.ok(line.includes(`"${expected[index]}"`), `${expected[index]} in ${line}`);
      assert.match(line, /"actor":"李四"/);
    }
    assert.match(acts()[2] ?? '', /standing\\":\\"valid.*standing\\":\\"revoked.*keyCompromise/);
    const verified = await runHufu(['journal', 'verify'], environment);
    assert.equal(verified.code, 0, verified.stderr);
  });

  test('inspect judges by the configuration of the gateway, and the inventory has it all', async () => {
    const fit = await runHufu(['certificate', 'inspect', shop.certificate, '--check'], environment);
    assert.equal(fit.code, 0, fit.stdout);
    const { code, stdout } = await runHufu(['inventory', '--json', '--fail-before-days', '30'], environment);
    const inventory = JSON.parse(stdout) as {
      certificates: { uses: string[] }[];
      bindings: { subject: string; merchants: string[] }[];
      problems: string[];
    };
    assert.deepEqual([code, inventory.problems], [0, []]);
    assert.deepEqual(
      inventory.bindings.map(({ subject, merchants }) => [subject, ...merchants]),
      [
        [shop.subject, SHOP],
        [tea.subject, TEA],
      ],
    );
    const uses = inventory.certificates.flatMap((one) => one.uses);
    for (const use of ['listeners.internet.certificate', 'authorities.0.certificates.0', 'answers.keys.0.certificate', `merchant ${SHOP}`])
      assert.ok(uses.includes(use), use);
    const failing = await runHufu(['inventory', '--fail-before-days', '366'], environment);
    assert.equal(failing.code, 1);
  });
});

test('identity.rsaBitsMin 3072: the refusal is signed and says which rule it was; others go on', { timeout: 60_000 }, async () => {
  const system = await startSystem({ settings: 'identity: { rsaBitsMin: 3072 }' });
  try {
    const body = orderBody(freshOrderNo(), 100);
    const refused = await system.merchant(MERCHANT_1).call({ method: 'POST', path: '/v1/orders', idempotencyKey: 'k-1', body });
    assert.deepEqual([refused.status, refused.code, refused.verified], [403, 'CERTIFICATE_KEY', true], refused.why ?? '');
    assert.equal((JSON.parse(refused.body.toString()) as { detail: string }).detail, 'The RSA key is shorter than 3072 bits.');
    await createOrder(system.merchant(MERCHANT_2), 100);
  } finally {
    await system.dispose();
  }
});
