import { Redis, type RedisOptions } from 'ioredis';
import { UserError } from '../../lib/user-error.ts';
import { StoreUnavailable } from '../../ports/store.ts';
import { findReplyCode, storeFailure } from './failure.ts';
import { SCRIPTS } from './scripts.ts';

/** Reconnect attempts come for ever, at most this far apart, so that the gateway is back soon after the server. */
const RECONNECT_MS_MAX = 500;
const RECONNECT_STEP_MS = 50;
/** How long a connection that is left may take to close: the other side may hang, and a process that ends waits for it. */
const DISCONNECT_MS = 50;
/** Written to the socket in the very turn they are called (contract.md section 6: before the answer's first byte); others leave together. */
const WRITTEN_AT_ONCE = ['settle', 'hold'];
/** Replies that no waiting mends: opening fails on them. */
export const CREDENTIALS_REFUSED: readonly (string | undefined)[] = ['WRONGPASS', 'NOAUTH', 'NOPERM'];

export type Connection = {
  /** Sends in this turn if the connection is up and checked. Rejects with StoreUnavailable at once when it is not, and at the deadline. */
  readonly send: <T>(command: (client: Redis) => Promise<T>) => Promise<T>;
  /** Lets the replies that are under way come in, at most until the deadline. */
  readonly close: () => Promise<void>;
};

export type ConnectionOptions = {
  readonly address: RedisOptions;
  /** Of each command, from its call. */
  readonly commandTimeoutMs: number;
  /** Of connecting; opening waits for it at most so long. */
  readonly connectTimeoutMs: number;
  /** Runs on every new connection, before anything else is sent. If it rejects, the connection is left; at the opening a UserError fails it. */
  readonly check: (client: Redis) => Promise<void>;
  /** The connection is gone, and with it whatever was known about the server. */
  readonly forget: () => void;
};

/**
 * Opens one connection that comes back by itself. A command is never sent twice: what was under way when the connection
 * broke is rejected, and nothing is queued while there is none. Resolves also when the server cannot be reached, since
 * the gateway must be able to start refusing. Throws a UserError when the server refuses the credentials, or the check does.
 */
export async function openConnection(options: ConnectionOptions): Promise<Connection> {
  const client = createClient(options);
  const opened = Promise.withResolvers<void>();
  const patience = setTimeout(opened.resolve, options.connectTimeoutMs);
  const fail = (error: unknown) => {
    if (error instanceof UserError) opened.reject(error);
    else if (CREDENTIALS_REFUSED.includes(findReplyCode(error)))
      opened.reject(new UserError(`the store cannot be used: ${storeFailure(error).message}`));
  };
  let checked = false;
  client.on('error', (error) => {
    fail(error);
    opened.resolve();
  });
  client.on('close', () => {
    checked = false;
    options.forget();
  });
  client.on('ready', () => {
    const { stream } = client;
    withDeadline(options.check(client), options.commandTimeoutMs, (error) => error).then(
      () => {
        checked = client.stream === stream && client.status === 'ready';
        opened.resolve();
      },
      (error: unknown) => {
        fail(error);
        if (client.stream === stream) client.disconnect(true);
      },
    );
  });
  try {
    await opened.promise;
  } catch (error) {
    await closeClient(client, options.commandTimeoutMs);
    throw error;
  } finally {
    clearTimeout(patience);
  }
  return {
    send: (command) => {
      if (!checked || client.status !== 'ready') return Promise.reject(new StoreUnavailable('redis is not connected'));
      return withDeadline(command(client), options.commandTimeoutMs, storeFailure);
    },
    close: () => closeClient(client, options.commandTimeoutMs),
  };
}

const reconnectMs = (times: number): number => Math.min(times * RECONNECT_STEP_MS, RECONNECT_MS_MAX);

function createClient(options: ConnectionOptions): Redis {
  const client = new Redis({
    ...options.address,
    replyMapping: 'legacy',
    connectionName: 'hufu',
    connectTimeout: options.connectTimeoutMs,
    disconnectTimeout: DISCONNECT_MS,
    commandTimeout: options.commandTimeoutMs,
    // A server that accepts and never answers is left, so that what waits for it does not grow without bound.
    socketTimeout: options.commandTimeoutMs * 2,
    retryStrategy: reconnectMs,
    // Behind Sentinels: a switch is heard of and the old master left at once.
    failoverDetector: options.address.sentinels !== undefined,
    // Without it the client would give up for ever once no Sentinel was left to ask.
    sentinelRetryStrategy: reconnectMs,
    sentinelReconnectStrategy: reconnectMs,
    sentinelCommandTimeout: options.connectTimeoutMs,
    maxRetriesPerRequest: 0,
    autoResendUnfulfilledCommands: false,
    enableOfflineQueue: false,
    // The check reads INFO itself, and a server that is loading fails it.
    enableReadyCheck: false,
    enableAutoPipelining: true,
    autoPipeliningIgnoredCommands: WRITTEN_AT_ONCE,
  });
  for (const [name, lua] of SCRIPTS) client.defineCommand(name, { lua, numberOfKeys: 1 });
  return client;
}

/**
 * The client library counts its timeout from the moment a command is written, and with auto-pipelining a command first
 * waits for the batch before it. The budget of the caller starts with the call.
 */
function withDeadline<T>(sent: Promise<T>, timeoutMs: number, explain: (error: unknown) => unknown): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new StoreUnavailable(`redis did not answer within ${timeoutMs} ms`)), timeoutMs);
    sent.then(
      (value) => {
        clearTimeout(timer);
        resolve(value);
      },
      (error: unknown) => {
        clearTimeout(timer);
        reject(explain(error));
      },
    );
  });
}

async function closeClient(client: Redis, timeoutMs: number): Promise<void> {
  if (client.status === 'ready') await withDeadline(client.quit(), timeoutMs, storeFailure).catch(() => undefined);
  client.disconnect();
}
