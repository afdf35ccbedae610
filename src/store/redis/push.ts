import { Redis, type RedisOptions } from 'ioredis';

export type PushOptions = {
  /** Where to listen: each time another one is tried, since every node of a Cluster tells what was published on any. */
  readonly addresses: readonly RedisOptions[];
  /** Of connecting. */
  readonly connectTimeoutMs: number;
};

/** Reconnect attempts come for ever, at most this far apart. */
const RECONNECT_MS_MAX = 500;
const RECONNECT_STEP_MS = 50;
/** A server that vanished without a word is noticed by TCP after about that time. */
const KEEP_ALIVE_MS = 10_000;

/**
 * Listens on a channel over a connection of its own, which comes back by itself: a connection that is subscribed can do little
 * else, and losing it must not disturb the other. Also calls back whenever it subscribed, since something may have been missed.
 * A server that may not be subscribed to is asked again at each connection only. Returns what ends it.
 */
export function watchChannel({ addresses, connectTimeoutMs }: PushOptions, channel: string, onMessage: () => void): () => void {
  let attempts = 0;
  let timer: NodeJS.Timeout | undefined;
  const listen = (at: number): Redis => {
    const client = openListener({ ...addresses[at % addresses.length], connectTimeout: connectTimeoutMs }, channel, onMessage);
    client.on('ready', () => {
      attempts = 0;
    });
    client.once('end', () => {
      attempts += 1;
      timer = setTimeout(
        () => {
          present = listen(at + 1);
        },
        Math.min(attempts * RECONNECT_STEP_MS, RECONNECT_MS_MAX),
      );
    });
    return client;
  };
  let present = listen(0);
  return () => {
    present.removeAllListeners('end');
    clearTimeout(timer);
    present.disconnect();
  };
}

/** One connection, which ends for good when it is lost. */
function openListener(address: RedisOptions, channel: string, onMessage: () => void): Redis {
  const client = new Redis({
    ...address,
    replyMapping: 'legacy',
    connectionName: 'hufu-push',
    keepAlive: KEEP_ALIVE_MS,
    retryStrategy: () => null,
    sentinelRetryStrategy: () => null,
    maxRetriesPerRequest: 0,
    autoResubscribe: false,
    enableOfflineQueue: false,
    enableReadyCheck: false,
  });
  // Whatever is wrong with the server is told by the connection that cannot do without it.
  client.on('error', () => undefined);
  client.on('ready', () => void client.subscribe(channel).then(onMessage, () => undefined));
  client.on('message', onMessage);
  return client;
}
