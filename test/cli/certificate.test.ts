import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { chmodSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { readIndex } from '../../src/certificates/authority-index.ts';
import { openssl, opensslOk } from '../support/openssl.ts';
import { makePki } from '../support/pki.ts';
import { type Ran, type RunOptions, runHufu } from './run-hufu.ts';

let folder: string;
/** A certificates directory with authorities, shared by the tests below; each has its own merchants. */
let directory: string;
before(async () => {
  folder = mkdtempSync(join(tmpdir(), 'hufu-certificate-'));
  directory = join(folder, 'certs');
  await done(['authority', 'init', '--organisation', '示例银行']);
});
after(() => rmSync(folder, { recursive: true }));

function run(args: readonly string[], options: RunOptions = {}): Promise<Ran> {
  return runHufu(['certificate', ...args], { ...options, environment: { HUFU_CERTS: directory, ...options.environment } });
}
async function done(args: readonly string[], options?: RunOptions): Promise<Ran> {
  const ran = await run(args, options);
  assert.equal(ran.code, 0, ran.stderr);
  return ran;
}
const json = async <T>(args: readonly string[], options?: RunOptions): Promise<T> =>
  JSON.parse((await done([...args, '--json'], options)).stdout) as T;
type Issued = { certificate: string; key?: string; serial: string; subject: string; replaces?: string };

const merchant = (number: string): string[] => ['--merchant', number, '--organisation', '示例茶行'];
/** A key and a request of a merchant, by openssl. */
function makeRequest(name: string, subject: string, ...more: string[]): { csr: string; key: string } {
  const [csr, key] = [join(folder, `${name}.csr`), join(folder, `${name}.key`)];
  opensslOk([
    'req',
    '-new',
    '-utf8',
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
    subject,
    ...more,
  ]);
  return { csr, key };
}
const inDirectory = (file: string): string => join(directory, file);
const verify = (file: string, ...more: string[]) =>
  openssl(['verify', '-CAfile', inDirectory('authority.crt'), '-untrusted', inDirectory('merchants-authority.crt'), ...more, file]);

describe('hufu certificate authority init', () => {
  test('lays out root and authorities as development has them; keys are private; openssl verifies', () => {
    for (const name of ['server', 'merchants', 'signing'])
      assert.match(opensslOk(['verify', '-CAfile', inDirectory('authority.crt'), inDirectory(`${name}-authority.crt`)]), /OK/);
    for (const file of readdirSync(directory).filter((name) => /\.(key|jsonl)$/.test(name)))
      assert.equal(statSync(inDirectory(file)).mode & 0o777, 0o600, file);
    assert.equal(readFileSync(inDirectory('merchants-authority.crt'), 'utf8').match(/BEGIN/g)?.length, 2, 'up to the root');
    assert.equal(readIndex(inDirectory('authority.index.jsonl')).issued.size, 3);
  });
  test('overwrites nothing, not even when one file of four is left', async () => {
    const key = readFileSync(inDirectory('authority.key'), 'utf8');
    const again = await run(['authority', 'init', '--organisation', 'x']);
    assert.deepEqual([again.code, readFileSync(inDirectory('authority.key'), 'utf8')], [1, key]);
    const half = join(folder, 'half');
    await done(['authority', 'init', '--organisation', 'x', '--directory', half]);
    for (const file of readdirSync(half)) if (file !== 'signing-authority.key') rmSync(join(half, file));
    assert.match((await run(['authority', 'init', '--organisation', 'x', '--directory', half])).stderr, /signing-authority.key exists/);
    assert.deepEqual(
      readdirSync(half).filter((file) => file !== 'lock.db'),
      ['signing-authority.key'],
    );
  });
  test('own names, own kind of key, own validity', async () => {
    const own = join(folder, 'own');
    const days = ['--root-days', '4000', '--days', '2000'];
    await done([
      'authority',
      'init',
      '--organisation',
      'Bank',
      '--key-kind',
      'rsa-3072',
      '--merchants-name',
      'CN=商户,O=Bank,C=CN',
      ...days,
      '--directory',
      own,
    ]);
    const certificate = new X509Certificate(readFileSync(join(own, 'merchants-authority.crt')));
    assert.equal(certificate.subject, 'C=CN\nO=Bank\nCN=商户');
    assert.equal(certificate.publicKey.asymmetricKeyDetails?.modulusLength, 3072);
    assert.equal(Math.round((certificate.validToDate.getTime() - Date.now()) / 86_400_000), 2000);
  });
  for (const [args, said] of [
    [['--days', '8000'], /at most 5479/],
    [['--root-days', '100', '--days', '200'], /outlive its authority/],
    [['--key-kind', 'rsa-1024'], /--key-kind is one of/],
    [['--root-name', 'CN=A', '--merchants-name', 'CN=A'], /one name/],
    [['--country', 'China'], /two capital letters/],
  ] as const)
    test(`nothing is made with ${args.join(' ')}`, async () => {
      const none = join(folder, 'none');
      const { code, stderr } = await run(['authority', 'init', '--organisation', 'x', '--directory', none, ...args]);
      assert.notEqual(code, 0);
      assert.match(stderr, said);
      assert.deepEqual(existsSync(none) ? readdirSync(none).filter((file) => file !== 'lock.db') : [], []);
    });
});

describe('hufu certificate issue and sign', () => {
  test('a merchant with a name like the trade writes it', async () => {
    const issued = await json<Issued>([
      'issue',
      ...merchant('800000000000011'),
      '--name-style',
      'cfca',
      '--key-kind',
      'rsa-2048',
      '--days',
      '30',
    ]);
    assert.equal(issued.subject, 'CN=051@800000000000011@示例茶行@1,OU=Organizational-1,OU=Merchants,O=示例银行,C=CN');
    const printed = opensslOk(['x509', '-noout', '-subject', '-nameopt', 'RFC2253,utf8,-esc_msb', '-in', issued.certificate]);
    assert.equal(printed.trim(), `subject=${issued.subject}`);
    assert.match(verify(issued.certificate, '-purpose', 'sslclient').output, /OK/);
    assert.equal(statSync(issued.key as string).mode & 0o777, 0o600);
    const again = await run(['issue', ...merchant('800000000000011'), '--name-style', 'cfca', '--out', join(folder, 'again')]);
    assert.match(again.stderr, /has a valid certificate/);
    assert.ok(!existsSync(join(folder, 'again.key')), 'no key is left of it');
  });
  test('server and signing certificates', async () => {
    const { certificate } = await json<Issued>([
      'issue',
      '--profile',
      'server',
      '--host',
      'pay.example.com',
      '--host',
      '192.0.2.1',
      '--host',
      '::1',
    ]);
    const server = new X509Certificate(readFileSync(certificate));
    assert.ok(server.checkHost('pay.example.com') && server.checkIP('192.0.2.1') && server.checkIP('::1'));
    const renewed = await json<Issued>(['renew', '--certificate', certificate]);
    assert.equal(new X509Certificate(readFileSync(renewed.certificate)).subjectAltName, server.subjectAltName, 'renewed with its hosts');
    const signing = await json<Issued>(['issue', '--profile', 'signing', '--keyid', 'platform-2027', '--key-kind', 'ed25519']);
    assert.equal(signing.certificate, inDirectory('signing/platform-2027.crt'));
  });
  test('a request: the key is taken, the name is ours, what it asks for is not given', async () => {
    const asks = [
      '-addext',
      'basicConstraints=critical,CA:TRUE',
      '-addext',
      'subjectAltName=DNS:bank.example',
      '-addext',
      'extendedKeyUsage=serverAuth',
    ];
    const { csr, key } = makeRequest('shop', '/O=Somebody Else/CN=root', ...asks);
    const { stdout } = await done(['sign', '--request', csr, ...merchant('800000000000012')]);
    assert.match(stdout, /not taken over from the request: 2.5.29.19, 2.5.29.17, 2.5.29.37/);
    const file = inDirectory('merchants/800000000000012.crt');
    const certificate = new X509Certificate(readFileSync(file));
    assert.deepEqual(
      [certificate.subject, certificate.ca, certificate.subjectAltName],
      ['C=CN\nO=示例茶行\nOU=Merchants\nCN=800000000000012', false, undefined],
    );
    assert.deepEqual(certificate.keyUsage, ['1.3.6.1.5.5.7.3.2']);
    assert.equal(opensslOk(['pkey', '-in', key, '-pubout']), certificate.publicKey.export({ type: 'spki', format: 'pem' }));
    assert.ok(!existsSync(inDirectory('merchants/800000000000012.key')));
  });
  test('the same from standard input', async () => {
    const { csr } = makeRequest('stdin', '/CN=x');
    const out = join(folder, 'stdin.crt');
    await done(['sign', '--request', '-', ...merchant('800000000000013'), '--out', out], { input: readFileSync(csr, 'utf8') });
    assert.match(verify(out).output, /OK/);
  });
  test('requests that nobody should sign leave nothing behind', async () => {
    const { csr, key } = makeRequest('other', '/CN=800000000000099');
    const broken = join(folder, 'broken.csr');
    const lines = readFileSync(makeRequest('broken-source', '/CN=x').csr, 'utf8').split('\n');
    const der = Buffer.from(lines.slice(1, -2).join(''), 'base64');
    der[der.length - 1] = (der[der.length - 1] as number) ^ 1;
    writeFileSync(broken, `${lines[0]}\n${der.toString('base64')}\n${lines.at(-2)}\n`);
    const both = join(folder, 'both.pem');
    writeFileSync(both, readFileSync(csr, 'utf8') + readFileSync(key, 'utf8'));
    const huge = join(folder, 'huge.csr');
    writeFileSync(huge, Buffer.alloc(20_000_000, 'A'));
    const weak = join(folder, 'weak.csr');
    opensslOk(['req', '-new', '-newkey', 'rsa:1024', '-nodes', '-keyout', join(folder, 'weak.key'), '-out', weak, '-subj', '/CN=x']);
    const index = readFileSync(inDirectory('merchants-authority.index.jsonl'), 'utf8');
    for (const [request, said] of [
      [csr, /names merchant 800000000000099, and you said 800000000000014/],
      [broken, /does not verify under its own key/],
      [both, /private key, which belongs to the merchant alone/],
      [huge, /larger than 65536 bytes/],
      [weak, /shorter than 2048 bits/],
      [join(folder, 'nowhere.csr'), /cannot be read \(ENOENT\)/],
    ] as const) {
      const { code, stderr } = await run(['sign', '--request', request, ...merchant('800000000000014')]);
      assert.deepEqual([code, said.test(stderr)], [1, true], stderr);
    }
    assert.equal(readFileSync(inDirectory('merchants-authority.index.jsonl'), 'utf8'), index);
    assert.ok(!existsSync(inDirectory('merchants/800000000000014.crt')));
  });
  test('a key that another merchant holds', async () => {
    const { csr } = makeRequest('shared', '/CN=x');
    await done(['sign', '--request', csr, ...merchant('800000000000015')]);
    assert.match(
      (await run(['sign', '--request', csr, ...merchant('800000000000016')])).stderr,
      /already certified for CN=800000000000015/,
    );
  });
  test('an authority whose key others may read is not used', async () => {
    chmodSync(inDirectory('merchants-authority.key'), 0o640);
    const { code, stderr } = await run(['issue', ...merchant('800000000000017')]);
    chmodSync(inDirectory('merchants-authority.key'), 0o600);
    assert.deepEqual([code, /chmod 600/.test(stderr)], [1, true], stderr);
  });
  test('six at once: one writer at a time, no line lost', async () => {
    const before = readIndex(inDirectory('merchants-authority.index.jsonl')).issued.size;
    await Promise.all(Array.from({ length: 6 }, (_, index) => done(['issue', ...merchant(`80000000000010${index}`)])));
    assert.equal(readIndex(inDirectory('merchants-authority.index.jsonl')).issued.size, before + 6);
  });
  for (const [args, said] of [
    [['issue'], /--merchant is a merchant number/],
    [['issue', '--merchant', '../../800000000000001', '--organisation', 'x'], /15 digits/],
    [['issue', '--profile', 'signing', '--keyid', '../x'], /--keyid/],
    [['issue', '--profile', 'server'], /needs --host/],
    [['issue', '--profile', 'server', '--host', 'a b'], /neither a DNS name/],
    [['issue', '--profile', 'root'], /--profile is one of/],
    [['issue', ...merchant('800000000000018'), '--days', '1.5'], /whole number of days/],
    [['renew'], /either --serial or --certificate/],
    [['revoke', '--serial', '01', '--reason', 'boredom'], /--reason is one of/],
    [['crl', '--days', '31'], /at most 30/],
    [['list', '--authority', 'x'], /--authority is one of/],
  ] as const)
    test(`wrong use: ${args.join(' ')}`, async () => {
      const { code, stderr } = await run(args);
      assert.equal(code, 2, stderr);
      assert.match(stderr, said);
    });
});

describe('renew, revoke, crl, list, inspect', () => {
  test('from issue to the list of revoked ones, as openssl sees it', async () => {
    const first = await json<Issued>(['issue', ...merchant('800000000000021'), '--actor', 'li']);
    const second = await json<Issued>(['renew', '--certificate', first.certificate, '--replace', '--actor', 'wang']);
    assert.deepEqual([second.certificate, second.subject, second.replaces], [first.certificate, first.subject, first.serial]);
    const { csr } = makeRequest('renewal', '/CN=whatever');
    const third = await json<Issued>(['renew', '--serial', second.serial, '--request', csr, '--out', join(folder, 'third.crt')]);
    assert.equal(third.subject, first.subject);
    await done(['revoke', '--serial', second.serial, '--reason', 'superseded', '--note', '合同到期', '--actor', 'wang']);
    const list = await json<{ file: string; number: number; revoked: number }>(['crl']);
    assert.match(opensslOk(['crl', '-in', list.file, '-noout', '-verify', '-CAfile', inDirectory('merchants-authority.crt')]), /verify OK/);
    assert.match(verify(second.certificate, '-crl_check', '-CRLfile', list.file).output, /certificate revoked/);
    assert.match(verify(third.certificate, '-crl_check', '-CRLfile', list.file).output, /OK/);
    const der = await json<{ file: string; number: number }>(['crl', '--der', '--out', join(folder, 'list.crl')]);
    assert.equal(der.number, list.number + 1);
    opensslOk(['crl', '-inform', 'DER', '-in', der.file, '-noout']);

    const rows = await json<{ serial: string; standing: string; reason?: string; actor: string }[]>(['list', '--authority', 'merchants']);
    const own = rows.filter(({ serial }) => [first.serial, second.serial, third.serial].includes(serial));
    assert.deepEqual(own.map(({ standing, reason, actor }) => [standing, reason, actor]).slice(0, 2), [
      ['valid', undefined, 'li'],
      ['revoked', 'superseded', 'wang'],
    ]);
    const written = readFileSync(inDirectory('merchants-authority.index.jsonl'), 'utf8');
    assert.match(written, /"event":"revoked","at":"20\d\d-[^"]+","actor":"wang","reason":"superseded","note":"合同到期"/);
    assert.match((await run(['renew', '--serial', second.serial])).stderr, /is revoked and cannot be renewed/);
    assert.match(
      (await run(['inspect', second.certificate, '--check'])).stdout,
      /refused +the certificate is revoked since .* \(superseded\)/,
    );
    const lost = await done(['inspect', '--serial', first.serial, '--pem']);
    assert.equal(new X509Certificate(lost.stdout).serialNumber, first.serial);
  });
  test('what `hufu up` issued, without an index, can be revoked and renewed; what others issued cannot', async () => {
    const pki = await makePki();
    const named = (number: string): string[] => [
      '--directory',
      pki.directory,
      '--certificate',
      join(pki.directory, 'merchants', `${number}.crt`),
    ];
    const { serials } = await json<{ serials: string[] }>(['revoke', ...named('800000000000001'), '--reason', 'affiliationChanged']);
    assert.deepEqual(serials, [new X509Certificate(pki.read('merchants/800000000000001').certificatePem).serialNumber]);
    const { file } = await json<{ file: string }>(['crl', '--directory', pki.directory]);
    assert.match(opensslOk(['crl', '-in', file, '-noout', '-text']), new RegExp(`Serial Number: ${serials[0]}`));
    const renewed = await json<Issued>(['renew', ...named('800000000000002')]);
    assert.equal(renewed.subject, pki.read('merchants/800000000000002').subject);
    assert.match((await run(['revoke', ...named('800000000000001'), '--reason', 'superseded'])).stderr, /final/);
    const foreign = ['--directory', pki.directory, '--certificate', inDirectory('merchants-authority.crt'), '--reason', 'superseded'];
    assert.match((await run(['revoke', ...foreign])).stderr, /no authority in .* issued/);
    const root = ['--directory', pki.directory, '--certificate', join(pki.directory, 'authority.crt'), '--reason', 'superseded'];
    assert.match((await run(['revoke', ...root])).stderr, /no authority in .* issued/, 'a root is not revoked by itself');
    pki.dispose();
  });
  test('inspect: columns stay aligned with Chinese names, and each reason is told', async () => {
    const { certificate } = await json<Issued>(['issue', ...merchant('800000000000022')]);
    const fit = await done(['inspect', certificate, '--check']);
    assert.match(fit.stdout, /^subject {11}CN=800000000000022,OU=Merchants,O=示例茶行,C=CN\nissuer {12}CN=示例银行 Merchants Authority/);
    assert.match(fit.stdout, /checks {12}a merchant may connect with it/);
    const self = join(folder, 'self.crt');
    opensslOk([
      'req',
      '-x509',
      '-newkey',
      'rsa:1024',
      '-sha1',
      '-nodes',
      '-days',
      '1',
      '-keyout',
      join(folder, 'self.key'),
      '-out',
      self,
      '-subj',
      '/CN=x',
    ]);
    const { code, stdout } = await run(['inspect', '-', '--check', '--json'], { input: readFileSync(self, 'utf8') });
    const [shown] = JSON.parse(stdout) as [{ subject: string; key: string; problems: string[] }];
    assert.deepEqual([code, shown.subject, shown.key], [1, 'CN=x', 'RSA 1024']);
    for (const reason of [
      /that of an authority/,
      /no extended key usage/,
      /shorter than 2048/,
      /not signed with SHA-256/,
      /none of the authorities/,
    ])
      assert.ok(
        shown.problems.some((problem) => reason.test(problem)),
        String(reason),
      );
    assert.match((await run(['inspect'], { input: 'nothing' })).stderr, /standard input holds no certificate/);
  });
  test('list: the columns before a Chinese name are aligned', async () => {
    const lines = (await done(['list'])).stdout.trimEnd().split('\n');
    const column = (lines[0] as string).indexOf('subject');
    assert.ok(lines.length > 3);
    for (const line of lines.slice(1)) assert.match(line.slice(column), /^CN=|^O=/);
  });
});

describe('hufu certificate export', () => {
  test('the password is from a private file or a variable, never from the command line', async () => {
    const { certificate, key } = await json<Issued>(['issue', ...merchant('800000000000031'), '--key-kind', 'rsa-2048']);
    const base = ['export', '--certificate', certificate, '--key', key as string];
    const out = (name: string): string[] => ['--out', join(folder, name)];
    const password = join(folder, 'password');
    writeFileSync(password, 'a long password\nsecond line\n', { mode: 0o600 });
    await done([...base, ...out('file.p12'), '--password-file', password]);
    await done([...base, ...out('variable.p12')], { environment: { HUFU_EXPORT_PASSWORD: 'a long password' } });
    for (const name of ['file.p12', 'variable.p12']) {
      opensslOk(['pkcs12', '-in', join(folder, name), '-noout', '-passin', 'pass:a long password']);
      assert.equal(statSync(join(folder, name)).mode & 0o777, 0o600);
    }
    assert.equal((await run([...base, ...out('none.p12')])).code, 2);
    assert.match((await run([...base, ...out('file.p12')])).stderr, /exists/);
    const short = await run([...base, ...out('none.p12')], { environment: { HUFU_EXPORT_PASSWORD: 'short secret'.slice(0, 11) } });
    assert.deepEqual([short.code, short.stderr.includes('short secre')], [1, false], short.stderr);
    chmodSync(password, 0o644);
    assert.match((await run([...base, ...out('none.p12'), '--password-file', password])).stderr, /chmod 600/);
    const foreign = ['export', '--certificate', certificate, '--key', inDirectory('merchants-authority.key'), ...out('none.p12')];
    assert.match((await run(foreign, { environment: { HUFU_EXPORT_PASSWORD: 'a long password' } })).stderr, /is not the key of/);
    assert.ok(!existsSync(join(folder, 'none.p12')));
  });
});
