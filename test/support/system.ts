import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { ensureDevelopmentKeys } from '../../src/keys/development-keys.ts';
import type { Fault } from '../../src/reference-core/faults.ts';
import type { Figures } from '../../src/reference-core/ledger/figures.ts';
import { createMerchant, type MerchantClient, type MerchantOptions } from '../../src/sdk/merchant.ts';
import { makePki, type Pki } from './pki.ts';
import { freePorts, type Running, startHufu } from './process.ts';

const PROJECT = resolve(import.meta.dirname, '..', '..');

export const MERCHANT_1 = '800000000000001';
export const MERCHANT_2 = '800000000000002';
export const RICH_PAYER = '6200000000000001';

/** Rules of the plan `standard` that a test wants instead of the shipped ones. */
export const GENEROUS = `
      requests: { kind: rate, allow: 100000, perMs: 1000, burst: 100000 }
      single: { kind: amount, currency: CNY, minFen: 1, maxFen: 5000000 }
      daily-amount: { kind: total, of: amount, per: day, currency: CNY, max: 100000000 }`;

export type SystemOptions = {
  /** Default: SQLite in the data directory. */
  readonly store?: string;
  readonly gateways?: number;
  /** Each gateway has a data directory of its own, as on hosts of their own; only the keys in it are the same. Needs Redis. */
  readonly hosts?: boolean;
  /** YAML rows below `rules:`. */
  readonly rules?: string;
  /** Lines added to gateway.yaml. */
  readonly settings?: string;
  /** Another core than the reference core, on the port that the gateways call. */
  readonly core?: (port: number) => Promise<System['core']>;
  /** Changes a gateway's configuration folder before it starts: more merchants, other operations. */
  readonly configure?: (folder: string, pki: Pki) => void | Promise<void>;
};

/** One gateway process. */
export type Gateway = {
  readonly url: string;
  readonly statusUrl: string;
  readonly instance: string;
  /** Where its journal, keys and revocation lists are. */
  readonly dataDirectory: string;
  readonly running: () => Running;
  readonly kill: (signal?: NodeJS.Signals) => Promise<number | null>;
  readonly start: () => Promise<void>;
};

/** Gateways, core, certificates and merchants, all real, in a temporary directory of their own. */
export type System = {
  readonly directory: string;
  readonly pki: Pki;
  readonly gateways: readonly Gateway[];
  readonly environment: NodeJS.ProcessEnv;
  readonly core: { readonly url: string; readonly kill: () => Promise<void>; readonly start: () => Promise<void> };
  readonly figures: () => Promise<Figures>;
  readonly fault: (fault: Fault) => Promise<void>;
  /** A merchant's client on the first gateway, or another. Closed by dispose. */
  readonly merchant: (number?: string, options?: Partial<MerchantOptions> & { gateway?: number }) => MerchantClient;
  readonly dispose: () => Promise<void>;
};

function writeConfig(directory: string, instance: string, count: number, options: SystemOptions): string {
  const folder = join(directory, `config-${instance}`);
  cpSync(join(PROJECT, 'config'), folder, { recursive: true });
  const names = Array.from({ length: count }, (_, i) => `gateway-${i + 1}`).join(', ');
  const text = readFileSync(join(folder, 'gateway.yaml'), 'utf8')
    .replace('instance: gateway-1', `instance: ${instance}`)
    .replace('instances: [gateway-1]', `instances: [${names}]`);
  writeFileSync(join(folder, 'gateway.yaml'), `${text}\nflood: { perSecond: 100000, burst: 100000 }\n${options.settings ?? ''}\n`);
  if (options.rules) writeFileSync(join(folder, 'plans.yaml'), `plans:\n  standard:\n    rules:${options.rules}\n`);
  return join(folder, 'gateway.yaml');
}

/** Starts everything. The core may be told to misbehave. */
export async function startSystem(options: SystemOptions = {}): Promise<System> {
  const directory = mkdtempSync(join(tmpdir(), 'hufu-system-'));
  const pki = await makePki();
  const count = options.gateways ?? 1;
  const [corePort, ...ports] = (await freePorts(1 + 2 * count)) as [number, ...number[]];
  const environment: NodeJS.ProcessEnv = {
    HUFU_DATA: join(directory, 'data'),
    HUFU_CERTS: pki.directory,
    HUFU_PORT_CORE: String(corePort),
  };
  if (options.store) environment.HUFU_STORE = options.store;
  mkdirSync(join(directory, 'data'), { mode: 0o700 });
  ensureDevelopmentKeys(join(directory, 'data', 'keys'));
  const core = await (options.core?.(corePort) ?? createCoreProcess(corePort, environment));
  const gateways: Gateway[] = [];
  for (let i = 0; i < count; i += 1) {
    const instance = `gateway-${i + 1}`;
    const file = writeConfig(directory, instance, count, options);
    await options.configure?.(dirname(file), pki);
    const dataDirectory = options.hosts && i > 0 ? join(directory, `data-${instance}`) : join(directory, 'data');
    if (options.hosts && i > 0) {
      mkdirSync(dataDirectory, { mode: 0o700 });
      cpSync(join(directory, 'data', 'keys'), join(dataDirectory, 'keys'), { recursive: true });
    }
    const own = { ...environment, HUFU_DATA: dataDirectory };
    const [internet, status] = ports.slice(2 * i, 2 * i + 2) as [number, number];
    gateways.push(createGateway({ instance, file, internet, status, environment: own, dataDirectory }));
  }
  const clients: MerchantClient[] = [];
  const dispose = async () => {
    for (const client of clients) client.close();
    await Promise.all(gateways.map((gateway) => gateway.kill('SIGKILL')));
    await core.kill();
    rmSync(directory, { recursive: true, force: true });
    pki.dispose();
  };
  try {
    await Promise.all(gateways.map((gateway) => gateway.start()));
    await Promise.all(gateways.map((gateway) => untilReady(gateway)));
  } catch (error) {
    await dispose();
    throw error;
  }
  return {
    directory,
    pki,
    gateways,
    environment: { ...environment, HUFU_CONFIG: join(directory, 'config-gateway-1', 'gateway.yaml') },
    core,
    figures: async () => (await fetch(`${core.url}/ledger`)).json() as Promise<Figures>,
    fault: async (fault) => {
      const response = await fetch(`${core.url}/faults`, {
        method: 'PUT',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(fault),
      });
      if (!response.ok) throw new Error(`the fault was not set: ${response.status} ${await response.text()}`);
    },
    merchant: (number = MERCHANT_1, { gateway = 0, ...more } = {}) => {
      const leaf = pki.read(`merchants/${number}`);
      const client = createMerchant({
        url: (gateways[gateway] as Gateway).url,
        merchantNumber: number,
        certificate: leaf.certificatePem,
        key: leaf.keyPem,
        authority: pki.read('authority').certificatePem,
        trustedKeys: ['platform-ec', 'platform-rsa'].map((keyid) => ({ keyid, pem: pki.read(`signing/${keyid}`).certificatePem })),
        ...more,
      });
      clients.push(client);
      return client;
    },
    dispose,
  };
}

async function createCoreProcess(port: number, environment: NodeJS.ProcessEnv): Promise<System['core']> {
  const launch = () => startHufu(['core', '--profile', 'development', '--faults'], environment);
  let running = await launch();
  return {
    url: `http://127.0.0.1:${port}`,
    kill: async () => {
      await running.end('SIGKILL');
    },
    start: async () => {
      running = await launch();
    },
  };
}

function createGateway(options: {
  instance: string;
  file: string;
  internet: number;
  status: number;
  environment: NodeJS.ProcessEnv;
  dataDirectory: string;
}): Gateway {
  const environment = {
    ...options.environment,
    HUFU_CONFIG: options.file,
    HUFU_PORT_INTERNET: String(options.internet),
    HUFU_PORT_STATUS: String(options.status),
  };
  let running: Running | undefined;
  return {
    url: `https://localhost:${options.internet}`,
    statusUrl: `http://127.0.0.1:${options.status}`,
    instance: options.instance,
    dataDirectory: options.dataDirectory,
    running: () => running as Running,
    kill: async (signal = 'SIGKILL') => (running ? running.end(signal) : null),
    start: async () => {
      running = await startHufu(['gateway', '--profile', 'development'], environment);
    },
  };
}

/** Resolves when a gateway says that it can serve money. Bounded, so that a test fails with what the gateway said. */
export async function untilReady(gateway: Gateway, timeoutMs = 20_000): Promise<void> {
  const endsAtMs = performance.now() + timeoutMs;
  for (;;) {
    const answer = await fetch(`${gateway.statusUrl}/readyz`).catch(() => undefined);
    if (answer?.ok) return;
    if (performance.now() > endsAtMs)
      throw new Error(
        `${gateway.instance} is not ready: ${(await answer?.text()) ?? 'no answer'}\n${gateway.running().stdout()}${gateway.running().stderr()}`,
      );
    await new Promise((done) => setTimeout(done, 50));
  }
}

let serial = 0;
/** An order number nobody has used in this process. */
export const freshOrderNo = (): string => `T${process.pid}-${Date.now().toString(36)}-${++serial}`;

export const orderBody = (orderNo: string, amountFen: number) => ({ orderNo, amountFen, currency: 'CNY', subject: '龙井茶' });
export const paymentBody = (amountFen: number) => ({ amountFen, currency: 'CNY', method: 'OWN_BANK', payer: { accountNo: RICH_PAYER } });

/** Creates an order; throws when that fails. */
export async function createOrder(client: MerchantClient, amountFen: number): Promise<string> {
  const orderNo = freshOrderNo();
  const answer = await client.call({
    method: 'POST',
    path: '/v1/orders',
    idempotencyKey: `order-${orderNo}`,
    body: orderBody(orderNo, amountFen),
  });
  if (answer.status !== 201 || !answer.accepted) throw new Error(`no order: ${answer.status} ${answer.why} ${answer.body.toString()}`);
  return orderNo;
}

export const payOrder = (client: MerchantClient, orderNo: string, amountFen: number, key = `pay-${orderNo}`) =>
  client.call({ method: 'POST', path: `/v1/orders/${orderNo}/payments`, idempotencyKey: key, body: paymentBody(amountFen) });
