import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { displayWidth } from '../../src/lib/table.ts';
import { eventually } from '../support/eventually.ts';
import { name } from '../support/hostile-certificate.ts';
import { issueBy } from '../support/ocsp.ts';
import type { Leaf } from '../support/pki.ts';
import { runHufu } from '../support/process.ts';
import { connectRaw } from '../support/raw-client.ts';
import { type Gateway, type System, startSystem } from '../support/system.ts';

const SHOP = '800000000000003';
const NAME = '示例茶行（北京）';
const SUBJECT = `CN=${NAME},O=虎符测试商户,C=CN`;

describe('a merchant with a Chinese name, bound by the name alone', { timeout: 60_000 }, () => {
  let system: System;
  let gateway: Gateway;
  let leaf: Leaf;
  before(async () => {
    system = await startSystem();
    gateway = system.gateways[0] as Gateway;
    // Far in the second half of its life, so that its end is told.
    leaf = await system.pki.issueMerchant({ subject: SUBJECT, notBeforeMs: Date.now() - 300 * 86_400_000 });
  });
  after(() => system?.dispose());

  const hufu = async (...args: string[]): Promise<string> => {
    const { code, stdout, stderr } = await runHufu(args, system.environment);
    assert.equal(code, 0, stderr);
    return stdout;
  };
  const codeOf = async (identity: Leaf) => {
    const client = await connectRaw(system.pki, gateway.url, identity);
    const { problem } = await client.ask();
    client.close();
    return problem;
  };

  test('before it is bound it is told its name as it is written', async () => {
    const { code, subject } = await codeOf(leaf);
    assert.deepEqual([code, subject], ['CERTIFICATE_UNBOUND', SUBJECT]);
  });

  test('bound, it is known; list, show, inventory and doctor print the name, and tables stay straight', async () => {
    const own = ['--name', NAME, '--subject', SUBJECT, '--signing-certificate', relative(system.pki.directory, leaf.certificate)];
    await hufu('merchant', 'add', SHOP, ...own, '--reason', '新商户');
    assert.equal((await codeOf(leaf)).code, 'SIGNATURE_MISSING');
    const lines = (await hufu('merchant', 'list')).trimEnd().split('\n');
    const column = (line: string): number => displayWidth(line.slice(0, line.search(/status|active/)));
    assert.equal(new Set(lines.map(column)).size, 1, lines.join('\n'));
    assert.ok(lines.some((line) => line.includes(NAME)));
    const shown = await hufu('merchant', 'show', SHOP);
    assert.match(shown, new RegExp(SUBJECT));
    assert.match(shown, /新商户/);
    assert.match(await hufu('inventory'), new RegExp(NAME));
    const files = ['--certificate', leaf.certificate, '--key', leaf.key, '--authority', system.pki.read('authority').certificate];
    assert.match(await hufu('doctor', '--url', gateway.url, ...files), new RegExp(`${SUBJECT}, serial `));
  });

  test('the log says by its name that its certificate ends soon, though no file of ours names it', async () => {
    await hufu('reload', '--reason', '到期');
    const { stderr } = gateway.running();
    await eventually(() => assert.match(stderr(), new RegExp(`"kind":"merchant_certificate","name":"${SUBJECT}, serial [^"]*"`)));
    assert.doesNotMatch(stderr(), /\\u[0-9a-f]{4}/, 'as characters, not as numbers');
  });

  test('the same name as a BMPString has another encoding and binds nobody: told so, not taken for the other', async () => {
    const bmp = Buffer.from(NAME, 'utf16le').swap16();
    const subject = name([
      ['C', 'CN'],
      ['O', '虎符测试商户'],
      ['CN', bmp, 0x1e],
    ]);
    const made = issueBy(system.pki.read('merchants-authority'), { subject });
    const { code, detail } = await codeOf({ ...leaf, certificatePem: made.certificatePem, keyPem: made.keyPem });
    assert.equal(code, 'CERTIFICATE_NAME');
    assert.match(String(detail), /UTF8String/);
    const [certificate, key] = ['bmp.crt', 'bmp.key'].map((file) => join(system.directory, file)) as [string, string];
    writeFileSync(certificate, made.certificatePem);
    writeFileSync(key, made.keyPem, { mode: 0o600 });
    const args = [
      '--url',
      gateway.url,
      '--certificate',
      certificate,
      '--key',
      key,
      '--authority',
      system.pki.read('authority').certificate,
    ];
    const { code: status, stdout } = await runHufu(['doctor', ...args], system.environment);
    assert.equal(status, 1);
    assert.match(stdout, /UTF8String/);
  });
});
