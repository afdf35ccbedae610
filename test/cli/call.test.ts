import assert from 'node:assert/strict';
import { cpSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { defaultAlgorithm } from '../../src/protocol/algorithms.ts';
import { findFieldValue } from '../../src/protocol/signature-base.ts';
import { explainRequest } from '../../src/sdk/explain.ts';
import { type Got, type Script, startTestGateway, type TestGateway } from '../sdk/test-gateway.ts';
import { makePki, type Pki } from '../support/pki.ts';
import { PROJECT, runHufu } from './run-hufu.ts';

const NUMBER = '800000000000001';
const PROBLEM = ['Content-Type', 'application/problem+json'];

let pki: Pki;
let gateway: TestGateway;
let folder: string;
let answer: (request: Got, index: number) => Script = () => ({});
before(async () => {
  pki = await makePki();
  gateway = await startTestGateway(pki, (request, index) => answer(request, index));
  folder = mkdtempSync(join(tmpdir(), 'hufu-call-'));
});
after(async () => {
  await gateway.close();
  pki.dispose();
  rmSync(folder, { recursive: true });
});

/** Runs `hufu call` against the test gateway, which answers by the script; gives the last request too. */
async function call(script: (request: Got, index: number) => Script, args: readonly string[], input?: string) {
  const from = gateway.got.length;
  answer = (request, index) => script(request, index - from);
  const environment = { HUFU_CERTS: pki.directory, HUFU_PORT_INTERNET: new URL(gateway.url).port };
  const ran = await runHufu(['call', ...args, '--merchant', NUMBER], { environment, ...(input !== undefined && { input }) });
  const got = gateway.got.slice(from);
  return { ...ran, got, last: got.at(-1) as Got };
}

const keyOfMerchant = () => {
  const { publicKey } = pki.read(`merchants/${NUMBER}`);
  return { publicKey, algorithm: defaultAlgorithm(publicKey) };
};

describe('hufu call', () => {
  test('signs what the gateway verifies, fills the template, and prints the verified answer', async () => {
    const data = `@${join(PROJECT, 'examples', 'order.json')}`;
    const { code, stdout, stderr, last } = await call(
      () => ({ status: 201, body: '{"orderNo":"A1","名":"茶"}' }),
      ['post', '/v1/orders', '--data', data],
    );
    assert.equal(code, 0, stderr);
    assert.match(
      stdout,
      /^HTTP 201 {2}verified\nrequest id [0-9a-f-]+\noutcome {4}succeeded\n\n\{\n {2}"orderNo": "A1",\n {2}"名": "茶"\n\}\n$/,
    );
    assert.match(stderr, /^Idempotency-Key: [A-Za-z0-9_-]{22}\n$/);
    assert.match(JSON.parse(last.body.toString()).orderNo, /^[0-9a-f]{32}$/);
    assert.equal(stderr, `Idempotency-Key: ${findFieldValue(last.rawHeaders, 'idempotency-key')}\n`);
    assert.deepEqual(explainRequest(last, { key: keyOfMerchant(), nowMs: Date.now() }).problems, []);
  });
  test('--json prints status, verified, why, headers, body and nothing else', async () => {
    const { code, stdout } = await call(() => ({}), ['GET', '/v1/orders/A1', '--json']);
    assert.equal(code, 0);
    const printed = JSON.parse(stdout);
    assert.deepEqual(Object.keys(printed), ['status', 'verified', 'why', 'headers', 'body']);
    assert.deepEqual([printed.status, printed.verified, printed.why, printed.body], [200, true, null, { ok: true }]);
    assert.equal(printed.headers['hufu-verified'], '?1');
  });
  test('a verified refusal exits 1', async () => {
    const script = { status: 403, headers: PROBLEM, body: '{"code":"LIMIT_SINGLE","outcome":"not_executed","retry":"fix_request"}' };
    const { code, stdout } = await call(() => script, ['POST', '/v1/orders', '--data', '{}']);
    assert.equal(code, 1);
    assert.match(stdout, /^HTTP 403 {2}verified\nrequest id .*\ncode {7}LIMIT_SINGLE\noutcome {4}failed\nretry {6}fix_request\n/);
  });
  test('an answer that does not verify exits 1 and says why', async () => {
    const { code, stdout } = await call(() => ({ unsigned: true }), ['GET', '/v1/orders/A1', '--json']);
    const { verified, why } = JSON.parse(stdout);
    assert.deepEqual([code, verified, why], [1, false, 'the answer does not carry exactly one signature with the label hufu']);
  });
  test('--tamper-body-after-signing changes one byte that the digest does not know', async () => {
    const refuse: Script = { status: 401, verified: '?0', headers: PROBLEM, body: '{"code":"SIGNATURE_MISMATCH"}' };
    const args = ['POST', '/v1/orders', '--data', '{"amountFen":1}', '--tamper-body-after-signing', '--json'];
    const { code, stdout, last } = await call(() => refuse, args);
    assert.equal(last.body.toString(), '{"amountFen":2}');
    assert.match(
      explainRequest(last, { key: keyOfMerchant(), nowMs: Date.now() }).problems.join(),
      /^Content-Digest does not match the body/,
    );
    const { verified, why } = JSON.parse(stdout);
    assert.deepEqual([code, verified], [1, true], 'the refusal itself verifies');
    assert.match(why, /did not accept our signature/);
  });
  test('--replay sends the very same bytes twice', async () => {
    const { got } = await call(() => ({}), ['POST', '/v1/orders', '--data', '{}', '--replay']);
    assert.equal(got.length, 2);
    assert.deepEqual(got[1], got[0]);
  });
  test('--until-final keeps the key', async () => {
    const unknown: Script = {
      status: 504,
      headers: [...PROBLEM, 'Retry-After', '0'],
      body: '{"outcome":"unknown","retry":"query_first","code":"OUTCOME_UNKNOWN"}',
    };
    const script = (_: Got, index: number): Script => (index === 0 ? unknown : { status: 201 });
    const { code, got, stderr } = await call(script, ['POST', '/v1/orders', '--data', '{}', '--key', 'mine', '--until-final']);
    assert.equal(code, 0);
    assert.deepEqual(
      got.map(({ rawHeaders }) => findFieldValue(rawHeaders, 'idempotency-key')),
      ['mine', 'mine'],
    );
    assert.match(stderr, /^not final yet \(OUTCOME_UNKNOWN\); the same key again in 0\.0 s\n$/);
  });
  test('takes the body from standard input, headers and another certificate', async () => {
    const other = pki.read('merchants/800000000000002').certificate;
    const args = ['POST', '/v1/orders', '--data', '@-', '--header', 'X-Trace: a', '--certificate', other];
    const { code, last } = await call(() => ({}), args, '{"at":"{{now}}"}');
    assert.equal(code, 0);
    assert.match(last.body.toString(), /^\{"at":"2\d{3}-\d\d-\d\dT[\d:.]+Z"\}$/);
    assert.equal(findFieldValue(last.rawHeaders, 'x-trace'), 'a');
    assert.match(
      findFieldValue(last.rawHeaders, 'signature-input') ?? '',
      new RegExp(`"x-trace".*keyid="${pki.read('merchants/800000000000002').keyid}"`),
    );
  });
  test('control characters of a body never reach the terminal', async () => {
    const { stdout } = await call(() => ({ headers: ['Content-Type', 'text/plain'], body: 'a\u001b[2Jb' }), ['GET', '/v1/x']);
    assert.match(stdout, /a\\u\{1b\}\[2Jb/);
  });
  test('looks for certs in the working folder', async () => {
    cpSync(pki.directory, join(folder, 'certs'), { recursive: true });
    answer = () => ({});
    const { code, stderr } = await runHufu(['call', 'GET', '/v1/x', '--merchant', NUMBER, '--url', gateway.url], { cwd: folder });
    assert.equal(code, 0, stderr);
  });
});

describe('hufu call, used wrongly', () => {
  const cases: readonly [args: string[], code: number, said: RegExp][] = [
    [['GET', 'v1/x'], 2, /^hufu: PATH begins with "\/"/],
    [['GET', '/v1/x', '--header', 'nocolon'], 2, /^hufu: --header takes/],
    [['GET', '/v1/x', '--algorithm', 'none'], 2, /^hufu: --algorithm is one of rsa-v1_5-sha256/],
    [['GET', '/v1/x', '--timeout-ms', 'soon'], 2, /^hufu: --timeout-ms/],
    [['GET', '/v1/x', '--data', '{}'], 1, /^hufu: a GET has no body/],
    [
      ['GET', '/v1/x', '--certs', '/nowhere'],
      1,
      /^hufu: \/nowhere\/merchants\/800000000000001\.crt cannot be read \(ENOENT\): run `npx hufu up`/,
    ],
    [['POST', '/v1/x', '--data', '@/nowhere.json'], 1, /^hufu: \/nowhere\.json cannot be read/],
    [['GET', '/v1/x', '--signing-key', 'FOLDER/no.pem'], 1, /^hufu: `signingKey` is not the PEM text of a private key/],
  ];
  for (const [args, code, said] of cases) {
    test(args.slice(1).join(' '), async () => {
      writeFileSync(join(folder, 'no.pem'), 'no key');
      const ran = await call(
        () => ({}),
        args.map((arg) => arg.replace('FOLDER', folder)),
      );
      assert.match(ran.stderr.replace(/^Idempotency-Key: .*\n/, ''), said);
      assert.deepEqual([ran.code, ran.stderr.trim().split('\n').length, ran.got.length], [code, 1, 0]);
    });
  }
});
