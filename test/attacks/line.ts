import assert from 'node:assert/strict';
import { type ConnectionOptions, connect, type TLSSocket } from 'node:tls';
import type { ReceivedAnswer } from '../../src/sdk/answer.ts';
import type { System } from '../support/system.ts';

/** A TLS connection on which a test writes bytes of its own making, also such that no HTTP client would send. */
export type Line = {
  readonly socket: TLSSocket;
  readonly send: (bytes: string | Uint8Array) => void;
  /** The next answer; undefined when the gateway closed before one was complete. `bodiless`: the answer to a HEAD. */
  readonly answer: (options?: { readonly bodiless?: boolean }) => Promise<ReceivedAnswer | undefined>;
  /** Resolves when the connection has ended, whoever ended it. */
  readonly closed: Promise<void>;
  /** Closes it at once. */
  readonly leave: () => void;
};

/** Client certificate and further TLS options; none for a stranger. */
export type DialOptions = ConnectionOptions & { readonly gateway?: number };

const HEAD_END = '\r\n\r\n';
/** Nothing in an answer may tell how we are built: framework, runtime, paths, stack traces. */
const TELLTALE = /x-powered-by|^server:|express|node_modules|node\/|node:|\/src\/|\.ts\b|\bat [A-Za-z.]+ \(|<html|<!doctype|Error:/im;

function readAnswer(text: string, isBodiless: boolean): { answer: ReceivedAnswer; length: number } | undefined {
  const headEnd = text.indexOf(HEAD_END);
  if (headEnd === -1) return undefined;
  const [statusLine = '', ...lines] = text.slice(0, headEnd).split('\r\n');
  const status = Number(/^HTTP\/1\.1 (\d{3})/.exec(statusLine)?.[1]);
  assert.ok(status, `not an answer: ${statusLine}`);
  const rawHeaders = lines.flatMap((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1).trim()]);
  const at = rawHeaders.findIndex((name, i) => i % 2 === 0 && name.toLowerCase() === 'content-length');
  const bodyLength = at === -1 || isBodiless ? 0 : Number(rawHeaders[at + 1]);
  const length = headEnd + HEAD_END.length + bodyLength;
  if (text.length < length) return undefined;
  assert.doesNotMatch(text.slice(0, length), TELLTALE);
  return { answer: { status, rawHeaders, body: Buffer.from(text.slice(length - bodyLength, length), 'latin1') }, length };
}

/** Connects to a gateway; rejects when the handshake fails. */
export function dial(system: System, { gateway = 0, ...options }: DialOptions = {}): Promise<Line> {
  const port = Number(new URL((system.gateways[gateway] as { url: string }).url).port);
  const ca = system.pki.read('authority').certificatePem;
  const socket = connect({ host: '127.0.0.1', port, servername: 'localhost', ca, ALPNProtocols: ['http/1.1'], ...options });
  let text = '';
  let ended = false;
  let wake = () => {};
  socket.on('data', (chunk) => {
    text += chunk.toString('latin1');
    wake();
  });
  const closed = new Promise<void>((resolve) => {
    socket.on('close', () => {
      ended = true;
      wake();
      resolve();
    });
  });
  const answer: Line['answer'] = async ({ bodiless = false } = {}) => {
    for (;;) {
      const found = readAnswer(text, bodiless);
      if (found) {
        text = text.slice(found.length);
        return found.answer;
      }
      if (ended) return undefined;
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    }
  };
  const line: Line = { socket, send: (bytes) => void socket.write(bytes), answer, closed, leave: () => socket.destroy() };
  return new Promise((resolve, reject) => {
    socket.once('secureConnect', () => {
      socket.off('error', reject);
      // The gateway closes on purpose, sometimes while we still write: `closed` tells, an error would only tell it again.
      socket.on('error', () => {});
      resolve(line);
    });
    socket.once('error', reject);
  });
}

/** Tries to connect; what the gateway's alert said when the handshake failed. */
export async function handshake(system: System, options: DialOptions): Promise<Line | string> {
  try {
    return await dial(system, options);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? String(error);
  }
}
