import assert from 'node:assert/strict';
import { once } from 'node:events';
import { existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { eventually } from '../support/eventually.ts';
import { runHufu, startHufu } from '../support/process.ts';
import { startRedis } from '../support/redis.ts';
import { checkGone, directCall, hashesOf, makeSite, paste, printedCall, processesWith } from './site.ts';

const stateOf = async (environment: NodeJS.ProcessEnv): Promise<string | undefined> => {
  const { stdout } = await runHufu(['journal', 'list'], environment);
  return /^gateway-1 +(open|closed|ended uncleanly)/m.exec(stdout)?.[1];
};

describe('hufu up', () => {
  test('makes everything on a fresh machine, and reuses it all at the second start', async (t) => {
    const site = await makeSite({ withCertificates: false });
    t.after(site.dispose);
    const spawnedMs = performance.now();
    const first = await startHufu(['up'], site.environment, /^ready$/m);
    t.after(() => first.end('SIGKILL'));
    t.diagnostic(`ready ${(performance.now() - spawnedMs).toFixed(0)} ms after the start, with nothing there`);
    const { internet, status, core } = site.ports;
    for (const line of [
      `merchants   https://localhost:${internet}`,
      `core        http://127.0.0.1:${core}`,
      `status      http://127.0.0.1:${status}/healthz`,
      `store       sqlite:${join(site.data, 'store.db')}`,
      `data        ${site.data}`,
    ])
      assert.ok(first.stdout().includes(`  ${line}\n`), first.stdout());
    assert.equal(first.stdout().match(/certificate made/g)?.length, 11);

    const called = await paste(printedCall(first.stdout()));
    assert.equal(called.code, 0, called.stdout + called.stderr);
    assert.match(called.stdout, /^HTTP 201 {2}verified\n/);
    assert.deepEqual(await (await fetch(`http://127.0.0.1:${status}/livez`)).json(), { live: true });
    assert.equal(await stateOf(site.environment), 'open');

    assert.equal(await first.end('SIGTERM'), 0);
    assert.match(first.stdout(), /\nready\nstopping\n$/);
    await checkGone(site);
    assert.equal(await stateOf(site.environment), 'closed');

    const folders = [site.certificates, join(site.data, 'keys'), join(site.data, 'config')];
    const hashes = hashesOf(...folders);
    assert.ok(Object.keys(hashes).length > 25, Object.keys(hashes).join('\n'));
    const removed = join(site.data, 'config', 'merchants', '800000000000002.yaml');
    rmSync(removed);
    const second = await startHufu(['up'], site.environment, /^ready$/m);
    t.after(() => second.end('SIGKILL'));
    assert.doesNotMatch(second.stdout(), /certificate made/);
    const { [removed]: _, ...left } = hashes;
    assert.deepEqual(hashesOf(...folders), left, 'nothing is changed, and a merchant that was removed stays removed');
    assert.match((await paste(directCall(second.stdout()))).stdout, /^HTTP 201 {2}verified\n/);
    assert.equal(await second.end('SIGINT'), 0);
    await checkGone(site);
  });

  test('two copies run side by side: --data, and port 0 for any free one', async (t) => {
    const site = await makeSite();
    t.after(site.dispose);
    const any = {
      ...site.environment,
      HUFU_DATA: '',
      HUFU_CERTS: site.certificates,
      HUFU_PORT_INTERNET: '0',
      HUFU_PORT_STATUS: '0',
      HUFU_PORT_CORE: '0',
    };
    const copies = await Promise.all(
      ["one's", 'two'].map((name) => startHufu(['up', '--data', join(site.directory, name)], any, /^ready$/m)),
    );
    t.after(() => Promise.all(copies.map((copy) => copy.end('SIGKILL'))));
    const calls = await Promise.all(copies.map((copy) => paste(directCall(copy.stdout()))));
    for (const { code, stdout, stderr } of calls) assert.equal(code, 0, stdout + stderr);
    const cores = copies.map((copy) => /core +http:\/\/127\.0\.0\.1:(\d+)/.exec(copy.stdout())?.[1]);
    assert.equal(new Set([...cores, '0', undefined]).size, 4, `two real ports: ${cores}`);
    assert.deepEqual(await Promise.all(copies.map((copy) => copy.end('SIGTERM'))), [0, 0]);
    assert.deepEqual(processesWith(site.directory), []);
  });

  test('--config FILE: paths and directories of that file count', async (t) => {
    const site = await makeSite({ withCertificates: false });
    t.after(site.dispose);
    const { HUFU_DATA: _data, HUFU_CERTS: _certs, ...environment } = site.environment;
    // The copy that a first start made is as good as any other configuration.
    const first = await startHufu(['up'], site.environment, /^ready$/m);
    assert.equal(await first.end('SIGTERM'), 0);
    const file = join(site.data, 'config', 'gateway.yaml');
    const own = await startHufu(['up', '--config', file], environment, /^ready$/m);
    t.after(() => own.end('SIGKILL'));
    const data = join(site.data, 'data'); // the default of dataDirectory is ../data, seen from the file
    assert.ok(own.stdout().includes(`  data        ${data}\n`), own.stdout());
    assert.equal((await paste(directCall(own.stdout()))).code, 0);
    assert.equal(await stateOf({ ...environment, HUFU_CONFIG: file }), 'open');
    assert.equal(await own.end('SIGTERM'), 0);
    assert.ok(existsSync(join(data, 'journal', 'gateway-1')) && existsSync(join(site.data, 'certs', 'server.crt')));
  });

  test('REDIS_URL=redis://... makes it use Redis', async (t) => {
    const redis = await startRedis();
    t.after(redis.dispose);
    const site = await makeSite();
    t.after(site.dispose);
    const up = await startHufu(['up'], { ...site.environment, REDIS_URL: redis.url }, /^ready$/m);
    t.after(() => up.end('SIGKILL'));
    assert.match(up.stdout(), new RegExp(`^ {2}store {7}redis://${new URL(redis.url).host}$`, 'm'));
    assert.equal((await paste(directCall(up.stdout()))).code, 0);
    assert.notDeepEqual(await redis.client.keys(`${redis.prefix}*`), []);
    assert.equal(existsSync(join(site.data, 'store.db')), false);
    assert.equal(await up.end('SIGTERM'), 0);
  });
});

describe('hufu up, ended by force', () => {
  test('kill -9 ends the core too', async (t) => {
    const site = await makeSite();
    t.after(site.dispose);
    const up = await startHufu(['up'], site.environment, /^ready$/m);
    await up.end('SIGKILL');
    await eventually(() => checkGone(site));
    assert.equal(await stateOf(site.environment), 'ended uncleanly');
  });

  test('when the core dies, the gateway answers what it has, closes its journal, and says why it stopped', async (t) => {
    const site = await makeSite();
    t.after(site.dispose);
    const up = await startHufu(['up'], site.environment, /^ready$/m);
    t.after(() => up.end('SIGKILL'));
    const [core] = processesWith(join(site.data, 'core.db'));
    if (core === undefined) return t.skip('processes are looked up in /proc, which this system has not');
    const ended = once(up.process, 'close');
    process.kill(core, 'SIGKILL');
    const [code] = await ended;
    assert.equal(code, 1);
    assert.match(up.stderr(), /\nhufu: the reference core ended by itself \(SIGKILL\)[^\n]*\n$/);
    assert.equal(await stateOf(site.environment), 'closed');
    await checkGone(site);
  });
});
