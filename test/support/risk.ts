import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { RiskQuestion } from '../../src/forward/risk.ts';

type Decide = (question: RiskQuestion) => unknown;
type Example = {
  readonly createRiskService: (options?: object, decideBy?: Decide) => Server;
};

const FILE = join(import.meta.dirname, '..', '..', 'examples', 'risk', 'risk-service.mjs');

/** The example service of examples/risk on a free port, with its own rules or with others. */
export async function startExample(decideBy?: Decide, options: object = {}): Promise<{ readonly url: string; readonly close: () => void }> {
  const { createRiskService } = (await import(pathToFileURL(FILE).href)) as Example;
  const server = createRiskService(options, decideBy);
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  const close = () => {
    server.closeAllConnections();
    server.close();
  };
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`, close };
}

/** What comes back: a verdict as JSON, or something that is none. */
export type Raw = Readonly<Record<string, unknown>> & {
  readonly status?: number;
  readonly text?: string;
  readonly type?: string;
  readonly location?: string;
  readonly closes?: true;
  readonly hangs?: true;
};

const RAW_KEYS = ['status', 'text', 'type', 'location', 'closes', 'hangs'];

/** A service that answers as it is told, also badly. */
export async function createRiskService() {
  let raw: Raw = { verdict: 'pass' };
  let connections = 0;
  const bodies: string[] = [];
  const questions: RiskQuestion[] = [];
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const body = Buffer.concat(chunks).toString('utf8');
    bodies.push(body);
    questions.push(JSON.parse(body) as RiskQuestion);
    const { status = 200, text, type = 'application/json', location, closes, hangs } = raw;
    if (hangs) return;
    if (closes) return void request.socket.destroy();
    const verdict = JSON.stringify(Object.fromEntries(Object.entries(raw).filter(([key]) => !RAW_KEYS.includes(key))));
    response.writeHead(status, { 'content-type': type, ...(location && { location }) }).end(text ?? verdict);
  });
  server.on('connection', () => {
    connections += 1;
  });
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    questions,
    bodies,
    connections: () => connections,
    answers: (next: Raw) => {
      raw = next;
    },
    close: async () => {
      server.closeAllConnections();
      await new Promise((closed) => server.close(closed));
    },
  };
}
