import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http';
import type { System } from './system.ts';

/** A request as the fake core got it. */
export type CoreRequest = {
  readonly method: string;
  /** Path and query. */
  readonly target: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
  /** Claims of `Hufu-Assertion`, not verified. */
  readonly assertion: Readonly<Record<string, unknown>>;
};

/** `drop`: the connection is cut without a byte of an answer. */
export type CoreResponse = { readonly status: number; readonly body: object; readonly replayed?: boolean } | 'drop';

/** A core that a test scripts: it remembers every request and answers as it is told. */
export type FakeCore = System['core'] & { readonly requests: readonly CoreRequest[] };

function readAssertion(headers: IncomingHttpHeaders): Readonly<Record<string, unknown>> {
  const [, claims = ''] = String(headers['hufu-assertion'] ?? '').split('.');
  return claims === '' ? {} : JSON.parse(Buffer.from(claims, 'base64url').toString());
}

function write(response: ServerResponse, answer: CoreResponse): void {
  if (answer === 'drop') {
    response.destroy();
    return;
  }
  response.writeHead(answer.status, { 'content-type': 'application/json', ...(answer.replayed ? { 'idempotency-replayed': 'true' } : {}) });
  response.end(JSON.stringify(answer.body));
}

/** Listens on a port of loopback in this process; `answer` decides what each request gets. */
export async function startFakeCore(port: number, answer: (request: CoreRequest) => CoreResponse): Promise<FakeCore> {
  const requests: CoreRequest[] = [];
  const server = createServer(async (incoming, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of incoming as AsyncIterable<Buffer>) chunks.push(chunk);
    const { method = '', url: target = '', headers } = incoming;
    const request = { method, target, headers, body: Buffer.concat(chunks), assertion: readAssertion(headers) };
    requests.push(request);
    write(response, answer(request));
  });
  const listen = async () => {
    server.listen(port, '127.0.0.1');
    await once(server, 'listening');
  };
  const kill = async () => {
    if (!server.listening) return;
    server.close();
    server.closeAllConnections();
    await once(server, 'close');
  };
  await listen();
  return { url: `http://127.0.0.1:${port}`, requests, kill, start: listen };
}
