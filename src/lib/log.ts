import pino, { type DestinationStream, type Logger } from 'pino';

export type Log = Logger;

/** Fields that must never be written, wherever they stand in an event. Masking by data class happens before, in pipeline/event. */
const REDACTED = ['authorization', 'signature', 'privateKey', 'key', 'password', 'secret', 'token', 'body', 'pem'];

/** One JSON object a line; pino escapes line breaks and control characters, so that no value can make a line of its own. */
export function createLog(options: { level: string; destination?: DestinationStream }): Log {
  const paths = REDACTED.flatMap((name) => [name, `*.${name}`, `*.*.${name}`]);
  const settings = { level: options.level, base: null, timestamp: pino.stdTimeFunctions.isoTime, redact: { paths, censor: '[redacted]' } };
  return options.destination ? pino(settings, options.destination) : pino(settings);
}
