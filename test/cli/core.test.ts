import assert from 'node:assert/strict';
import { once } from 'node:events';
import { cpSync, existsSync, mkdirSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { ensureDevelopmentKeys } from '../../src/keys/development-keys.ts';
import { runHufu, startHufu } from '../support/process.ts';
import { checkGone, makeSite, PROJECT, type Site } from './site.ts';

async function siteWithKeys(t: TestContext): Promise<Site> {
  const site = await makeSite();
  t.after(site.dispose);
  ensureDevelopmentKeys(join(site.data, 'keys'));
  return site;
}

const statusOf = async (url: string): Promise<number> => (await fetch(url, { headers: { connection: 'close' } })).status;

describe('hufu core', () => {
  for (const [profile, ledger] of [
    ['production', 404],
    ['development', 200],
  ] as const) {
    test(`${profile}: serves nobody without an assertion, ${ledger === 200 ? 'shows' : 'hides'} its ledger, stops cleanly`, async (t) => {
      const site = await siteWithKeys(t);
      const core = await startHufu(['core', '--profile', profile], site.environment);
      t.after(() => core.end('SIGKILL'));
      const url = `http://127.0.0.1:${site.ports.core}`;
      assert.equal(core.stdout(), `core ready on ${url}\n`);
      assert.equal(await statusOf(`${url}/v1/orders/1`), 401);
      assert.equal(await statusOf(`${url}/ledger`), ledger);
      assert.equal(await statusOf(`${url}/faults`), 404);
      assert.equal(await core.end('SIGTERM'), 0);
      await checkGone(site);
    });
  }

  test('directories of a gateway.yaml count, when no others are named', async (t) => {
    const site = await siteWithKeys(t);
    const { HUFU_DATA: _, ...environment } = site.environment;
    const folder = join(site.directory, 'etc');
    cpSync(join(PROJECT, 'config'), folder, { recursive: true }); // its dataDirectory is ../data
    const core = await startHufu(['core'], { ...environment, HUFU_CONFIG: join(folder, 'gateway.yaml') });
    assert.equal(await core.end('SIGINT'), 0);
    assert.ok(existsSync(join(site.data, 'core.db')));
  });

  const REFUSED: readonly (readonly [why: string, args: string[], said: RegExp])[] = [
    ['faults in production', ['--faults'], /^hufu: the fault switch is for development only; [^\n]+\n$/],
    [
      'another address',
      ['--address', '0.0.0.0'],
      /^hufu: the reference core speaks plain HTTP and serves loopback only, not 0\.0\.0\.0; [^\n]+\n$/,
    ],
    ['no key of the gateway', ['--assertion-key', '/nowhere/assertion.pub'], /^hufu: [^\n]*\/nowhere\/assertion\.pub[^\n]*\n$/],
    ['a ledger that cannot be', ['--database', '/nowhere/core.db'], /^hufu: \/nowhere\/core\.db: cannot be opened[^\n]*\n$/],
  ];
  for (const [why, args, said] of REFUSED) {
    test(`refuses ${why} in a line`, async (t) => {
      const site = await siteWithKeys(t);
      const { code, stderr } = await runHufu(['core', ...args], site.environment);
      assert.match(stderr, said);
      assert.equal(code, 1);
    });
  }

  test('a port in use', async (t) => {
    const site = await siteWithKeys(t);
    const other = createServer().listen(site.ports.core, '127.0.0.1');
    t.after(() => other.close());
    await once(other, 'listening');
    const { code, stderr } = await runHufu(['core'], site.environment);
    assert.deepEqual(
      [code, stderr],
      [1, `hufu: core: 127.0.0.1:${site.ports.core} is in use; stop the other program or set HUFU_PORT_CORE\n`],
    );
  });

  test('a fresh machine without keys', async (t) => {
    const site = await makeSite();
    t.after(site.dispose);
    mkdirSync(site.data);
    const { code, stderr } = await runHufu(['core'], site.environment);
    assert.equal(code, 1);
    assert.match(stderr, /^hufu: [^\n]*keys\/assertion\.pub[^\n]*\n$/);
  });
});
