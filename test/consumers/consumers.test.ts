import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { type Middlebox, startMiddlebox } from '../support/middlebox.ts';
import { freshOrderNo, MERCHANT_1, MERCHANT_2, type System, startSystem } from '../support/system.ts';
import { type Consumer, compile, findNodes, installConsumer, installNodeTypes, packSdk, runFile } from './consumer.ts';

/** Each project with the file it runs and the merchant it pays as. */
const PROJECTS = [
  { name: 'esm-javascript', file: 'pay.js', merchant: MERCHANT_1 },
  { name: 'commonjs', file: 'pay.js', merchant: MERCHANT_2 },
  { name: 'esm-typescript', file: 'out/pay.js', merchant: MERCHANT_2 },
] as const;

const GENUINE = { verified: true, accepted: true, outcome: 'succeeded', why: null };
const FORGED = {
  verified: false,
  accepted: false,
  outcome: 'unknown',
  is: null,
  why: 'Content-Digest does not match the body of the answer',
};

/** What each program prints: an order, its payment, a query, and a query whose answer somebody changed. */
const PRINTED = [
  { what: 'order', status: 201, ...GENUINE, is: 'CREATED' },
  { what: 'payment', status: 201, ...GENUINE, is: 'SUCCEEDED' },
  { what: 'query', status: 200, ...GENUINE, is: 'PAID' },
  { what: 'forged', status: 200, ...FORGED },
];

describe('the packed SDK in projects of others', { timeout: 120_000 }, () => {
  let system: System;
  let folder: string;
  let tarball: string;
  let files: readonly string[];
  const consumers = new Map<string, Consumer>();
  const forgers = new Map<string, Middlebox>();
  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'hufu-consumers-'));
    system = await startSystem();
    ({ tarball, files } = await packSdk(folder));
    await Promise.all(PROJECTS.map(async ({ name }) => consumers.set(name, await installConsumer(name, folder, tarball))));
    for (const number of [MERCHANT_1, MERCHANT_2]) {
      const forger = await startMiddlebox(system.pki, system.gateways[0]?.url ?? '', number, async (request, deliver) => {
        const answer = await deliver(request);
        return { ...answer, body: Buffer.from(answer.body.toString().replace('PAID', 'FREE')) };
      });
      forgers.set(number, forger);
    }
  });
  after(async () => {
    for (const forger of forgers.values()) await forger.close();
    await system?.dispose();
    rmSync(folder, { recursive: true, force: true });
  });

  test('a strict TypeScript project compiles, ES module and CommonJS, and the compiler refuses what is wrong', async () => {
    const consumer = consumers.get('esm-typescript') as Consumer;
    installNodeTypes(consumer);
    await compile(consumer);
  });

  for (const { path, version } of findNodes()) {
    for (const { name, file, merchant } of PROJECTS) {
      test(`${name} pays under Node ${version} and refuses a changed answer`, async () => {
        const { folder: cwd } = consumers.get(name) as Consumer;
        const environment = { GATEWAY: system.gateways[0]?.url, FORGER: forgers.get(merchant)?.url, CERTS: system.pki.directory };
        const printed = await runFile(path, join(cwd, file), { cwd, environment: { ...environment, ORDER_NO: freshOrderNo() } });
        const lines = printed
          .trim()
          .split('\n')
          .map((line) => JSON.parse(line) as object);
        assert.deepEqual(lines, PRINTED);
      });
    }
  }

  test('a program that never ends is killed, also when another process holds its output', async () => {
    const consumer = consumers.get('commonjs') as Consumer;
    const child = "require('node:child_process').spawn(process.execPath, ['-e', 'setTimeout(() => {}, 20000)'], { stdio: 'inherit' });";
    const file = consumer.write('hangs.cjs', `${child}\nsetInterval(() => {}, 1000);\n`);
    await assert.rejects(runFile(process.execPath, file, { cwd: consumer.folder, timeout: 500 }), { killed: true });
  });

  test('Node 20 and Node 26 are both among them', () => {
    assert.deepEqual(
      findNodes().map(({ version }) => version.split('.')[0]),
      ['v20', 'v26'],
    );
  });

  test('imports nothing but Node and itself, names no source file, and brings no map that leads nowhere', () => {
    const installed = join((consumers.get('commonjs') as Consumer).folder, 'node_modules', 'hufu-sdk');
    const code = files.filter((file) => /\.(js|ts)$/.test(file));
    assert.ok(code.length > 20);
    for (const file of code) {
      const text = readFileSync(join(installed, file), 'utf8');
      for (const [, name] of text.matchAll(/(?:from|require\(|import\()\s*['"]([^'"]+)['"]/g))
        assert.match(name as string, /^(node:[a-z/]+|\.{1,2}\/[a-z0-9./-]+\.js)$/, file);
      assert.doesNotMatch(text, /sourceMappingURL/, file);
    }
  });

  test('links between the pages of the package hold', () => {
    const installed = join((consumers.get('commonjs') as Consumer).folder, 'node_modules', 'hufu-sdk');
    const pages = files.filter((file) => file.endsWith('.md'));
    assert.ok(pages.length >= 6);
    for (const page of pages) {
      const text = readFileSync(join(installed, page), 'utf8').replace(/^```[\s\S]*?^```$/gm, '');
      for (const [, target = ''] of text.matchAll(/\]\(([^)\s#]+)/g)) {
        if (!/^https?:/.test(target)) assert.ok(files.includes(join(dirname(page), target)), `${page}: ${target}`);
      }
    }
  });

  test('the package is whole: manifest, licence, page, the same modules in both formats', () => {
    const installed = join((consumers.get('commonjs') as Consumer).folder, 'node_modules', 'hufu-sdk');
    const manifest = JSON.parse(readFileSync(join(installed, 'package.json'), 'utf8'));
    assert.deepEqual([manifest.dependencies, manifest.scripts, manifest.license], [undefined, undefined, 'Apache-2.0']);
    const named = [manifest.main, manifest.types, ...(JSON.stringify(manifest.exports).match(/\.\/[\w./]+/g) ?? [])] as string[];
    for (const file of named) assert.ok(files.includes(file.replace('./', '')), file);
    const modulesOf = (format: string) => files.filter((file) => file.startsWith(`${format}/`)).map((file) => file.slice(format.length));
    assert.deepEqual(modulesOf('esm'), modulesOf('cjs'));
    const other = files.filter(
      (file) => !/^(esm|cjs)\/((sdk|lib|protocol)\/([a-z0-9-]+\/)?[a-z0-9-]+\.(d\.ts|js)|package\.json)$/.test(file),
    );
    assert.deepEqual(other.filter((file) => !file.startsWith('sdk/')).sort(), ['LICENSE', 'README.md', 'package.json']);
  });
});
