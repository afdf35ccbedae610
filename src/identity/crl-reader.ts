import { mkdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { sha256 } from '../lib/bytes.ts';
import { writeFileAtomic } from '../lib/files.ts';
import { createHttpPool } from '../lib/http.ts';

export type CrlReaderOptions = {
  /** Where fetched lists are kept for the next start. */
  readonly directory: string;
  /** As they stand in the configuration now. */
  readonly bounds: () => { readonly timeoutMs: number; readonly crlBytesMax: number };
};

/** Brings the bytes of a list from its file or URL; whether they are a list is for others to say. */
export type CrlReader = {
  /** Whether looking costs next to nothing, as at a file. */
  readonly isCheap: (source: string) => boolean;
  /** Undefined: not changed since `stamp`. `isKept`: the source itself lasts. Rejects with an Error that says why in words. */
  readonly read: (
    source: string,
    stamp: string | undefined,
  ) => Promise<{ readonly bytes: Uint8Array; readonly stamp: string; readonly isKept: boolean } | undefined>;
  readonly keep: (source: string, bytes: Uint8Array) => Promise<void>;
  /** What was kept of a source; undefined when nothing was. */
  readonly recall: (source: string) => Promise<Uint8Array | undefined>;
};

const HEADER_BYTES_MAX = 16_384;

const isUrl = (source: string): boolean => source.startsWith('http://');

const nameOfKept = (source: string): string => `${sha256(source).toString('hex')}.crl`;

/** Where lists that were fetched are kept, below the data directory; and the file of one. */
export const keptCrls = (dataDirectory: string): string => join(dataDirectory, 'crls');
export const keptCrlFile = (dataDirectory: string, source: string): string => join(keptCrls(dataDirectory), nameOfKept(source));

/** Reads lists from files and by HTTP without TLS, since they are signed. */
export function createCrlReader({ directory, bounds }: CrlReaderOptions): CrlReader {
  const keptFile = (source: string) => join(directory, nameOfKept(source));
  return {
    isCheap: (source) => !isUrl(source),
    read: async (source, stamp) => {
      if (isUrl(source)) return { bytes: await fetchList(new URL(source), bounds()), stamp: '', isKept: false };
      const found = await stat(source, { bigint: true });
      const seen = `${found.ino} ${found.size} ${found.mtimeNs}`;
      if (seen === stamp) return undefined;
      if (found.size > bounds().crlBytesMax) throw new Error(`it is larger than ${bounds().crlBytesMax} bytes`);
      return { bytes: await readFile(source), stamp: seen, isKept: true };
    },
    keep: async (source, bytes) => {
      await mkdir(directory, { recursive: true, mode: 0o700 });
      await writeFileAtomic(keptFile(source), bytes);
    },
    recall: (source) => readFile(keptFile(source)).catch(() => undefined),
  };
}

async function fetchList(url: URL, { timeoutMs, crlBytesMax }: ReturnType<CrlReaderOptions['bounds']>): Promise<Buffer> {
  const pool = createHttpPool({
    url,
    connections: 1,
    connectTimeoutMs: timeoutMs,
    headerBytesMax: HEADER_BYTES_MAX,
    answerBytesMax: crlBytesMax,
    waitingMax: 1,
  });
  try {
    const path = url.pathname + url.search;
    const result = await pool.send({ method: 'GET', path, headers: ['accept', 'application/pkix-crl'], body: Buffer.alloc(0), timeoutMs });
    if (result.kind !== 'answered') throw new Error(`it could not be fetched: ${result.reason}`);
    if (result.status !== 200) throw new Error(`the server answered ${result.status}`);
    return result.body;
  } finally {
    await pool.close();
  }
}
