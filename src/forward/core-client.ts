import { createHttpPool, type HttpPoolOptions } from '../lib/http.ts';
import type { Core, CoreReply } from '../ports/core.ts';
import { allHeaders, HEADER } from '../protocol/headers.ts';

export type CoreOptions = {
  /** http: or https:; a path in it is put before every target. */
  readonly url: string;
  readonly connections: number;
  /** How long a request waits for a connected socket, ms; longer is CORE_UNAVAILABLE. */
  readonly connectTimeoutMs: number;
  /** Largest answer, bytes: headers (16 KiB unless given) and body (1 MiB unless given). Beyond it the outcome is unknown. */
  readonly headerBytesMax?: number;
  readonly answerBytesMax?: number;
  /** Most requests that wait for a socket (1000 unless given); more are CORE_UNAVAILABLE at once. */
  readonly waitingMax?: number;
  readonly tls?: NonNullable<HttpPoolOptions['tls']>;
};

/** The core behind HTTP/1.1: sends each call once, with exactly the headers given, and says what is proven about it. */
export function createCore(options: CoreOptions): Core {
  const url = new URL(options.url);
  const prefix = url.pathname.replace(/\/$/, '');
  const pool = createHttpPool({
    url,
    connections: options.connections,
    connectTimeoutMs: options.connectTimeoutMs,
    headerBytesMax: options.headerBytesMax ?? 16_384,
    answerBytesMax: options.answerBytesMax ?? 1_048_576,
    waitingMax: options.waitingMax ?? 1_000,
    ...(options.tls ? { tls: options.tls } : {}),
  });

  const call: Core['call'] = async ({ method, target, headers, body, timeoutMs }): Promise<CoreReply> => {
    const result = await pool.send({ method, path: `${prefix}${target}`, headers, body, timeoutMs });
    if (result.kind !== 'answered') return result;
    const contentType = findSingle(result.rawHeaders, HEADER.contentType) ?? '';
    const replayed = findSingle(result.rawHeaders, HEADER.idempotencyReplayed) === 'true';
    return { kind: 'answered', answer: { status: result.status, contentType, body: result.body }, replayed };
  };

  return { call, close: pool.close };
}

/** A header that came exactly once; two values of one thing are none. */
function findSingle(rawHeaders: readonly string[], name: string): string | undefined {
  const values = allHeaders(rawHeaders, name);
  return values.length === 1 ? values[0] : undefined;
}
