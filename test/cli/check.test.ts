import assert from 'node:assert/strict';
import { chmodSync, cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { ensureDevelopmentKeys } from '../../src/keys/development-keys.ts';
import { runHufu } from './run-hufu.ts';
import { makeSite, PROJECT, type Site } from './site.ts';

/** What `hufu up` leaves: certificates, keys, a copy of the configuration. */
async function preparedSite(t: TestContext): Promise<Site> {
  const site = await makeSite();
  t.after(site.dispose);
  cpSync(join(PROJECT, 'config'), join(site.data, 'config'), { recursive: true });
  ensureDevelopmentKeys(join(site.data, 'keys'));
  return site;
}

const check = ({ environment }: Site, ...args: string[]) =>
  runHufu(['check', ...args], { environment: environment as Record<string, string> });

function edit(site: Site, name: string, from: string, to: string): void {
  const file = join(site.data, 'config', name);
  const text = readFileSync(file, 'utf8');
  assert.ok(text.includes(from), `${name} has ${from}`);
  writeFileSync(file, text.replace(from, to));
}

const ODD_PLAN = [
  'plans.yaml',
  'of: amount, per: day, currency: CNY, max: 10000000',
  'of: amount, per: day, currency: CNY, max: 100',
] as const;

describe('hufu check', () => {
  test('says what it looked at, and changes nothing', async (t) => {
    const site = await preparedSite(t);
    const { code, stdout, stderr } = await check(site);
    assert.deepEqual([code, stderr], [0, '']);
    const config = join(site.data, 'config', 'gateway.yaml');
    assert.equal(stdout, `${config}: nothing wrong; 2 merchants, store sqlite:${join(site.data, 'store.db')}\n`);
    const json = await check(site, '--json');
    assert.equal(json.code, 0);
    const { version, ...rest } = JSON.parse(json.stdout);
    assert.deepEqual(rest, { config, problems: [], warnings: [], merchants: 2 });
    assert.match(version, /^[0-9a-f]{64}$/);
  });

  test('warns of what is probably not meant, with its place, and still passes', async (t) => {
    const site = await preparedSite(t);
    edit(site, ...ODD_PLAN);
    const { code, stdout } = await check(site);
    assert.equal(code, 0);
    assert.match(
      stdout,
      /^warning: \S+plans\.yaml:\d+:\d+: daily-amount \(100 fen a day\) is below what single allows at once \(5000000 fen\)\n/,
    );
    assert.match(stdout, /nothing wrong; 2 merchants/);
    const { warnings } = JSON.parse((await check(site, '--json')).stdout);
    assert.equal(warnings.length, 1);
    assert.deepEqual([warnings[0].file, warnings[0].line > 0], [join(site.data, 'config', 'plans.yaml'), true]);
  });

  test('operations without limits: a warning in development, an error in production', async (t) => {
    const site = await preparedSite(t);
    writeFileSync(
      join(site.data, 'config', 'plans.yaml'),
      'plans:\n  standard:\n    rules:\n      requests: { kind: rate, allow: 1, perMs: 1000, burst: 1 }\n',
    );
    const { code, stdout } = await check(site);
    assert.equal(code, 0);
    assert.match(
      stdout,
      /^warning: \S+800000000000001\.yaml:\d+:\d+: no amount limit of the plan or its overrides covers orders\.create; production refuses that$/m,
    );
    const production = await check(site, '--profile', 'production');
    assert.equal(production.code, 1);
    assert.match(
      production.stderr,
      /^hufu: \S+800000000000001\.yaml:\d+:\d+: no amount limit of the plan or its overrides covers payments\.create/m,
    );
  });

  test('tells everything at once: gateway.yaml, plans, merchants, files', async (t) => {
    const site = await preparedSite(t);
    edit(site, 'gateway.yaml', 'timeZone: Asia/Shanghai', 'timeZone: Asia/Shanghia');
    edit(site, 'merchants/800000000000001.yaml', 'plan: standard', 'plan: gold');
    edit(site, 'merchants/800000000000002.yaml', 'plan: standard', 'plam: standard');
    rmSync(join(site.certificates, 'signing', 'platform-ec.key'));
    const { code, stdout, stderr } = await check(site);
    assert.deepEqual([code, stdout], [1, '']);
    const wanted = [
      /gateway\.yaml:\d+:\d+: timeZone: /,
      /gateway\.yaml:\d+:\d+: .*platform-ec\.key/,
      /800000000000001\.yaml:\d+:\d+: .*gold/,
      /800000000000002\.yaml:\d+:\d+: unknown key "plam".* did you mean "plan"/,
    ];
    for (const line of wanted) assert.match(stderr, line);
    for (const line of stderr.trimEnd().split('\n')) assert.match(line, /^hufu: \S+\.yaml(:\d+:\d+)?: /);
    const json = await check(site, '--json');
    assert.equal(json.code, 1);
    const { problems } = JSON.parse(json.stdout);
    assert.equal(problems.length, stderr.trimEnd().split('\n').length);
    for (const { file, line, column, message } of problems) {
      assert.ok(file.startsWith(site.directory), file);
      assert.ok(line > 0 && column > 0 && message.length > 0);
    }
  });

  const KEYS: readonly (readonly [why: string, spoil: (keys: string) => void, profile: string, said: RegExp])[] = [
    ['a secret key that is missing', (keys) => rmSync(join(keys, 'answer-seal.key')), 'development', /answer-seal\.key/],
    [
      'a secret key that others may read',
      (keys) => chmodSync(join(keys, 'fingerprint.key'), 0o644),
      'production',
      /fingerprint\.key may be read by others \(mode 644\)[^\n]*chmod 600/,
    ],
    [
      'a public key of another pair',
      (keys) => cpSync(join(keys, 'assertion.pub'), join(keys, 'journal.pub')),
      'development',
      /journal\.pub/,
    ],
  ];
  for (const [why, spoil, profile, said] of KEYS) {
    test(`looks at the keys of the gateway too: ${why}`, async (t) => {
      const site = await preparedSite(t);
      spoil(join(site.data, 'keys'));
      const { code, stderr } = await check(site, '--profile', profile);
      assert.equal(code, 1);
      assert.match(stderr, said);
    });
  }

  test('a folder without merchants is a warning: nobody would be served', async (t) => {
    const site = await preparedSite(t);
    const merchants = join(site.data, 'config', 'merchants');
    rmSync(merchants, { recursive: true });
    mkdirSync(merchants);
    const { code, stdout } = await check(site);
    assert.equal(code, 0);
    assert.match(stdout, /^warning: .*merchants: there is no merchant in this folder/m);
  });

  test('without any configuration it says what to do', async (t) => {
    const site = await makeSite();
    t.after(site.dispose);
    const { code, stderr } = await check(site);
    assert.deepEqual(
      [code, stderr],
      [1, 'hufu: no gateway.yaml: name one with --config FILE or HUFU_CONFIG, or run `hufu up` once for a development copy\n'],
    );
  });

  test('--config is relative to where one stands, what is in it to the file', async (t) => {
    const site = await preparedSite(t);
    const { HUFU_DATA: _, ...environment } = site.environment;
    const ran = await runHufu(['check', '--config', 'config/gateway.yaml', '--json'], {
      cwd: site.data,
      environment: environment as Record<string, string>,
    });
    // dataDirectory is ../data by default, and there are no keys.
    assert.equal(ran.code, 1);
    assert.ok(JSON.parse(ran.stdout).problems[0].message.startsWith(join(site.data, 'data', 'keys')), ran.stdout);
  });
});
