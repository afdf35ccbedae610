import { readFileSync } from 'node:fs';
import type { ReceivedAnswer, WireRequest } from '../sdk/answer.ts';
import { WrongUse } from './exit.ts';
import { readTextFile } from './merchant-files.ts';

/** A file of header lines, as `curl -D` writes them: an optional start line, then `Name: value`, up to the first empty line. */
export function readHeaderFile(text: string): { readonly startLine?: string; readonly rawHeaders: readonly string[] } {
  const lines = (text.split(/\r?\n\r?\n/)[0] as string).split(/\r?\n/).filter((line) => line !== '');
  const first = lines[0] ?? '';
  const hasStart = /^HTTP\/|^[A-Z]+ \//.test(first);
  const rawHeaders = lines.slice(hasStart ? 1 : 0).flatMap((line) => {
    const at = line.indexOf(':');
    if (at < 1) throw new WrongUse(`not a header line: ${JSON.stringify(line)}`);
    return [line.slice(0, at), line.slice(at + 1).replace(/^[ \t]+|[ \t]+$/g, '')];
  });
  return { ...(hasStart && { startLine: first }), rawHeaders };
}

const ADVICE = 'name a file of "Name: value" lines and one with the very bytes of the body';

/** The bytes of a body; no file: none. */
function readBody(file: string | undefined): Buffer {
  if (file === undefined) return Buffer.alloc(0);
  readTextFile(file, ADVICE);
  return readFileSync(file);
}

/** A request from files. Method and path come from the options or from the start line; Host from the address or the headers. */
export function readRequestFiles(files: { method?: string; url?: string; headers: string; body?: string }): WireRequest {
  const { startLine, rawHeaders } = readHeaderFile(readTextFile(files.headers, ADVICE));
  const [lineMethod, lineTarget] = startLine?.split(' ') ?? [];
  const method = files.method ?? lineMethod;
  if (method === undefined) throw new WrongUse('--method is missing, and the headers begin with no request line');
  const [, host, path] = /^https:\/\/([^/]+)(\/.*)$/.exec(files.url ?? '') ?? [];
  if (files.url !== undefined && path === undefined)
    throw new WrongUse('--url is the full address that was called: https://host:port/path');
  const target = path ?? lineTarget;
  if (target === undefined) throw new WrongUse('--url is missing, and the headers begin with no request line');
  const hasHost = rawHeaders.some((name, i) => i % 2 === 0 && name.toLowerCase() === 'host');
  if (!hasHost && host === undefined) throw new WrongUse('--url is missing, and there is no Host among the headers');
  return { method, target, rawHeaders: hasHost ? rawHeaders : ['Host', host as string, ...rawHeaders], body: readBody(files.body) };
}

/** An answer from files. The status comes from the option or from the status line. */
export function readAnswerFiles(files: { status?: string; headers: string; body?: string }): ReceivedAnswer {
  const { startLine, rawHeaders } = readHeaderFile(readTextFile(files.headers, ADVICE));
  const status = Number(files.status ?? startLine?.split(' ')[1]);
  if (!Number.isInteger(status)) throw new WrongUse('--answer-status is missing, and the headers of the answer begin with no status line');
  return { status, rawHeaders, body: readBody(files.body) };
}
