import type { KeyObject } from 'node:crypto';
import { createServer, type Server } from 'node:http';
import { type AddressInfo, isIPv6 } from 'node:net';
import type { Express } from 'express';
import { UserError } from '../lib/user-error.ts';
import { readAssertionKeys, toAssertionKeys } from './assertion.ts';
import { createFaultSwitch } from './faults.ts';
import { type Database, openDatabase } from './ledger/database.ts';
import { createPush } from './push.ts';
import { DEVELOPMENT_MERCHANTS, openSettlementAccounts, seedDevelopment } from './seeds.ts';
import { createApp } from './server.ts';

/** The gateway's public key: where it is, or itself. */
type GatewayKey = { readonly assertionPublicKeyFile: string } | { readonly publicKey: KeyObject };

export type CoreOptions = GatewayKey & {
  /** The ledger; made when absent. Its folder must exist. */
  readonly databaseFile: string;
  /** A loopback address: the core speaks plain HTTP. */
  readonly address: string;
  /** 0: any free one. */
  readonly port: number;
  readonly profile: 'development' | 'production';
  /** The fault switch of tests; development only. */
  readonly faults: boolean;
  /** Merchants to open settlement accounts for when they have none; development adds its two. */
  readonly merchantNumbers?: readonly string[];
  /** The gateway's `POST /outcomes`; absent: outcomes are told only when they are asked for. */
  readonly pushUrl?: string;
  readonly nowMs?: () => number;
  /** Told of faults that were answered as INTERNAL; default: one line on standard error. */
  readonly reportError?: (error: unknown) => void;
};

export type RunningCore = {
  readonly port: number;
  readonly url: string;
  /** Takes no new connection, lets what has begun end, closes the ledger. Idempotent. */
  readonly close: () => Promise<void>;
};

const LOOPBACK = /^(?:127\.\d{1,3}\.\d{1,3}\.\d{1,3}|::1|localhost)$/;
/** Longer than the gateway keeps an idle connection, so that it never writes on one that is being closed. */
const KEEP_ALIVE_MS = 75_000;
const HEADERS_MS = 10_000;
const REQUEST_MS = 20_000;
const HEADER_BYTES_MAX = 16_384;
/** What has begun may take this long after close. */
const DRAIN_MS_MAX = 5_000;

function checkOptions(options: CoreOptions): void {
  if (!LOOPBACK.test(options.address))
    throw new UserError(
      `the reference core speaks plain HTTP and serves loopback only, not ${options.address}; use 127.0.0.1, or TLS in front of it`,
    );
  if (options.profile === 'production' && options.faults)
    throw new UserError('the fault switch is for development only; start the core without it in production');
}

function listen(server: Server, options: CoreOptions): Promise<AddressInfo> {
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      const inUse = error.code === 'EADDRINUSE';
      const advice = inUse ? 'is in use; stop the other program or set HUFU_PORT_CORE' : `cannot be listened on (${error.message})`;
      reject(new UserError(`core: ${options.address}:${options.port} ${advice}`, { cause: error }));
    });
    server.listen(options.port, options.address, () => resolve(server.address() as AddressInfo));
  });
}

/** Ends the server: idle connections at once, the others when their answer is out or the time is over. Work goes on behind cut ones. */
async function endServer(server: Server): Promise<void> {
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  const sweep = setInterval(() => server.closeIdleConnections(), 20);
  const cut = setTimeout(() => server.closeAllConnections(), DRAIN_MS_MAX);
  server.closeIdleConnections();
  await closed;
  clearInterval(sweep);
  clearTimeout(cut);
}

function createHttpServer(app: Express): Server {
  const limits = {
    keepAliveTimeout: KEEP_ALIVE_MS,
    headersTimeout: HEADERS_MS,
    requestTimeout: REQUEST_MS,
    maxHeaderSize: HEADER_BYTES_MAX,
  };
  return createServer(limits, app);
}

async function serve(database: Database, options: CoreOptions): Promise<RunningCore> {
  const clock = options.nowMs ?? Date.now;
  const isDevelopment = options.profile === 'development';
  const keys = 'publicKey' in options ? toAssertionKeys([options.publicKey]) : readAssertionKeys(options.assertionPublicKeyFile);
  if (isDevelopment) await seedDevelopment(database, DEVELOPMENT_MERCHANTS, clock());
  await openSettlementAccounts(database, options.merchantNumbers ?? []);
  const closing = new AbortController();
  const faults = options.faults ? createFaultSwitch(closing.signal) : undefined;
  const reportError = options.reportError ?? ((error) => process.stderr.write(`core: ${error instanceof Error ? error.stack : error}\n`));
  const { app, ended } = createApp({
    database,
    keys,
    clock,
    reportError,
    ...(options.pushUrl !== undefined && { push: createPush(options.pushUrl, closing.signal) }),
    ...(isDevelopment ? { development: faults ? { faults } : {} } : {}),
  });
  const server = createHttpServer(app);
  const { port } = await listen(server, options);
  let closed: Promise<void> | undefined;
  const close = async (): Promise<void> => {
    closing.abort();
    await endServer(server);
    await ended();
    database.close();
  };
  return {
    port,
    url: `http://${isIPv6(options.address) ? `[${options.address}]` : options.address}:${port}`,
    close: () => {
      closed ??= close();
      return closed;
    },
  };
}

/**
 * Starts the reference core: its ledger in one SQLite file and its HTTP server. In development accounts are seeded and
 * /ledger (and /faults, if wanted) exist; in production neither. Throws UserError.
 */
export async function startCore(options: CoreOptions): Promise<RunningCore> {
  checkOptions(options);
  const database = openDatabase(options.databaseFile);
  try {
    return await serve(database, options);
  } catch (error) {
    database.close();
    throw error;
  }
}
