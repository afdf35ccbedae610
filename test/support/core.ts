import { type ChildProcess, fork } from 'node:child_process';
import { createHash, generateKeyPairSync, type KeyObject, randomBytes, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SignJWT } from 'jose';
import { keyidOf } from '../../src/protocol/keyid.ts';
import { startCore } from '../../src/reference-core/core.ts';
import type { Fault } from '../../src/reference-core/faults.ts';
import type { Figures } from '../../src/reference-core/ledger/figures.ts';

export const MERCHANT_1 = '800000000000001';
export const MERCHANT_2 = '800000000000002';
/** Seeded payers: 1,000,000,000.00 and 1.00. */
export const RICH_PAYER = '6200000000000001';
export const POOR_PAYER = '6200000000000002';

/** Signs assertions as the gateway does. */
export type AssertionSigner = {
  readonly publicKey: KeyObject;
  readonly sign: (claims: Record<string, unknown>, header?: Record<string, unknown>) => Promise<string>;
};

export function createAssertionSigner(
  pair: { privateKey: KeyObject; publicKey: KeyObject } = generateKeyPairSync('ec', { namedCurve: 'P-256' }),
): AssertionSigner {
  const kid = keyidOf(pair.publicKey);
  return {
    publicKey: pair.publicKey,
    sign: (claims, header = {}) =>
      new SignJWT(claims).setProtectedHeader({ alg: 'ES256', kid, typ: 'JWT', ...header }).sign(pair.privateKey),
  };
}

/** One call to a core. What is left out is made to fit; `claims`, `header` and `headers` spoil single parts. */
export type CoreCallOptions = {
  readonly operation: string;
  readonly method?: string;
  readonly target: string;
  readonly merchant?: string;
  /** An object is sent as JSON; a Buffer as it is. */
  readonly body?: unknown;
  readonly key?: string;
  readonly nowMs?: number;
  /** Seconds that the assertion lives; default 30. */
  readonly lifetimeSeconds?: number;
  readonly claims?: Record<string, unknown>;
  readonly header?: Record<string, unknown>;
  /** undefined drops a header. */
  readonly headers?: Record<string, string | undefined>;
};

export type CoreAnswered = {
  readonly status: number;
  readonly code: unknown;
  readonly json: Record<string, unknown>;
  readonly text: string;
  readonly replayed: boolean;
  readonly headers: Headers;
};

/** A fresh derived key: any 32 bytes look like one. */
export const freshKey = (): string => randomBytes(32).toString('base64url');
export const freshOrderNo = (): string => `T${randomUUID().replaceAll('-', '').slice(0, 24)}`;

export function bodyBytes(body: unknown): Buffer {
  if (Buffer.isBuffer(body)) return body;
  return body === undefined ? Buffer.alloc(0) : Buffer.from(JSON.stringify(body));
}

/** Headers of a call with its assertion. */
export async function coreHeaders(signer: Pick<AssertionSigner, 'sign'>, call: CoreCallOptions): Promise<Record<string, string>> {
  const body = bodyBytes(call.body);
  const issuedAt = Math.floor((call.nowMs ?? Date.now()) / 1000);
  const merchant = call.merchant ?? MERCHANT_1;
  const requestId = randomUUID();
  const claims = {
    iss: 'hufu',
    aud: 'core',
    iat: issuedAt,
    exp: issuedAt + (call.lifetimeSeconds ?? 30),
    jti: requestId,
    merchant,
    certificate: createHash('sha256').update(merchant).digest('base64url'),
    operation: call.operation,
    method: call.method ?? 'POST',
    target: call.target,
    ...(call.key === undefined ? {} : { key: call.key }),
    digest: createHash('sha256').update(body).digest('base64url'),
    ...call.claims,
  };
  const headers: Record<string, string | undefined> = {
    accept: 'application/json',
    'content-type': body.length > 0 ? 'application/json' : undefined,
    'hufu-merchant-number': merchant,
    'hufu-request-id': requestId,
    'hufu-channel': 'internet',
    'idempotency-key': call.key,
    'hufu-assertion': await signer.sign(claims, call.header),
    ...call.headers,
  };
  return Object.fromEntries(Object.entries(headers).filter((entry): entry is [string, string] => entry[1] !== undefined));
}

/** Calls a core over HTTP. Rejects when the connection ends without an answer. */
export async function callCore(url: string, signer: Pick<AssertionSigner, 'sign'>, call: CoreCallOptions): Promise<CoreAnswered> {
  const body = bodyBytes(call.body);
  const response = await fetch(url + call.target, {
    method: call.method ?? 'POST',
    headers: await coreHeaders(signer, call),
    body: body.length > 0 ? new Uint8Array(body) : null,
  });
  const text = await response.text();
  const json =
    response.headers.get('content-type')?.startsWith('application/json') && text.startsWith('{') && text.endsWith('}')
      ? JSON.parse(text)
      : {};
  return {
    status: response.status,
    code: json.code,
    json,
    text,
    replayed: response.headers.get('idempotency-replayed') === 'true',
    headers: response.headers,
  };
}

export const orderCall = (orderNo: string, amountFen: number, key = freshKey()): CoreCallOptions => ({
  operation: 'orders.create',
  target: '/v1/orders',
  body: { orderNo, amountFen, currency: 'CNY', subject: '茶' },
  key,
});

export const paymentCall = (orderNo: string, amountFen: number, key = freshKey(), accountNo = RICH_PAYER): CoreCallOptions => ({
  operation: 'payments.create',
  target: `/v1/orders/${orderNo}/payments`,
  body: { amountFen, currency: 'CNY', method: 'OWN_BANK', payer: { accountNo } },
  key,
});

export const closeCall = (orderNo: string, key = freshKey()): CoreCallOptions => ({
  operation: 'orders.close',
  target: `/v1/orders/${orderNo}/close`,
  body: {},
  key,
});

export const getCall = (operation: string, target: string): CoreCallOptions => ({ operation, method: 'GET', target });
export const orderQuery = (orderNo: string): CoreCallOptions => getCall('orders.get', `/v1/orders/${orderNo}`);
export const executionQuery = (key: string): CoreCallOptions => getCall('executions.get', `/v1/executions/${key}`);

/** A core under test with its signer. */
export type TestCore = {
  readonly url: string;
  readonly port: number;
  readonly databaseFile: string;
  readonly signer: AssertionSigner;
  readonly call: (call: CoreCallOptions) => Promise<CoreAnswered>;
  /** Sets the fault switch; `{ next: 0, fault: 'delay' }` switches it off. */
  readonly setFault: (fault: Fault) => Promise<void>;
  /** What really happened (development). */
  readonly readLedger: () => Promise<Figures>;
  /** Ends it, keeps its files. */
  readonly close: () => Promise<void>;
  /** Ends it and removes its files, unless the database file was given. */
  readonly dispose: () => Promise<void>;
};

export type TestCoreOptions = {
  /** Default: a new one in a folder of its own. */
  readonly databaseFile?: string;
  readonly port?: number;
  /** The gateway's keys: as a pair, or the file of the public one (then `call` cannot sign for it). */
  readonly signer?: AssertionSigner;
  readonly assertionPublicKeyFile?: string;
  readonly profile?: 'development' | 'production';
  readonly faults?: boolean;
  readonly merchantNumbers?: readonly string[];
};

type Ended = { readonly url: string; readonly port: number; readonly close: () => Promise<void> };

async function prepare(options: TestCoreOptions, start: (prepared: PreparedOptions) => Promise<Ended>): Promise<TestCore> {
  const directory = await mkdtemp(join(tmpdir(), 'hufu-core-'));
  const signer = options.signer ?? createAssertionSigner();
  const publicKeyFile = join(directory, 'assertion.pub');
  await writeFile(publicKeyFile, signer.publicKey.export({ type: 'spki', format: 'pem' }));
  const profile = options.profile ?? 'development';
  const databaseFile = options.databaseFile ?? join(directory, 'core.db');
  const removeFiles = () => rm(directory, { recursive: true, force: true });
  const { url, port, close } = await start({
    databaseFile,
    address: '127.0.0.1',
    port: options.port ?? 0,
    assertionPublicKeyFile: options.assertionPublicKeyFile ?? publicKeyFile,
    profile,
    faults: options.faults ?? profile === 'development',
    ...(options.merchantNumbers ? { merchantNumbers: options.merchantNumbers } : {}),
  }).catch(async (error) => {
    await removeFiles();
    throw error;
  });
  return {
    url,
    port,
    databaseFile,
    signer,
    call: (call) => callCore(url, signer, call),
    setFault: async (fault) => {
      const response = await fetch(`${url}/faults`, {
        method: 'PUT',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(fault),
      });
      if (response.status !== 200) throw new Error(`PUT /faults: ${response.status} ${await response.text()}`);
    },
    readLedger: async () => (await fetch(`${url}/ledger`)).json() as Promise<Figures>,
    close,
    dispose: async () => {
      await close();
      await removeFiles();
    },
  };
}

type PreparedOptions = Parameters<typeof startCore>[0] & { readonly assertionPublicKeyFile: string };

/** A core in this process on a free port, with faults. `nowMs` is its clock. */
export function startTestCore(
  options: TestCoreOptions & { readonly nowMs?: () => number; readonly reportError?: (error: unknown) => void } = {},
): Promise<TestCore> {
  const { nowMs, reportError } = options;
  return prepare(options, (prepared) => startCore({ ...prepared, ...(nowMs ? { nowMs } : {}), ...(reportError ? { reportError } : {}) }));
}

/** A core as a process of its own; `kill` is kill -9 and resolves when the process is gone. */
export async function startCoreProcess(options: TestCoreOptions = {}): Promise<TestCore & { readonly kill: () => Promise<void> }> {
  let child: ChildProcess | undefined;
  const end = async (signal: NodeJS.Signals): Promise<void> => {
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, 'exit');
    child.kill(signal);
    await exited;
  };
  const core = await prepare(options, async (prepared) => {
    child = fork(new URL('./core-process.ts', import.meta.url), [JSON.stringify(prepared)], {
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    });
    const started = await Promise.race([once(child, 'message'), once(child, 'exit')]);
    const message = started[0] as { url: string; port: number } | number | null;
    if (typeof message !== 'object' || message === null) throw new Error(`the core's process ended at its start: ${started}`);
    return { ...message, close: () => end('SIGTERM') };
  });
  return { ...core, kill: () => end('SIGKILL') };
}
