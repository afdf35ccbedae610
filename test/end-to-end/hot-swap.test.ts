import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { type ConnectionOptions, connect, type TLSSocket } from 'node:tls';
import { issueCertificate } from '../../src/certificates/issue.ts';
import { createKeyPair } from '../../src/certificates/key-pair.ts';
import { parseName } from '../../src/protocol/distinguished-name.ts';
import { eventually } from '../support/eventually.ts';
import type { Leaf, Pki } from '../support/pki.ts';
import { freePorts, runHufu } from '../support/process.ts';
import { connectRaw } from '../support/raw-client.ts';
import { startRedis, type TestRedis } from '../support/redis.ts';
import { type Gateway, GENEROUS, MERCHANT_1, MERCHANT_2, type System, startSystem } from '../support/system.ts';

const DAY_MS = 86_400_000;
/** The promise of 2 s, and time for a busy machine. */
const WITHIN_MS = 5_000;
const AUTHORITIES = (names: readonly (readonly [string, string])[]) =>
  `authorities:\n${names.map(([name, file]) => `  - { name: ${name}, certificates: [${file}] }`).join('\n')}\n`;
const BOTH = AUTHORITIES([
  ['merchants', 'merchants-authority.crt'],
  ['partners', 'signing-authority.crt'],
]);
const ONE = AUTHORITIES([['merchants', 'merchants-authority.crt']]);

/** A server certificate for localhost with a name of its own, so that one can tell which is shown. */
async function writeServer(pki: Pki, commonName: string): Promise<void> {
  const authority = pki.read('server-authority');
  const keys = await createKeyPair('p-256');
  const certificate = await issueCertificate({
    subject: parseName(`CN=${commonName}`),
    publicKey: keys.publicKey,
    issuer: { name: authority.name, keys: authority },
    notBeforeMs: Date.now() - DAY_MS,
    notAfterMs: Date.now() + DAY_MS,
    profile: 'server',
    hosts: ['localhost', '127.0.0.1'],
  });
  writeFileSync(join(pki.directory, 'server.crt'), certificate + authority.certificatePem);
  writeFileSync(join(pki.directory, 'server.key'), keys.privateKey.export({ type: 'pkcs8', format: 'pem' }));
}

for (const kind of ['sqlite', 'redis'] as const) {
  describe(`certificates, keys and trust anchors exchanged while ${kind === 'redis' ? 'two hosts on Redis' : 'two processes on SQLite'} run`, {
    timeout: 120_000,
  }, () => {
    let redis: TestRedis | undefined;
    let system: System;
    let doors: readonly number[] = [];
    let partner: Leaf;
    let leaf: Leaf;

    const file = (instance: string) => join(system.directory, `config-${instance}`, 'gateway.yaml');
    const trust = (authorities: string) => {
      for (const { instance } of system.gateways) {
        const text = readFileSync(file(instance), 'utf8').replace(/^authorities:\n( {2}- .*\n)+/m, authorities);
        writeFileSync(file(instance), text);
      }
    };
    const reload = async () => runHufu(['reload', '--reason', 'hot swap'], system.environment);
    const reloaded = async () => {
      const { code, stdout, stderr } = await reload();
      assert.equal(code, 0, stdout + stderr);
    };
    const options = (port: number, more: ConnectionOptions = {}): ConnectionOptions => ({
      host: '127.0.0.1',
      port,
      servername: 'localhost',
      ca: system.pki.read('authority').certificatePem,
      cert: leaf.certificatePem,
      key: leaf.keyPem,
      ...more,
    });
    const dial = async (port: number, more: ConnectionOptions = {}): Promise<TLSSocket> => {
      const socket = connect(options(port, more));
      await once(socket, 'secureConnect');
      return socket.on('error', () => undefined).resume();
    };
    /** The common names that the doors show to a new client. */
    const shown = async (): Promise<string[]> => {
      const names = await Promise.all(
        doors.map(async (port) => {
          const socket = await dial(port);
          const { subject } = new X509Certificate(socket.getPeerX509Certificate()?.raw ?? '');
          socket.destroy();
          return subject;
        }),
      );
      return [...new Set(names)];
    };

    before(async () => {
      const extra = await freePorts(4);
      const rows = (dedicated: number, balancer: number) =>
        [
          `  dedicated: { address: 127.0.0.1, port: ${dedicated}, networks: [127.0.0.0/8] }`,
          `  balancer: { address: 127.0.0.1, port: ${balancer}, balancerAuthorities: [merchants], balancers: [{ subject: "CN=lb" }] }`,
        ].join('\n');
      let count = 0;
      redis = kind === 'redis' ? await startRedis() : undefined;
      system = await startSystem({
        gateways: 2,
        ...(redis && { store: redis.url, hosts: true }),
        rules: GENEROUS,
        settings: `${BOTH}storeTimeoutMs: 5000\nanswers: { budgetPerSecond: 10000, budgetBurst: 100000 }`,
        configure: (folder) => {
          const at = join(folder, 'gateway.yaml');
          const [dedicated, balancer] = extra.slice(2 * count, 2 * count + 2) as [number, number];
          count += 1;
          const text = readFileSync(at, 'utf8')
            .replace('listeners:\n', `listeners:\n${rows(dedicated, balancer)}\n`)
            .replace(
              'port: 8443',
              'port: 8443\n    authorities: [merchants, partners]\n    handshakesPerSecond: 100000\n    handshakesBurst: 1000000',
            );
          writeFileSync(at, text);
          for (const number of [MERCHANT_1, MERCHANT_2]) {
            const merchant = join(folder, 'merchants', `${number}.yaml`);
            writeFileSync(merchant, readFileSync(merchant, 'utf8').replace('names:\n  - ', 'names:\n  - authority: merchants\n    '));
          }
        },
      });
      leaf = system.pki.read(`merchants/${MERCHANT_1}`);
      partner = await system.pki.issueMerchant({ authority: 'signing-authority' });
      doors = [...system.gateways.map(({ url }) => Number(new URL(url).port)), ...extra];
    });
    after(async () => {
      await system?.dispose();
      await redis?.dispose();
    });

    test('a session is resumed in the second process', async () => {
      const [first, second] = system.gateways as [Gateway, Gateway];
      const before = await connectRaw(system.pki, first.url, leaf);
      await before.ask();
      const resumed = await connectRaw(system.pki, second.url, leaf, before.session());
      assert.equal(resumed.isResumed, true);
      assert.equal((await resumed.ask()).problem.code, 'SIGNATURE_MISSING');
      for (const client of [before, resumed]) client.close();
    });

    test('A13: new certificates and keys on all listeners of both, while clients connect and ask: nobody fails, nobody is closed', async () => {
      const failures: string[] = [];
      let [running, handshakes] = [true, 0];
      const callers = Array.from({ length: 4 }, async (_, i) => {
        const { url } = system.gateways[i % 2] as Gateway;
        while (running) {
          try {
            const client = await connectRaw(system.pki, url, leaf);
            if ((await client.ask()).problem.code !== 'SIGNATURE_MISSING') failures.push('another answer');
            client.close();
            handshakes += 1;
          } catch (error) {
            failures.push(String(error));
          }
        }
      });
      const kept = await Promise.all(system.gateways.map(({ url }) => connectRaw(system.pki, url, leaf)));
      const [session] = await Promise.all(kept.map(async (client) => (await client.ask()) && client.session()));
      for (const name of ['second', 'third']) {
        await writeServer(system.pki, name);
        await reloaded();
        assert.deepEqual(await shown(), [`CN=${name}`]);
        const seen = handshakes;
        await eventually(() => assert.ok(handshakes > seen + 4), WITHIN_MS);
      }
      running = false;
      await Promise.all(callers);
      assert.deepEqual(failures, []);
      for (const client of kept) assert.equal((await client.ask()).problem.code, 'SIGNATURE_MISSING', 'opened before the first exchange');
      const resumed = await connectRaw(system.pki, (system.gateways[1] as Gateway).url, leaf, session);
      assert.equal(resumed.isResumed, true, 'sessions outlive a certificate');
      for (const client of [...kept, resumed]) client.close();
    });

    const BAD: readonly (readonly [() => void, RegExp, string])[] = [
      [
        () => copyFileSync(join(system.pki.directory, 'merchants', `${MERCHANT_1}.key`), join(system.pki.directory, 'server.key')),
        /server\.key is not the key of .*server\.crt/,
        'a key of another certificate',
      ],
      [() => writeFileSync(join(system.pki.directory, 'server.crt'), 'no certificate'), /server\.crt/, 'no certificate at all'],
    ];
    for (const [spoil, line, why] of BAD) {
      test(`${why}: refused with one line, by the command and by SIGHUP; the old ones stay in force everywhere`, async () => {
        const good = ['server.crt', 'server.key'].map((name) => [name, readFileSync(join(system.pki.directory, name))] as const);
        const before = await shown();
        spoil();
        const { code, stderr } = await reload();
        assert.equal(code, 1);
        assert.match(stderr, line);
        const { running } = system.gateways[0] as Gateway;
        const from = running().stderr().length;
        running().process.kill('SIGHUP');
        await eventually(() => assert.match(running().stderr().slice(from), /the old one stays in use/), WITHIN_MS);
        assert.match(running().stderr().slice(from), line);
        assert.deepEqual(await shown(), before);
        for (const [name, content] of good) writeFileSync(join(system.pki.directory, name), content);
      });
    }

    test('an anchor that is removed: its connections are closed, resumed ones too, its sessions are worth nothing; others go on', async (t) => {
      const partners = await Promise.all(system.gateways.map(({ url }) => connectRaw(system.pki, url, partner)));
      for (const client of partners) assert.equal((await client.ask()).problem.code, 'CERTIFICATE_UNBOUND', 'known, and no merchant');
      const [session] = partners.map((client) => client.session());
      const resumed = await connectRaw(system.pki, (system.gateways[1] as Gateway).url, partner, session);
      assert.equal(resumed.isResumed, true);
      const others = await Promise.all(system.gateways.map(({ url }) => connectRaw(system.pki, url, leaf)));
      for (const client of others) await client.ask();
      for (const { instance } of system.gateways)
        writeFileSync(
          file(instance),
          readFileSync(file(instance), 'utf8').replace('authorities: [merchants, partners]', 'authorities: [merchants]'),
        );
      trust(ONE);
      const startedMs = performance.now();
      const closed = Promise.all([...partners, resumed].map((client) => client.closed)).then(() => performance.now() - startedMs);
      await reloaded();
      const returnedMs = performance.now() - startedMs;
      t.diagnostic(
        `the command took ${returnedMs.toFixed(0)} ms; all connections were closed ${(await closed).toFixed(0)} ms after its start`,
      );
      assert.ok((await closed) - returnedMs < WITHIN_MS, 'the start of the command is no part of the promise');
      for (const client of others) assert.equal((await client.ask()).problem.code, 'SIGNATURE_MISSING');
      for (const { url } of system.gateways) {
        const stranger = connect(
          options(Number(new URL(url).port), { cert: partner.certificatePem, key: partner.keyPem, ...(session && { session }) }),
        );
        stranger.on('error', () => undefined).write('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n');
        let text = '';
        stranger.on('data', (chunk) => {
          text += chunk;
        });
        await once(stranger, 'close');
        assert.equal(text, '', 'a closed socket is all a stranger gets');
        const again = await connectRaw(system.pki, url, leaf, others[0]?.session());
        assert.equal(again.isResumed, false, 'tickets of before end for everybody');
        assert.equal((await again.ask()).problem.code, 'SIGNATURE_MISSING');
        again.close();
      }
      for (const client of others) client.close();
    });

    test('an anchor that is added: its certificates are known at once', async () => {
      for (const { instance } of system.gateways)
        writeFileSync(
          file(instance),
          readFileSync(file(instance), 'utf8').replace(
            'authorities: [merchants]\n    handshakes',
            'authorities: [merchants, partners]\n    handshakes',
          ),
        );
      trust(BOTH);
      await reloaded();
      for (const { url, running } of system.gateways) {
        const client = await connectRaw(system.pki, url, partner);
        assert.equal((await client.ask()).problem.code, 'CERTIFICATE_UNBOUND');
        client.close();
        assert.doesNotMatch(running().stderr(), /take effect at the next start only/);
      }
    });
  });
}
