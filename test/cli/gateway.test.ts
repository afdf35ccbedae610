import assert from 'node:assert/strict';
import { chmodSync, cpSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { DEVELOPMENT_MARKER, ensureDevelopmentKeys } from '../../src/keys/development-keys.ts';
import { eventually } from '../support/eventually.ts';
import { freePorts, runHufu, startHufu } from '../support/process.ts';
import { startRedis } from '../support/redis.ts';
import { makeProductionSite } from './production-site.ts';
import { checkGone, makeSite, PROJECT, type Site } from './site.ts';

const replace = (site: Site, from: string | RegExp, to: string): void => {
  const file = join(site.data, 'config', 'gateway.yaml');
  writeFileSync(file, readFileSync(file, 'utf8').replace(from, to));
};

async function production(t: TestContext, settings?: string): Promise<Site> {
  const site = await makeProductionSite(settings);
  t.after(site.dispose);
  return site;
}

const readyOf = async (port: number): Promise<unknown> => {
  const answer = await fetch(`http://127.0.0.1:${port}/readyz`, { headers: { connection: 'close' } });
  return { status: answer.status, ...((await answer.json()) as object) };
};

describe('hufu gateway in production', () => {
  test('starts with certificates and keys of its own, and stops cleanly', async (t) => {
    const site = await production(t);
    const gateway = await startHufu(['gateway'], site.environment);
    t.after(() => gateway.end('SIGKILL'));
    const { internet, status } = site.ports;
    assert.equal(gateway.stdout(), `gateway ready on https://localhost:${internet}, status on http://127.0.0.1:${status}\n`);
    assert.equal(((await readyOf(status)) as { ready: boolean }).ready, true);
    assert.equal(await gateway.end('SIGTERM'), 0);
    const { stdout } = await runHufu(['journal', 'list'], site.environment);
    assert.match(stdout, /^gateway-1 +closed/m);
    await checkGone(site);
  });

  const REFUSED: readonly (readonly [
    why: string,
    spoil: (site: Site) => unknown,
    said: readonly RegExp[],
    environment?: NodeJS.ProcessEnv,
  ])[] = [
    [
      'a TLS key that others may read',
      ({ certificates }) => chmodSync(join(certificates, 'server.key'), 0o640),
      [/gateway\.yaml:\d+:\d+: \S+server\.key may be read by others \(mode 640\); run: chmod 600 \S+server\.key$/],
    ],
    [
      'a secret key that others may read',
      ({ data }) => chmodSync(join(data, 'keys', 'answer-seal.key'), 0o604),
      [/answer-seal\.key may be read by others \(mode 604\); run: chmod 600/],
    ],
    [
      'keys that hufu up made',
      ({ data }) => writeFileSync(join(data, 'keys', DEVELOPMENT_MARKER), ''),
      [/development-only says that these keys are for development/],
    ],
    [
      'a plaintext core on another host',
      (site) => replace(site, 'http://127.0.0.1:7001', 'http://core.example:7001'),
      [/gateway\.yaml:\d+:\d+: core\.url: production speaks plain HTTP only to this host/],
    ],
    [
      'several instances on one SQLite file',
      (site) => replace(site, '[gateway-1]', '[gateway-1, gateway-2]'),
      [/gateway\.yaml:\d+:\d+: store: more than one instance needs redis:/],
    ],
    [
      'an instance that is not listed',
      () => undefined,
      [/instances: must list this instance, "gateway-7"/],
      { HUFU_INSTANCE: 'gateway-7' },
    ],
    [
      'operations without limits',
      ({ data }) =>
        writeFileSync(
          join(data, 'config', 'plans.yaml'),
          'plans:\n  standard:\n    rules:\n      requests: { kind: rate, allow: 1, perMs: 1000, burst: 1 }\n',
        ),
      [
        /801000000000001\.yaml:\d+:\d+: no amount limit [^\n]* covers orders\.create; production refuses that$/,
        /covers payments\.create; production refuses that$/,
      ],
    ],
    ['a core at any port', () => undefined, [/core\.url: a gateway cannot find its core at port 0/], { HUFU_PORT_CORE: '0' }],
  ];
  for (const [why, spoil, said, environment] of REFUSED) {
    test(`refuses ${why}`, async (t) => {
      const site = await production(t);
      await spoil(site);
      const { code, stdout, stderr } = await runHufu(['gateway'], { ...site.environment, ...environment });
      const lines = stderr.trimEnd().split('\n');
      assert.equal(lines.length, said.length, stderr);
      for (const [index, line] of said.entries()) assert.match(lines[index] as string, line);
      assert.deepEqual([code, stdout], [1, '']);
      await checkGone(site);
    });
  }

  test('refuses the whole development set, a line for each certificate', async (t) => {
    const site = await makeSite();
    t.after(site.dispose);
    cpSync(join(PROJECT, 'config'), join(site.data, 'config'), { recursive: true });
    ensureDevelopmentKeys(join(site.data, 'keys'));
    const { code, stderr } = await runHufu(['gateway'], site.environment);
    const lines = stderr.trimEnd().split('\n');
    assert.equal(lines.length, 8, stderr);
    for (const line of lines)
      assert.match(line, /\.yaml:\d+:\d+: .*is a development certificate; production needs one of your own authority$/);
    for (const name of [
      'server.crt',
      'merchants-authority.crt',
      'platform-ec.crt',
      'platform-rsa.crt',
      'platform-enc-ec.crt',
      'platform-enc-rsa.crt',
      '800000000000001.yaml',
      '800000000000002.yaml',
    ])
      assert.ok(stderr.includes(name), name);
    assert.equal(code, 1);
  });

  test('refuses a Redis that evicts', async (t) => {
    const redis = await startRedis({ own: true, settings: ['--maxmemory', '100mb', '--maxmemory-policy', 'allkeys-lru'] });
    t.after(redis.dispose);
    const site = await production(t);
    const { code, stderr } = await runHufu(['gateway'], { ...site.environment, HUFU_STORE: redis.url });
    assert.match(stderr, /^hufu: [^\n]*maxmemory-policy[^\n]*\n$/);
    assert.equal(code, 1);
    await checkGone(site);
  });

  test('without a gateway.yaml it says what to do', async (t) => {
    const site = await makeSite();
    t.after(site.dispose);
    const { code, stderr } = await runHufu(['gateway'], site.environment);
    assert.deepEqual(
      [code, stderr],
      [1, 'hufu: no gateway.yaml: name one with --config FILE or HUFU_CONFIG, or run `hufu up` once for a development copy\n'],
    );
  });
});

test('HUFU_INSTANCE: two gateways share one gateway.yaml and one store', async (t) => {
  const redis = await startRedis();
  t.after(redis.dispose);
  const site = await production(t);
  replace(site, '[gateway-1]', '[gateway-1, gateway-2]');
  const [internet, status] = await freePorts(2);
  const first = { ...site.environment, HUFU_STORE: redis.url };
  const second = { ...first, HUFU_INSTANCE: 'gateway-2', HUFU_PORT_INTERNET: String(internet), HUFU_PORT_STATUS: String(status) };
  const one = await startHufu(['gateway'], first);
  t.after(() => one.end('SIGKILL'));
  assert.equal(((await readyOf(site.ports.status)) as { status: number }).status, 503, 'it waits for the report of the other');
  const two = await startHufu(['gateway'], second);
  t.after(() => two.end('SIGKILL'));
  for (const port of [site.ports.status, status as number])
    await eventually(async () => assert.equal(((await readyOf(port)) as { status: number }).status, 200));
  assert.deepEqual(await Promise.all([one.end('SIGTERM'), two.end('SIGTERM')]), [0, 0]);
  const { stdout } = await runHufu(['journal', 'list'], site.environment);
  assert.match(stdout, /^gateway-1 +closed[\s\S]*^gateway-2 +closed/m);
});
