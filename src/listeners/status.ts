import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import express from 'express';
import helmet from 'helmet';

/** One dependency and whether money can move as far as it is concerned. */
export type Readiness = { readonly name: string; readonly ready: boolean; readonly detail: string };

export type StatusOptions = {
  readonly address: string;
  readonly port: number;
  readonly readiness: () => readonly Readiness[];
  readonly metrics: () => Promise<{ readonly contentType: string; readonly text: string }>;
  /** The listener failed after it was open; nothing else may end with it. */
  readonly onFault: (error: Error) => void;
};

export type StatusListener = { readonly port: number; readonly close: () => Promise<void> };

/** For operators and probes, on an address of its own: `/livez` (the process runs), `/readyz` (it can serve money), `/healthz` (both, in words), `/metrics`. */
export function listenStatus(options: StatusOptions): Promise<StatusListener> {
  const app = express();
  app.disable('etag').set('query parser', false);
  app.use(helmet());
  const ready = () => {
    const dependencies = options.readiness();
    return { ready: dependencies.every((dependency) => dependency.ready), dependencies };
  };
  app.get('/livez', (_request, response) => void response.json({ live: true }));
  app.get('/readyz', (_request, response) => {
    const body = ready();
    response.status(body.ready ? 200 : 503).json(body);
  });
  app.get('/healthz', (_request, response) => void response.json({ live: true, ...ready() }));
  app.get('/metrics', async (_request, response) => {
    const { contentType, text } = await options.metrics();
    response.set('content-type', contentType).send(text);
  });
  app.use(
    (_request, response) => void response.status(404).json({ error: 'There is no such page; try /livez, /readyz, /healthz or /metrics.' }),
  );
  const server = createServer({ requestTimeout: 10_000, headersTimeout: 5_000 }, app);
  const close = () =>
    new Promise<void>((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    });
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(options.port, options.address, () => {
      // Without a listener an error of the socket, such as too many open files, would end the whole process.
      server.removeListener('error', reject).on('error', options.onFault);
      resolve({ port: (server.address() as AddressInfo).port, close });
    });
  });
}
