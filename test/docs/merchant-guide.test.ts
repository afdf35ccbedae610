import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { type System, startSystem } from '../support/system.ts';
import { bashOf, checkTools, readPage, runBash } from './pages.ts';

/** The page with curl and openssl alone, and the rest of the guide, as a reader would paste them, against a running system. */
describe('docs/merchant-guide.md', { timeout: 120_000 }, () => {
  const guide = readPage('docs/merchant-guide.md');
  const onePage = bashOf(guide.slice(guide.indexOf('## 10.')));
  let system: System;
  let directory: string;
  let environment: NodeJS.ProcessEnv;
  before(async () => {
    checkTools();
    directory = mkdtempSync(join(tmpdir(), 'hufu-guide-'));
    system = await startSystem();
    const { port } = new URL(system.gateways[0]?.url ?? '');
    environment = { HUFU_CERTS: system.pki.directory, HUFU_PORT_INTERNET: port, MINE: join(directory, 'mine'), TMPDIR: directory };
  });
  after(async () => {
    await system?.dispose();
    rmSync(directory, { recursive: true, force: true });
  });

  test('every block runs, in order, and shows what the page says', async () => {
    const { code, output } = await runBash(bashOf(guide), environment);
    assert.equal(code, 0, output);
    assert.match(output, /^[0-9a-f]{64}$/m, 'the keyid');
    assert.match(output, /^HTTP 201 {2}verified$/m, 'hufu call');
    assert.match(output, /"keyid": "platform-ec"/, 'platform certificates');
    assert.match(output, /^the request verifies$/m, 'hufu verify --explain');
    for (const line of [
      /^order: HTTP 201, verified\n\{"orderNo":"T-.*"status":"CREATED"/m,
      /^payment: HTTP 201, verified\n\{"paymentNo":.*"status":"SUCCEEDED"/m,
      /^retry: HTTP 201, verified, replayed: true$/m,
      /^query by another merchant: HTTP 404, verified\n\{"code":"ORDER_NOT_FOUND"/m,
      /^order of merchant 2: HTTP 201, verified$/m,
    ])
      assert.match(output, line);
  });

  test('the CSR that the page makes is well-formed and signed', () => {
    const said = execFileSync('openssl', ['req', '-in', join(directory, 'mine', 'merchant.csr'), '-noout', '-verify', '-subject'], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    assert.match(said, /801000000000001/);
  });

  const spoiled: readonly (readonly [why: string, spoil: string, said: RegExp])[] = [
    ['one byte more in the body', 'printf x >> "$W/answer.body"', /NOT verified: another body/],
    [
      'another body with a fitting digest',
      'printf x >> "$W/answer.body"; D=$(digest_of "$W/answer.body")\nsed -i "s|^[Cc]ontent-[Dd]igest: .*|content-digest: $D|" "$W/answer.headers"',
      /NOT verified: the signature/,
    ],
    ['another status', 'STATUS=200', /NOT verified: the signature/],
    ['an answer to another path', 'URI=$GATEWAY/v1/orders/other', /NOT verified: the signature/],
    ['an answer to another delivery of the same request', 'SIGNATURE=:AAAA:', /NOT verified: the signature/],
    ['a header of the contract taken away', 'sed -i "/^hufu-request-id/Id" "$W/answer.headers"', /NOT verified: the signature/],
    [
      'a component that is no longer covered',
      `sed -i 's/ "hufu-verified"//' "$W/answer.headers"`,
      /NOT verified: "hufu-verified" is not covered/,
    ],
    ['another key', 'PLATFORM_CERTIFICATE=$CERTS/signing/platform-rsa.crt', /NOT verified: the signature/],
    ['given to another certificate', 'THUMBPRINT=AAAA', /NOT verified: given to another certificate/],
    ['old', `sed -i 's/;created=[0-9]*/;created=1700000000/' "$W/answer.headers"`, /NOT verified: too old/],
    ['a refusal of an unsigned request', `sed -i 's/hufu-response/hufu-refusal/' "$W/answer.headers"`, /NOT verified: it is not an answer/],
  ];
  for (const [why, spoil, said] of spoiled) {
    test(`the page's verify refuses: ${why}`, async () => {
      const end = onePage.indexOf('verify && echo "order:');
      const program = `${onePage.slice(0, end)}\nverify\n${spoil}\nif verify; then echo TAKEN; else echo REFUSED; fi`;
      const { code, output } = await runBash(program, environment);
      assert.equal(code, 0, output);
      assert.match(output, /^REFUSED$/m);
      assert.match(output, said);
    });
  }

  test("the page's verify says of a genuine refusal that the request was not accepted", async () => {
    const end = onePage.indexOf('verify && echo "order:');
    const program = `${onePage.slice(0, end).replace('send POST', 'KEYID=unknown\nsend POST')}\necho "$STATUS"\nif verify; then echo TAKEN; else echo REFUSED; fi`;
    const { output } = await runBash(program, environment);
    assert.match(output, /^401\n[\s\S]*NOT verified: genuine, but our request was not accepted\nREFUSED$/m);
  });
});
