// How long merchants take to load, and whether looking one up gets slower with their number.
import { createPublicKey, generateKeyPairSync } from 'node:crypto';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { loadConfig } from '../src/config/load.ts';
import type { GatewayConfig } from '../src/config/schema.ts';
import { bindingKeyOf, parseName } from '../src/protocol/distinguished-name.ts';
import { keyidOf } from '../src/protocol/keyid.ts';
import { loadRegistry } from '../src/registry/load.ts';
import { makePki } from '../test/support/pki.ts';

const CONFIG = resolve(import.meta.dirname, '..', 'config');
const SIZES = [100, 10_000, 100_000] as const;
const LOOKUPS = 200_000;

const numberOf = (i: number): string => String(800_000_000_000_000 + i);
const subjectOf = (i: number): string => `CN=${numberOf(i)},OU=Merchants,O=虎符示例商户,C=CN`;

type Kind = 'yaml' | 'json';

/** Writes merchants, each with one binding by subject, one public key, and as many rules of its own as asked. */
function writeMerchants(folder: string, keys: string, count: number, rules: number, kind: Kind): void {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  for (let i = 0; i < count; i += 1) {
    const own = Array.from({ length: rules }, (_, at) => [
      `own-${at}`,
      { kind: 'total', of: 'amount', per: 'day', currency: 'CNY', max: 1_000_000 + i },
    ]);
    const merchant = {
      number: numberOf(i),
      name: '虎符示例商户',
      names: [{ subject: subjectOf(i) }],
      keys: [{ publicKey: join(keys, `${i}.pem`) }],
      plan: 'standard',
      ...(rules > 0 && { overrides: Object.fromEntries(own) }),
    };
    writeFileSync(join(folder, `${merchant.number}.${kind}`), kind === 'json' ? JSON.stringify(merchant) : yamlOf(merchant));
  }
}

function yamlOf({ number, name, names, keys, plan, overrides }: Record<string, unknown>): string {
  const [{ subject }] = names as [{ subject: string }];
  const [{ publicKey }] = keys as [{ publicKey: string }];
  const rows = Object.entries((overrides ?? {}) as Record<string, object>).map(([rule, terms]) => `  ${rule}: ${flowOf(terms)}\n`);
  return `number: '${number}'\nname: ${name}\nnames:\n  - subject: ${subject}\nkeys:\n  - publicKey: ${publicKey}\nplan: ${plan}\n${rows.length > 0 ? `overrides:\n${rows.join('')}` : ''}`;
}

const flowOf = (terms: object): string =>
  `{ ${Object.entries(terms)
    .map(([key, value]) => `${key}: ${value}`)
    .join(', ')} }`;

/** Makes as many keys as there are merchants. */
function writeKeys(folder: string, count: number): void {
  mkdirSync(folder, { recursive: true });
  for (let i = 0; i < count; i += 1) {
    const { publicKey } = generateKeyPairSync('ec', {
      namedCurve: 'P-256',
      publicKeyEncoding: { type: 'spki', format: 'pem' },
      privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
    });
    writeFileSync(join(folder, `${i}.pem`), publicKey);
  }
}

const firstKeyOf = (folder: string): string => keyidOf(createPublicKey(readFileSync(join(folder, '0.pem'))));

function timed<T>(what: string, step: () => T): T {
  const [startedMs, cpu] = [performance.now(), process.cpuUsage()];
  const result = step();
  const { user, system } = process.cpuUsage(cpu);
  console.log(`${what}: ${((performance.now() - startedMs) / 1000).toFixed(2)} s (CPU ${((user + system) / 1e6).toFixed(2)} s)`);
  return result;
}

function timeLookups(config: GatewayConfig, count: number, keyid: string): void {
  const { findBound, findMerchant, findKey } = loadRegistry(config);
  const keys = Array.from({ length: 1_000 }, (_, i) => bindingKeyOf('merchants', parseName(subjectOf((i * 7919) % count))));
  const startedMs = performance.now();
  let found = 0;
  for (let i = 0; i < LOOKUPS; i += 1) {
    const [binding] = findBound(keys[i % keys.length] as string);
    if (findMerchant(binding?.merchantNumber ?? '') && findKey(keyid)) found += 1;
  }
  const ns = ((performance.now() - startedMs) / LOOKUPS) * 1e6;
  if (found !== LOOKUPS) throw new Error(`${LOOKUPS - found} merchants were not found`);
  console.log(`${count} merchants: looking up binding, merchant and key takes ${ns.toFixed(0)} ns`);
}

/** Loads so many merchants from YAML and from JSON, then measures lookups at 100, 10,000 and 100,000. */
export async function run({ merchants = 0, rules = 0 }: Readonly<Record<string, number>>): Promise<void> {
  const pki = await makePki();
  const folder = mkdtempSync(join(tmpdir(), 'hufu-bench-'));
  try {
    cpSync(CONFIG, join(folder, 'config'), { recursive: true });
    const environment = { HUFU_CERTS: pki.directory, HUFU_DATA: join(folder, 'data') };
    const config = loadConfig({ file: join(folder, 'config', 'gateway.yaml'), environment, profile: 'development' });
    const keys = join(folder, 'keys');
    const most = Math.max(merchants, ...SIZES);
    console.log(`writing ${most} keys ...`);
    writeKeys(keys, most);
    loadRegistry(config); // operations are compiled once, whatever the number of merchants
    for (const kind of ['json', 'yaml'] as const) {
      writeMerchants(config.merchants, keys, merchants, rules, kind);
      timed(`loading ${merchants} merchants with ${rules} rules each from ${kind}`, () => loadRegistry(config));
    }
    for (const size of SIZES) {
      writeMerchants(config.merchants, keys, size, 0, 'json');
      timeLookups(config, size, firstKeyOf(keys));
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
    pki.dispose();
  }
}
