import assert from 'node:assert/strict';
import { globSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import type { MerchantClient } from '../../src/sdk/merchant.ts';
import type { PlatformList } from '../../src/sdk/platform-list.ts';
import { readBlocks, readPage, runBash } from '../docs/pages.ts';
import { eventually } from '../support/eventually.ts';
import { runHufu } from '../support/process.ts';
import { createOrder, GENEROUS, MERCHANT_1, MERCHANT_2, payOrder, type System, startSystem } from '../support/system.ts';

const EC = { method: 'GET', path: '/v1/platform-certificates' } as const;
const keyidOf = (headers: Readonly<Record<string, string>>): string => /;keyid="([^"]+)"/.exec(headers['signature-input'] ?? '')?.[1] ?? '';

type Row = { readonly keyid: string; readonly status: string; readonly use: string };
type Listed = { readonly certificates: readonly Row[]; readonly retired: readonly { readonly keyid: string }[] };

/** Merchants that pay without a pause, and every answer that did not verify. */
function startPaying(clients: readonly MerchantClient[]) {
  const failures: string[] = [];
  const keyids = new Set<string>();
  let paid = 0;
  let running = true;
  const work = async (client: MerchantClient) => {
    while (running) {
      const orderNo = await createOrder(client, 100);
      const answer = await payOrder(client, orderNo, 100);
      keyids.add(keyidOf(answer.headers));
      if (answer.verified && answer.outcome === 'succeeded') paid += 1;
      else failures.push(`${answer.status} ${answer.why}`);
    }
  };
  const all = clients.map((client) => work(client).catch((error: Error) => void failures.push(error.message)));
  return {
    paid: () => paid,
    keyids,
    failures,
    stop: async () => {
      running = false;
      await Promise.all(all);
    },
  };
}

/** docs/keys.md, command by command, while merchants pay. */
describe('a rotation of the key that signs answers', { timeout: 180_000 }, () => {
  let system: System;
  let paying: ReturnType<typeof startPaying>;
  const steps = readBlocks(readPage('docs/keys.md')).filter(({ language }) => language === 'bash');
  const kept: PlatformList[] = [];
  const byAuthority = () => ({ trustedKeys: [], platformAuthority: system.pki.read('signing-authority').certificatePem });
  const configFile = () => system.environment.HUFU_CONFIG as string;

  /** Runs the next block of the page; then everybody has paid some more. */
  const step = async (shown: RegExp): Promise<string> => {
    const { text } = steps.shift() as { text: string };
    const { code, output } = await runBash(text, system.environment);
    assert.equal(code, 0, output);
    assert.match(output, shown);
    const before = paying.paid();
    await eventually(() => assert.ok(paying.paid() > before + 5), 20_000);
    assert.deepEqual(paying.failures, []);
    return output;
  };
  /** Without the keys that requests are encrypted to. */
  const listed = async (): Promise<Listed> => {
    const { certificates, retired } = (await system.merchant(MERCHANT_1, byAuthority()).call(EC)).value as Listed;
    return { certificates: certificates.filter(({ use }) => use === 'sig'), retired };
  };

  before(async () => {
    system = await startSystem({ rules: GENEROUS });
    writeFileSync(configFile(), `# a comment that stays\n${readFileSync(configFile(), 'utf8')}`);
    paying = startPaying([
      system.merchant(MERCHANT_1, { ...byAuthority(), onPlatformKeys: (list) => kept.push(list) }),
      system.merchant(MERCHANT_1, { ...byAuthority(), platformName: '虎符' }),
      system.merchant(MERCHANT_2, byAuthority()),
    ]);
  });
  after(async () => {
    await paying?.stop();
    await system?.dispose();
  });

  test('announced: published, and nobody signs with it unless a merchant asks', async () => {
    await step(/gateway-1: in force/);
    assert.deepEqual(
      (await listed()).certificates.map(({ keyid, status }) => [keyid, status]),
      [
        ['platform-ec', 'current'],
        ['platform-rsa', 'current'],
        ['platform-2027', 'announced'],
      ],
    );
    assert.ok(!paying.keyids.has('platform-2027'));
    const merchant = system.merchant(MERCHANT_1, byAuthority());
    const hints = [
      ['hufu=();keyid="platform-2027"', 'platform-2027', 'the announced key'],
      ['hufu=();keyid="platform-rsa";alg="rsa-v1_5-sha256"', 'platform-rsa', 'a key with its algorithm'],
      ['hufu=();alg="rsa-v1_5-sha256"', 'platform-rsa', 'an algorithm'],
      ['hufu=();keyid="platform-2099"', 'platform-ec', 'a key that there is not'],
      ['sig1=();keyid="platform-rsa"', 'platform-ec', 'a label that is not ours'],
      ['hufu=(;keyid="platform-rsa"', 'platform-ec', 'no list'],
      ['hufu=();keyid="platform-rsa", hufu=();keyid="platform-2027"', 'platform-ec', 'our label twice'],
    ] as const;
    for (const [hint, keyid, why] of hints) {
      const answer = await merchant.call({ ...EC, headers: { 'Accept-Signature': hint } });
      assert.deepEqual([answer.accepted, keyidOf(answer.headers)], [true, keyid], why);
    }
    const uncovered = system.merchant(MERCHANT_1, {
      ...byAuthority(),
      rehearse: (signed) => ({ ...signed, rawHeaders: [...signed.rawHeaders, 'Accept-Signature', 'hufu=();keyid="platform-2027"'] }),
    });
    assert.equal(keyidOf((await uncovered.call(EC)).headers), 'platform-ec', 'a header that nobody signed chooses nothing');
  });

  test('the same keys as a JSON Web Key Set', async () => {
    const { value, accepted } = await system.merchant(MERCHANT_1, byAuthority()).call({ method: 'GET', path: '/v1/jwks' });
    assert.ok(accepted);
    const all = (value as { keys: readonly Record<string, unknown>[] }).keys;
    const keys = all.filter(({ use }) => use === 'sig');
    assert.deepEqual(
      keys.map(({ kid, kty, alg, use }) => [kid, kty, alg, use]),
      [
        ...[
          ['platform-ec', 'EC', 'ES256', 'sig'],
          ['platform-rsa', 'RSA', 'RS256', 'sig'],
        ],
        ['platform-2027', 'EC', 'ES256', 'sig'],
      ],
    );
    for (const key of all) assert.ok(!('d' in key), 'nothing private');
  });

  test('readiness names who has fetched it; giving it to all too early is refused, a wrong step too', async () => {
    const output = await step(/platform-2027: 50 % ready/);
    assert.match(output, new RegExp(`${MERCHANT_1}  20.*\\n${MERCHANT_2}  never`));
    const refused = [
      [['promote', 'platform-2027'], /was fetched by 50 % of the merchants it is for, and answers\.readinessPercent is 95/],
      [['promote', 'platform-2027', '--force'], /--force needs --reason/],
      [['promote', 'platform-9'], /there is no key platform-9/],
      [['retire', 'platform-ec', '--now'], /nothing was changed; .*\n.*must be an EC or Ed25519 key/],
      [['announce', 'platform-ec', '--certificate', 'x', '--key', 'y'], /each key has a name of its own/],
      [['announce', 'p3', '--certificate', 'signing/platform-rsa.crt', '--key', 'signing/platform-ec.key'], /nothing was changed/],
    ] as const;
    const before = readFileSync(configFile(), 'utf8');
    for (const [args, message] of refused) {
      const { code, stderr } = await runHufu(['keys', ...args], system.environment);
      assert.match(stderr, message);
      assert.notEqual(code, 0);
    }
    assert.equal(readFileSync(configFile(), 'utf8'), before);
  });

  test('current for a growing share, then for all: the former key is retiring; not one answer that does not verify', async () => {
    await step(/gateway-1: in force/);
    const { code, stderr } = await runHufu(['keys', 'promote', 'platform-2027', '--share', '5'], system.environment);
    assert.match(stderr, /a share only grows/);
    assert.equal(code, 1);
    await step(/gateway-1: in force/);
    await eventually(() => assert.ok(paying.keyids.has('platform-2027')), 20_000);
    assert.deepEqual(
      (await listed()).certificates.map(({ keyid, status }) => [keyid, status]),
      [
        ['platform-ec', 'retiring'],
        ['platform-rsa', 'current'],
        ['platform-2027', 'current'],
      ],
    );
    const answer = await system
      .merchant(MERCHANT_2, byAuthority())
      .call({ ...EC, headers: { 'Accept-Signature': 'hufu=();keyid="platform-ec"' } });
    assert.deepEqual([answer.accepted, keyidOf(answer.headers)], [true, 'platform-ec'], 'who still pins the former key can fetch the next');
  });

  test('retired: no longer published, refused also by who had pinned it', async () => {
    await step(/platform-ec +sig +ecdsa-p256-sha256 +retired/);
    const { certificates, retired } = await listed();
    assert.deepEqual(
      certificates.map(({ keyid }) => keyid),
      ['platform-rsa', 'platform-2027'],
    );
    assert.deepEqual(retired, [{ keyid: 'platform-ec' }]);
    const list = await system.merchant(MERCHANT_2, byAuthority()).platformKeys();
    assert.deepEqual(list?.retired, ['platform-ec']);
    assert.equal(await system.merchant(MERCHANT_2).platformKeys(), undefined, 'who pins only what is gone trusts no list any more');
  });

  test('everybody paid from beginning to end, the comments stayed, and the journal tells who did what and why', async () => {
    await paying.stop();
    assert.deepEqual(paying.failures, []);
    assert.ok(paying.paid() > 30, String(paying.paid()));
    assert.deepEqual([...paying.keyids].sort(), ['platform-2027', 'platform-ec']);
    assert.ok(kept.length >= 1);
    const text = readFileSync(configFile(), 'utf8');
    assert.match(text, /^# a comment that stays$/m);
    assert.match(text, /# Names that merchants call us by; add yours\./);
    const records = globSync(join(system.environment.HUFU_DATA as string, 'journal', 'gateway-1', '*')).map((file) =>
      statSync(file).isFile() ? readFileSync(file, 'utf8') : '',
    );
    const told = records
      .join('')
      .split('\n')
      .filter((line) => line.includes('"operator"') && !line.includes('"kind":"certificate"'));
    assert.match(told[0] ?? '', /answer key platform-2027 announced.*yearly rotation/);
    assert.equal(told.length, 6, 'one record for each step of the page, beside those of the authority');
    assert.match(told[4] ?? '', /promoted to 100 %.*one of two merchants pins keys.*platform-ec.*retiring/);
  });
});
