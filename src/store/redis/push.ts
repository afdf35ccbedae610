import { Redis, type RedisOptions } from 'ioredis';

export type PushOptions = {
  readonly address: RedisOptions;
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
export function watchChannel({ address, connectTimeoutMs }: PushOptions, channel: string, onMessage: () => void): () => void {
  const client = new Redis({
    ...address,
    replyMapping: 'legacy',
    connectionName: 'hufu-push',
    connectTimeout: connectTimeoutMs,
    keepAlive: KEEP_ALIVE_MS,
    retryStrategy: (times) => Math.min(times * RECONNECT_STEP_MS, RECONNECT_MS_MAX),
    maxRetriesPerRequest: 0,
    autoResubscribe: false,
    enableOfflineQueue: false,
    enableReadyCheck: false,
  });
  // Whatever is wrong with the server is told by the connection that cannot do without it.
  client.on('error', () => undefined);
  client.on('ready', () => void client.subscribe(channel).then(onMessage, () => undefined));
  client.on('message', onMessage);
  return () => client.disconnect();
}
