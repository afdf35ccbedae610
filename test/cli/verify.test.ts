import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { readHeaderFile, readRequestFiles } from '../../src/cli/message-files.ts';
import { createMerchant } from '../../src/sdk/merchant.ts';
import { platformCertificates, type Script, startTestGateway } from '../sdk/test-gateway.ts';
import { makePki, type Pki } from '../support/pki.ts';
import { runHufu } from './run-hufu.ts';

const NUMBER = '800000000000001';
const BODY = '{"orderNo":"A1"}';

let pki: Pki;
let folder: string;
const file = (name: string, content?: string | Buffer): string => {
  const path = join(folder, name);
  if (content !== undefined) writeFileSync(path, content);
  return path;
};
const linesOf = (rawHeaders: readonly string[]): string =>
  rawHeaders.flatMap((name, i) => (i % 2 === 0 ? [`${name}: ${rawHeaders[i + 1]}`] : [])).join('\r\n');

/** A real exchange, kept in files: request.txt, body.json, answer.txt, answer.json. */
async function capture(script: Script): Promise<void> {
  const { certificatePem, keyPem } = pki.read(`merchants/${NUMBER}`);
  const gateway = await startTestGateway(pki, () => script);
  const client = createMerchant({
    url: gateway.url,
    certificate: certificatePem,
    key: keyPem,
    authority: pki.read('authority').certificatePem,
    platformAuthority: pki.read('signing-authority').certificatePem,
  });
  const { status, headers, body } = await client.call({ method: 'POST', path: '/v1/orders', body: BODY, idempotencyKey: 'k-1' });
  client.close();
  await gateway.close();
  const request = gateway.got[0];
  file('request.txt', `POST /v1/orders HTTP/1.1\r\n${linesOf(request?.rawHeaders ?? [])}\r\n\r\n`);
  file('body.json', request?.body);
  file('answer.txt', `HTTP/1.1 ${status} OK\r\n${linesOf(Object.entries(headers).flat())}\r\n\r\n`);
  file('answer.json', body);
}

before(async () => {
  pki = await makePki();
  folder = mkdtempSync(join(tmpdir(), 'hufu-verify-'));
  await capture({ status: 201, body: '{"orderNo":"A1","status":"CREATED"}' });
});
after(() => {
  pki.dispose();
  rmSync(folder, { recursive: true });
});

const verify = (args: readonly string[]) => runHufu(['verify', ...args], { environment: { HUFU_CERTS: pki.directory } });
const request = () => ['--headers', file('request.txt'), '--body', file('body.json'), '--merchant', NUMBER];
const answer = () => ['--answer-headers', file('answer.txt'), '--answer-body', file('answer.json')];

describe('hufu verify', () => {
  test('a request that verifies', async () => {
    assert.deepEqual(await verify(request()), { code: 0, stdout: 'the request verifies\n', stderr: '' });
  });
  test('--explain shows components, digest and base', async () => {
    const { code, stdout } = await verify([...request(), '--explain']);
    assert.equal(code, 0);
    assert.match(stdout, /^Components:\n {2}"@method": POST\n {2}"@target-uri": https:\/\/localhost:\d+\/v1\/orders\n/);
    assert.match(stdout, /Digest of the body \(16 bytes\):\n {2}computed {2}(sha-256=:\S+:)\n {2}claimed {3}\1\n/);
    assert.match(stdout, /Signature base \(\d+ bytes, sha-256 [0-9a-f]{64}\):\n"@method": POST\n/);
  });
  test('a changed body is named', async () => {
    const { code, stdout } = await verify([
      '--headers',
      file('request.txt'),
      '--body',
      file('other.json', `${BODY}\n`),
      '--merchant',
      NUMBER,
    ]);
    assert.deepEqual(
      [code, stdout],
      [
        1,
        'wrong: Content-Digest does not match the body: The body was sent with a line end (LF or CR LF) at its end, which was not signed.\nmistake: body-line-end-not-signed\n',
      ],
    );
  });
  test('the key of another merchant is named', async () => {
    const { code, stdout } = await verify([...request().slice(0, 4), '--merchant', '800000000000002']);
    assert.deepEqual([code, stdout], [1, 'wrong: the signature does not verify with this key (ecdsa-p256-sha256)\n']);
  });
  test('without a key says that the signature was not checked', async () => {
    const { code, stdout } = await verify(request().slice(0, 4));
    assert.equal(code, 0);
    assert.match(stdout, /the signature itself was not checked/);
  });
  test('as of a time gone by', async () => {
    const { code, stdout } = await verify([...request(), '--at', '2001-01-01T00:00:00Z']);
    assert.equal(code, 1);
    assert.match(stdout, /^wrong: created is \d+ s from now, at most 300 are allowed: Your clock differs.*\nmistake: clock-off\n$/);
  });
  test('an answer that verifies, with keys from the folder or from a saved list', async () => {
    assert.deepEqual(await verify([...request(), ...answer()]), { code: 0, stdout: 'the answer verifies\n', stderr: '' });
    const list = file('list.json', platformCertificates([['platform-ec', pki.read('signing/platform-ec')]]));
    assert.equal((await verify([...request(), ...answer(), '--platform-certificates', list])).code, 0);
  });
  test('an answer with another status, as JSON', async () => {
    const { code, stdout } = await verify([...request(), ...answer(), '--answer-status', '500', '--json']);
    assert.equal(code, 1);
    assert.deepEqual(JSON.parse(stdout).problems, ['the signature of the answer does not verify over this answer and our request']);
  });
  for (const [args, said] of [
    [['--headers', 'FOLDER/none.txt'], /none\.txt cannot be read \(ENOENT\)/],
    [['--headers', 'FOLDER/bare.txt'], /--method is missing/],
    [['--headers', 'FOLDER/bare.txt', '--method', 'GET'], /--url is missing/],
    [['--headers', 'FOLDER/bare.txt', '--method', 'GET', '--url', '/v1'], /--url is the full address/],
    [['--headers', 'FOLDER/request.txt', '--at', 'noon'], /--at is a time/],
    [['--headers', 'FOLDER/request.txt', '--answer-headers', 'FOLDER/answer.txt'], /name --merchant or --certificate/],
  ] as const) {
    test(`wrong use: ${args.join(' ')}`, async () => {
      file('bare.txt', 'Accept: x\n');
      const { code, stderr } = await verify(args.map((arg) => arg.replace('FOLDER', folder)));
      assert.match(stderr, said);
      assert.ok(code === 2 || /ENOENT/.test(stderr));
    });
  }
});

describe('header files', () => {
  test('with a start line, without one, with CR LF, with a body behind them', () => {
    assert.deepEqual(readHeaderFile('HTTP/1.1 200 OK\r\nA: b\r\n\r\n{"C": 1}'), { startLine: 'HTTP/1.1 200 OK', rawHeaders: ['A', 'b'] });
    assert.deepEqual(readHeaderFile('A:b:c\nD: \t e \n'), { rawHeaders: ['A', 'b:c', 'D', 'e'] });
    assert.throws(() => readHeaderFile('nonsense'), /not a header line/);
  });
  test('Host comes from the address when the headers have none', () => {
    const made = readRequestFiles({ method: 'GET', url: 'https://h:1/a?b', headers: file('h.txt', 'A: b\n') });
    assert.deepEqual(made, { method: 'GET', target: '/a?b', rawHeaders: ['Host', 'h:1', 'A', 'b'], body: Buffer.alloc(0) });
  });
});
