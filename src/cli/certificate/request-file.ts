import { closeSync, openSync, readSync } from 'node:fs';
import { readRequestPem } from '../../certificates/pem.ts';
import { CertificateProblem } from '../../certificates/problem.ts';
import { type RequestFacts, readRequest } from '../../certificates/request.ts';
import { UserError } from '../../lib/user-error.ts';

/** Text that people send: base64 of the largest request, and some lines around it. */
const TEXT_BYTES_MAX = 65_536;
const STANDARD_INPUT = '-';

/** Reads a text of at most 64 KB from a file, or from standard input for `-`. Throws a UserError naming it. */
export async function readSmallText(file: string): Promise<string> {
  const bytes = file === STANDARD_INPUT ? await readStandardInput() : readFile(file);
  if (bytes.length > TEXT_BYTES_MAX)
    throw new UserError(`${file} is larger than ${TEXT_BYTES_MAX} bytes: that is no certificate or request`);
  return bytes.toString('utf8');
}

function readFile(file: string): Buffer {
  const bytes = Buffer.alloc(TEXT_BYTES_MAX + 1);
  try {
    const handle = openSync(file, 'r');
    try {
      let length = 0;
      for (let read = -1; read !== 0 && length < bytes.length; length += read)
        read = readSync(handle, bytes, length, bytes.length - length, null);
      return bytes.subarray(0, length);
    } finally {
      closeSync(handle);
    }
  } catch (cause) {
    throw new UserError(`${file} cannot be read (${(cause as NodeJS.ErrnoException).code}): check the path and who may read it`, { cause });
  }
}

async function readStandardInput(): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of process.stdin as AsyncIterable<Buffer>) {
    chunks.push(chunk);
    length += chunk.length;
    if (length > TEXT_BYTES_MAX) break;
  }
  return Buffer.concat(chunks);
}

/** A merchant's request, read and proved. Throws a UserError that says why it cannot be signed. */
export async function loadRequest(file: string): Promise<RequestFacts> {
  const der = readRequestPem(await readSmallText(file), file);
  try {
    return readRequest(der);
  } catch (cause) {
    if (cause instanceof CertificateProblem) throw new UserError(`${file} cannot be signed: ${cause.reason}`, { cause });
    throw cause;
  }
}
