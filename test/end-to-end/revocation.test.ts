import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { appendFileSync, globSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import type { MerchantClient } from '../../src/sdk/merchant.ts';
import { makeCrl } from '../support/crl.ts';
import { eventually } from '../support/eventually.ts';
import type { Leaf } from '../support/pki.ts';
import { runHufu } from '../support/process.ts';
import { connectRaw, type RawClient } from '../support/raw-client.ts';
import { startRedis, type TestRedis } from '../support/redis.ts';
import { type Gateway, GENEROUS, MERCHANT_1, MERCHANT_2, type System, startSystem } from '../support/system.ts';

const CRLS =
  'authorities:\n  - name: merchants\n    certificates: [merchants-authority.crt]\n    crls: [merchants.crl]\nrevocation: { refreshSeconds: 1 }\nstoreTimeoutMs: 5000';
const BYSTANDERS = 100;
/** So long each rests after an answer: with less their requests are all that two cores do. */
const REST_MS = 1_000;
/** The promise of 2 s for what is not waited for by a command, and time for a busy machine; what it took is told. */
const WITHIN_MS = 5_000;

/** Merchant 2 on 100 connections of its own, half to each gateway, with a rest after each answer. */
function startBystanders(system: System) {
  const failures: string[] = [];
  let served = 0;
  let running = true;
  const work = async (client: MerchantClient) => {
    while (running) {
      const answer = await client.call({ method: 'GET', path: '/v1/platform-certificates' });
      if (answer.status === 200 && answer.verified) served += 1;
      else failures.push(`${answer.status} ${answer.code ?? ''} ${answer.why}`);
      await new Promise((resolve) => setTimeout(resolve, REST_MS));
    }
  };
  const all = Array.from({ length: BYSTANDERS }, (_, i) => work(system.merchant(MERCHANT_2, { gateway: i % 2 })));
  return {
    served: () => served,
    failures,
    stop: async () => {
      running = false;
      await Promise.all(all);
    },
  };
}

/** What merchant 1 has open: a connection in use at each gateway, and the session to resume at the other process. */
async function openVictims(system: System, leaf: Leaf): Promise<{ victims: RawClient[]; sessions: (Buffer | undefined)[] }> {
  const victims = await Promise.all(system.gateways.map(({ url }) => connectRaw(system.pki, url, leaf)));
  for (const victim of victims) assert.equal((await victim.ask()).problem.code, 'SIGNATURE_MISSING', 'an identity that is accepted');
  return { victims, sessions: victims.map((victim) => victim.session()) };
}

for (const kind of ['sqlite', 'redis'] as const) {
  describe(`what ends an identity, ${kind === 'redis' ? 'two hosts on Redis' : 'two processes on SQLite'}`, { timeout: 300_000 }, () => {
    let redis: TestRedis | undefined;
    let system: System;
    let bystanders: ReturnType<typeof startBystanders>;
    let watchers: RawClient[];
    let leaf: Leaf;

    const crl = () => join(system.pki.directory, 'merchants.crl');
    const authority = () => system.pki.read('merchants-authority');
    const hufu = async (...args: string[]) => runHufu(args, system.environment);
    const merchantFile = () => join(system.directory, 'config-gateway-1', 'merchants', `${MERCHANT_1}.yaml`);
    const done = async (...args: string[]) => {
      const { code, stdout, stderr } = await hufu(...args);
      assert.equal(code, 0, `${stdout}${stderr}`);
      return stdout;
    };
    /** On a fresh connection to each gateway, and on one that resumes a session of before. */
    const codesOf = async (sessions: readonly (Buffer | undefined)[] = []) => {
      const codes: unknown[] = [];
      for (const [i, { url }] of system.gateways.entries()) {
        for (const session of [undefined, ...(sessions[i] ? [sessions[i]] : [])]) {
          const client = await connectRaw(system.pki, url, leaf, session);
          assert.equal(client.isResumed, session !== undefined);
          codes.push((await client.ask()).problem.code);
          client.close();
        }
      }
      return [...new Set(codes)];
    };

    /** Merchant 2 on the connections that it has had from the beginning: closed ones would fail. */
    const watch = async () => {
      for (const watcher of watchers) assert.equal((await watcher.ask()).problem.code, 'SIGNATURE_MISSING');
    };

    before(async () => {
      redis = kind === 'redis' ? await startRedis({ own: true }) : undefined;
      system = await startSystem({ gateways: 2, rules: GENEROUS, settings: CRLS, ...(redis && { store: redis.url, hosts: true }) });
      leaf = system.pki.read(`merchants/${MERCHANT_1}`);
    });
    after(async () => {
      await bystanders?.stop();
      for (const watcher of watchers ?? []) watcher.close();
      await system?.dispose();
      await redis?.dispose();
    });

    test('without the list that is named nobody is accepted; it is taken when it comes', async () => {
      assert.deepEqual(await codesOf(), ['REVOCATION_UNKNOWN']);
      writeFileSync(crl(), makeCrl(authority()));
      await eventually(async () => assert.deepEqual(await codesOf(), ['SIGNATURE_MISSING']), WITHIN_MS);
      bystanders = startBystanders(system);
      const other = system.pki.read(`merchants/${MERCHANT_2}`);
      watchers = await Promise.all(system.gateways.map(({ url }) => connectRaw(system.pki, url, other)));
      await watch();
    });

    const ways = [
      // what                 how it is done                                                              code                    how it is undone
      [
        'suspended',
        () => ['merchant', 'suspend', MERCHANT_1, '--reason', '欺诈 case 17'],
        'MERCHANT_SUSPENDED',
        () => ['merchant', 'resume', MERCHANT_1],
      ],
      [
        'unbound',
        () => ['merchant', 'unbind', MERCHANT_1, '--certificate', `merchants/${MERCHANT_1}.crt`, '--reason', 'key lost'],
        'CERTIFICATE_UNBOUND',
        () => ['merchant', 'bind', MERCHANT_1, '--certificate', `merchants/${MERCHANT_1}.crt`],
      ],
      [
        'blocked by serial number',
        () => ['block', 'add', '--serial', new X509Certificate(leaf.certificatePem).serialNumber, '--reason', 'laptop stolen'],
        'CERTIFICATE_REVOKED',
        () => ['block', 'remove', '--serial', new X509Certificate(leaf.certificatePem).serialNumber, '--reason', 'found'],
      ],
    ] as const;
    for (const [what, how, code, undo] of ways) {
      test(`${what}: in force in both processes when the command returns, also for resumed sessions; open connections are closed`, async (t) => {
        const { victims, sessions } = await openVictims(system, leaf);
        const startedMs = performance.now();
        const closed = Promise.all(victims.map(({ closed }) => closed)).then(() => performance.now() - startedMs);
        assert.match(await done(...how()), /gateway-1: in force\ngateway-2: in force/);
        const returnedMs = performance.now() - startedMs;
        t.diagnostic(
          `the command took ${returnedMs.toFixed(0)} ms; all connections were closed ${(await closed).toFixed(0)} ms after its start`,
        );
        assert.deepEqual(await codesOf(sessions), [code]);
        await done(...undo());
        assert.deepEqual(await codesOf(), ['SIGNATURE_MISSING']);
        await watch();
      });
    }

    test('a certificate that its authority revokes: refused at both, with its name and number', async (t) => {
      const { victims, sessions } = await openVictims(system, leaf);
      const { serialNumber } = new X509Certificate(leaf.certificatePem);
      const writtenMs = performance.now();
      writeFileSync(crl(), makeCrl(authority(), { revoked: [serialNumber] }));
      await Promise.all(victims.map((victim) => victim.closed));
      t.diagnostic(`closed ${(performance.now() - writtenMs).toFixed(0)} ms after the list was written, looked at every second`);
      assert.deepEqual(await codesOf(sessions), ['CERTIFICATE_REVOKED']);
      const client = await connectRaw(system.pki, (system.gateways[0] as Gateway).url, leaf);
      const { status, problem } = await client.ask();
      client.close();
      assert.deepEqual([status, problem.subject, problem.serialNumber], [403, leaf.subject, serialNumber]);
      rmSync(crl());
      writeFileSync(crl(), makeCrl(authority(), { thisUpdateMs: Date.now() - 60_000 }));
      const stderr = () => (system.gateways[0] as Gateway).running().stderr();
      await eventually(() => assert.match(stderr(), /it is older than the one in use/), WITHIN_MS);
      assert.deepEqual(await codesOf(), ['CERTIFICATE_REVOKED'], 'an older list does not take it back');
      writeFileSync(crl(), makeCrl(authority(), { thisUpdateMs: Date.now() + 1000 }));
      await eventually(async () => assert.deepEqual(await codesOf(), ['SIGNATURE_MISSING']), WITHIN_MS);
    });

    test('the file keeps its comments; actor, reason, before and after are in the journals of both', async () => {
      assert.match(readFileSync(merchantFile(), 'utf8'), /^# yaml-language-server/);
      for (const { instance, dataDirectory } of system.gateways) {
        const files = globSync(join(dataDirectory, 'journal', instance, '*'));
        const text = files
          .filter((file) => !/lock|db/.test(basename(file)))
          .map((file) => readFileSync(file, 'utf8'))
          .join('');
        assert.match(text, /欺诈 case 17/);
        assert.match(text, /"before":"active","after":"suspended"/);
      }
    });

    test('a change that is wrong is refused before anything is written; a wrong file leaves the old configuration in use', async () => {
      const added = await hufu('merchant', 'add', '800000000000003', '--name', 'X', '--certificate', `merchants/${MERCHANT_1}.crt`);
      assert.equal(added.code, 1);
      assert.match(added.stderr, /nothing was changed.*already bound/s);
      assert.doesNotMatch(added.stderr, /hufu-check/);
      const good = readFileSync(merchantFile(), 'utf8');
      appendFileSync(merchantFile(), 'chanels: [internet]\n');
      const gateway = system.gateways[0] as Gateway;
      gateway.running().process.kill('SIGHUP');
      const metrics = async () => (await fetch(`${gateway.statusUrl}/metrics`)).text();
      await eventually(async () => assert.match(await metrics(), /hufu_reloads_total\{result="refused"\} 1\n/), WITHIN_MS);
      assert.deepEqual(await codesOf(), ['SIGNATURE_MISSING']);
      assert.equal((await hufu('reload')).code, 1);
      writeFileSync(merchantFile(), good);
      await done('reload');
    });

    test('twenty reloads under load, and all that went before: not one failed request of others, no connection of theirs closed', async () => {
      const gateways = system.gateways.map((gateway) => gateway.running().process);
      for (let i = 0; i < 20; i += 1) {
        for (const process of gateways) process.kill('SIGHUP');
        const seen = bystanders.served();
        await eventually(() => assert.ok(bystanders.served() > seen + BYSTANDERS / 10), WITHIN_MS);
      }
      assert.deepEqual(bystanders.failures, []);
      await watch();
    });

    if (kind === 'redis')
      test('a store that lost everything forgets no suspension, not even at the gateway whose own files do not say it', async () => {
        await done('merchant', 'suspend', MERCHANT_1, '--reason', 'before the loss');
        await (redis as TestRedis).client.flushall();
        const name = `${(redis as TestRedis).prefix}announcements`;
        const given = async () => assert.ok(Number(await (redis as TestRedis).client.hget(name, 'version')) > 0, 'given back to the store');
        await eventually(given, 20_000);
        assert.deepEqual(await codesOf(), ['MERCHANT_SUSPENDED']);
        const second = system.gateways[1] as Gateway;
        await second.kill('SIGKILL');
        await second.start();
        assert.deepEqual(await codesOf(), ['MERCHANT_SUSPENDED']);
      });
  });
}
