import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { createServer } from 'node:http';
import { type AddressInfo, createServer as createTcp } from 'node:net';
import { after, before, describe, test } from 'node:test';
import { createServer as createTls } from 'node:tls';
import { runHufu } from '../support/process.ts';
import { MERCHANT_1, type System, startSystem } from '../support/system.ts';

type Finding = { readonly check: string; readonly state: string; readonly text: string };
type Options = { readonly url?: string; readonly certificate?: string; readonly key?: string; readonly authority?: string };

describe('hufu doctor', { timeout: 120_000 }, () => {
  let system: System;
  before(async () => {
    system = await startSystem();
  });
  after(() => system?.dispose());

  async function doctor(options: Options = {}): Promise<{ code: number | null; bad: Finding[]; all: Finding[] }> {
    const own = system.pki.read(`merchants/${MERCHANT_1}`);
    const { url = system.gateways[0]?.url ?? '', certificate = own.certificate, key = own.key } = options;
    const { authority = system.pki.read('authority').certificate } = options;
    const args = ['--url', url, '--certificate', certificate, '--key', key, '--authority', authority, '--json'];
    const { code, stdout, stderr } = await runHufu(['doctor', ...args]);
    const all = stdout.startsWith('[') ? (JSON.parse(stdout) as Finding[]) : assert.fail(stderr);
    return { code, all, bad: all.filter(({ state }) => state === 'bad') };
  }
  /** The only thing that is wrong, and the exit status that says so. */
  async function theOneFault(options: Options): Promise<string> {
    const { code, bad, all } = await doctor(options);
    assert.equal(bad.length, 1, JSON.stringify(all, null, 1));
    assert.equal(code, 1);
    return `${bad[0]?.check}: ${bad[0]?.text}`;
  }
  const portOf = (server: { address: () => unknown }): number => (server.address() as AddressInfo).port;

  test('nothing wrong: exit 0, and the gateway accepts the certificate', async () => {
    const { code, bad, all } = await doctor();
    assert.deepEqual([code, bad], [0, []]);
    assert.match(all.find(({ check }) => check === 'our standing')?.text ?? '', /accepts our certificate/);
    assert.equal(all.find(({ check }) => check === 'clocks')?.state, 'ok');
  });

  test('a name nobody knows, and a port where nothing listens', async () => {
    assert.match(await theOneFault({ url: 'https://no-such-host.invalid' }), /^name: .*not known here/);
    const server = createTcp().listen(0, '127.0.0.1');
    await new Promise((resolve) => server.once('listening', resolve));
    const port = portOf(server);
    await new Promise((resolve) => server.close(resolve));
    assert.match(await theOneFault({ url: `https://127.0.0.1:${port}` }), /^connection: .*nothing listens/);
  });

  test('a port that speaks HTTP, and a server that speaks TLS 1.1 only', async () => {
    const http = createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => http.once('listening', resolve));
    assert.match(await theOneFault({ url: `https://127.0.0.1:${portOf(http)}` }), /^TLS: .*does not speak TLS/);
    http.close();
    const { certificatePem: cert, keyPem: key } = system.pki.read('server');
    const old = createTls({ cert, key, minVersion: 'TLSv1.1', maxVersion: 'TLSv1.1', ciphers: 'ALL:@SECLEVEL=0' }).listen(0, '127.0.0.1');
    old.on('tlsClientError', () => undefined);
    await new Promise((resolve) => old.once('listening', resolve));
    assert.match(await theOneFault({ url: `https://127.0.0.1:${portOf(old)}` }), /^TLS: no version in common/);
    old.close();
  });

  test('the wrong root, and a server certificate for another name', async () => {
    const stranger = system.pki.read('signing/platform-ec').certificate;
    assert.match(await theOneFault({ authority: stranger }), /^server trust: .*--authority/);
    const { certificatePem: cert, keyPem: key } = await system.pki.issueMerchant({ authority: 'server-authority', profile: 'server' });
    const other = createTls({ cert, key }, (socket) => socket.on('error', () => undefined).end()).listen(0, '127.0.0.1');
    await new Promise((resolve) => other.once('listening', resolve));
    const { bad } = await doctor({ url: `https://127.0.0.1:${portOf(other)}` });
    assert.ok(bad.some(({ check }) => check === 'server name'));
    other.close();
  });

  test('our own files: expired, for servers, the key of another', async () => {
    const expired = await system.pki.issueMerchant({ subject: `CN=${MERCHANT_1}`, notAfterMs: Date.now() - 43_200_000 });
    const { bad } = await doctor({ certificate: expired.certificate, key: expired.key });
    assert.match(bad.map(({ check, text }) => `${check}: ${text}`).join('\n'), /our validity: it has expired[\s\S]*CERTIFICATE_EXPIRED/);
    const server = await system.pki.issueMerchant({ profile: 'server' });
    const wrongUse = await doctor({ certificate: server.certificate, key: server.key });
    assert.match(wrongUse.bad.map(({ text }) => text).join('\n'), /clientAuth[\s\S]*CERTIFICATE_PURPOSE/);
    assert.match(await theOneFault({ key: expired.key }), /^our key: .*is not the key of/);
  });

  test('a certificate that is bound to nobody, and one of another authority', async () => {
    const unbound = await system.pki.issueMerchant();
    assert.match(await theOneFault(unbound), /^our standing: 403 CERTIFICATE_UNBOUND/);
    const stranger = await system.pki.issueMerchant({ authority: 'signing-authority' });
    assert.match(await theOneFault(stranger), /^our standing: .*closed the connection without an answer/);
  });

  test('a merchant that is suspended, and a certificate that is revoked: which of them, and what to do', async () => {
    const hufu = async (...args: string[]) => {
      const { code, stderr } = await runHufu([...args, '--reason', '演练'], system.environment);
      assert.equal(code, 0, stderr);
    };
    await hufu('merchant', 'suspend', MERCHANT_1);
    assert.match(await theOneFault({}), /^our standing: 403 MERCHANT_SUSPENDED: .*\. [A-Z].*\.$/);
    await hufu('merchant', 'resume', MERCHANT_1);
    const { serialNumber } = new X509Certificate(system.pki.read(`merchants/${MERCHANT_1}`).certificatePem);
    await hufu('block', 'add', '--serial', serialNumber);
    assert.match(await theOneFault({}), /^our standing: 403 CERTIFICATE_REVOKED: .*\. [A-Z].*\.$/);
    await hufu('block', 'remove', '--serial', serialNumber);
  });

  test('files that are not there or not what they should be, and an address the server has no name for', async () => {
    assert.match(await theOneFault({ certificate: '/nowhere.crt' }), /^our certificate: \/nowhere\.crt/);
    assert.match(await theOneFault({ key: '/nowhere.key' }), /^our key: \/nowhere\.key/);
    const { certificate, key } = system.pki.read(`merchants/${MERCHANT_1}`);
    assert.match(await theOneFault({ certificate: key }), /^our certificate: /);
    assert.match(await theOneFault({ key: certificate }), /^our key: /);
    const { port } = new URL(system.gateways[0]?.url ?? '');
    assert.match(
      await theOneFault({ url: `https://127.0.0.2:${port}` }),
      /^(connection: .*nothing listens|server name: .*the operator in --url)/,
    );
  });

  test('a peer that closes at once', async () => {
    const closing = createTcp((socket) => socket.destroy()).listen(0, '127.0.0.1');
    await new Promise((resolve) => closing.once('listening', resolve));
    assert.match(await theOneFault({ url: `https://127.0.0.1:${portOf(closing)}` }), /^TLS: the peer closed .*ask the operator/);
    closing.close();
  });

  test('clocks apart: far is a fault, near is a note, and an answer of somebody else is told as such', async () => {
    const { certificatePem: cert, keyPem: key } = system.pki.read('server');
    let head = '';
    const other = createTls({ cert, key }, (socket) => {
      socket.on('error', () => undefined).once('data', () => socket.end(head));
    }).listen(0, '127.0.0.1');
    await new Promise((resolve) => other.once('listening', resolve));
    const url = `https://127.0.0.1:${portOf(other)}`;
    const answer = (aheadMs: number, body: string) =>
      `HTTP/1.1 401 Unauthorized\r\nDate: ${new Date(Date.now() + aheadMs).toUTCString()}\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
    head = answer(3_600_000, '{"code":"SIGNATURE_MISSING"}');
    assert.match(await theOneFault({ url }), /^clocks: ours is \d+ s behind: .*TIMESTAMP_SKEW/);
    head = answer(-60_000, 'hello');
    const { code, all } = await doctor({ url });
    assert.equal(code, 0);
    assert.deepEqual(
      all.filter(({ state }) => state === 'note').map(({ check }) => check),
      ['our standing', 'clocks'],
    );
    other.close();
  });

  test('wrong use: exit 2', async () => {
    const { code, stderr } = await runHufu(['doctor', '--url', 'http://x', '--certificate', 'a', '--key', 'b', '--authority', 'c']);
    assert.equal(code, 2);
    assert.match(stderr, /https:\/\/HOST:PORT/);
  });
});
