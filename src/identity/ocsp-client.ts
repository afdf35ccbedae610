import { createHttpPool, type HttpPool } from '../lib/http.ts';

/** Asks responders over plain HTTP (RFC 6960 appendix A.1), since what they answer is signed. */
export type OcspClient = {
  /** The bytes of the answer, whatever they are. Rejects with an Error that says why in words. Follows no redirect. */
  readonly ask: (url: URL, request: Buffer, timeoutMs: number) => Promise<Buffer>;
  readonly close: () => Promise<void>;
};

const HEADER_BYTES_MAX = 16_384;
/** An answer is a few kilobytes with the responder's certificate. */
const ANSWER_BYTES_MAX = 65_536;
const CONNECTIONS = 32;
const WAITING_MAX = 4_096;
const CONNECT_MS = 2_000;
const HEADERS = ['content-type', 'application/ocsp-request', 'accept', 'application/ocsp-response'];

/** Keeps connections to each responder; which there may be is decided by who calls. */
export function createOcspClient(): OcspClient {
  const pools = new Map<string, HttpPool>();
  const poolOf = (url: URL): HttpPool => {
    const known = pools.get(url.origin);
    if (known) return known;
    const bounds = { headerBytesMax: HEADER_BYTES_MAX, answerBytesMax: ANSWER_BYTES_MAX, waitingMax: WAITING_MAX };
    const pool = createHttpPool({ url, connections: CONNECTIONS, connectTimeoutMs: CONNECT_MS, ...bounds });
    pools.set(url.origin, pool);
    return pool;
  };
  return {
    ask: async (url, body, timeoutMs) => {
      const call = { method: 'POST', path: url.pathname + url.search, headers: HEADERS, body, timeoutMs };
      const result = await poolOf(url).send(call);
      if (result.kind !== 'answered') throw new Error(`the responder could not be asked: ${result.reason}`);
      if (result.status !== 200) throw new Error(`the responder answered ${result.status}`);
      return result.body;
    },
    close: async () => {
      await Promise.all([...pools.values()].map((pool) => pool.close()));
    },
  };
}
